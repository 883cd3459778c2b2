# Copyright: (c) 2026, sandboxops contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A home: microsandbox's directory on a host, with the directories that its configuration moved elsewhere."""

from __future__ import annotations

import os
import pwd
from collections.abc import Mapping
from dataclasses import dataclass, replace

from .._core.errors import FormatError, RequestError, StateError, UnsupportedError, excerpt
from .._disk.regular_file import read_regular_file
from .._formats.descriptor import G1, G2, G3
from .._formats.home_config import CONFIG_FILE, MAX_CONFIG_BYTES, HomeConfig, parse_home_config
from .artifact import find_enclosing
from .index import ABSENT, UNKNOWN, observe_index_schema

_DEFAULT_NAME = ".microsandbox"
_GROUPS_LOCK = ".groups.lock"
_GROUP_FILE = "group.json"
_LATER_DESCRIPTOR = "snapshot.json"


@dataclass(frozen=True)
class Home:
    """A home and its directories, all absolute and free of ``.`` and ``..``; symlinks are left as they are.

    Attributes:
        path: The home itself.
        snapshots_dir: The store to work in.
        managed_dir: The store that microsandbox manages, by the home's own configuration.
        cache_dir: The image cache.
        sandboxes_dir: The sandboxes' disks.
        database: The database's file, which need not exist.
        generation: ``G1``, ``G2`` or ``G3`` by the database, or by the store where there is none; ``unknown`` when the
            database is none of them. A home without a database counts as G1.
        exists: Whether the home is a directory.
    """

    path: str
    snapshots_dir: str
    managed_dir: str
    cache_dir: str
    sandboxes_dir: str
    database: str
    generation: str
    exists: bool


def observe_home(
    home: str | None, snapshots_dir: str | None, cache_dir: str | None, environ: Mapping[str, str]
) -> Home:
    """Find a home the way microsandbox does, and tell its generation.

    Args:
        home: As in ``locate_home``.
        snapshots_dir: Likewise.
        cache_dir: Likewise.
        environ: Likewise.

    Raises:
        RequestError: A path has a character that none can have.
        StateError: The database stays locked, or is no regular file.
    """
    found = locate_home(home, snapshots_dir, cache_dir, environ)
    return replace(found, generation=_generation(found.database, found.managed_dir))


def locate_home(home: str | None, snapshots_dir: str | None, cache_dir: str | None, environ: Mapping[str, str]) -> Home:
    """Find a home the way microsandbox does, whatever is there: its generation is left unknown.

    Args:
        home: Stands for ``MSB_HOME`` and also wins over the configuration.
        snapshots_dir: Wins over the configuration.
        cache_dir: Wins over the configuration.
        environ: The environment: ``MSB_HOME``, ``MSB_CONFIG_PATH`` and ``HOME`` matter.

    Raises:
        RequestError: A path has a character that none can have.
    """
    default = home or environ.get("MSB_HOME") or os.path.join(_user_directory(environ), _DEFAULT_NAME)
    config = _read_config(environ.get("MSB_CONFIG_PATH") or os.path.join(_require_path(default), CONFIG_FILE))
    path = absolute_path(home or config.home or default)
    managed = absolute_path(config.snapshots or os.path.join(path, "snapshots"))
    return Home(
        path=path,
        snapshots_dir=absolute_path(snapshots_dir) if snapshots_dir else managed,
        managed_dir=managed,
        cache_dir=absolute_path(cache_dir or config.cache or os.path.join(path, "cache")),
        sandboxes_dir=absolute_path(config.sandboxes or os.path.join(path, "sandboxes")),
        database=os.path.join(path, "db", "msb.db"),
        generation=UNKNOWN,
        exists=os.path.isdir(path),
    )


def absolute_path(path: str) -> str:
    """Return a path, absolute and normalised, with one leading slash where POSIX lets two stand.

    Raises:
        RequestError: It has a character that no path can have.
    """
    return "/" + os.path.abspath(_require_path(path)).lstrip("/")


def _require_path(text: str) -> str:
    try:
        is_path = b"\0" not in os.fsencode(text)
    except UnicodeEncodeError:
        is_path = False
    if not is_path:
        raise RequestError(f"the path {excerpt(text, 200)} has a character that no path can have", value=excerpt(text))
    return text


def is_managed(home: Home, path: str) -> bool:
    """Return whether a path lies in the store that microsandbox manages, symlinks resolved."""
    store = os.path.realpath(home.managed_dir)
    return os.path.commonpath([store, os.path.realpath(path)]) == store


def is_indexed(home: Home, directory: str) -> bool:
    """Return whether the artifacts of a directory belong into the index that this collection keeps."""
    return home.generation == G1 and directory == home.managed_dir


def require_writable(home: Home, path: str) -> None:
    """Check that writing or removing something at a path does not meddle with what microsandbox keeps for itself.

    That is the sandboxes, the image cache, the database and the locks, and the managed store of a later generation. Nor
    is a snapshot a place for anything else: whoever removes it removes that, too.

    Raises:
        StateError: The path is one of the former, or lies in one or in a snapshot.
        UnsupportedError: The path lies in the managed store of a home of a later or unknown generation.
    """
    real = os.path.realpath(path)
    kept = [home.sandboxes_dir, home.cache_dir, *(os.path.join(home.path, name) for name in ("db", "run"))]
    for directory in map(os.path.realpath, kept):
        if os.path.commonpath([directory, real]) == directory:
            raise StateError(f"{path} lies in {directory}, which microsandbox keeps for itself", path=path)
    snapshot = find_enclosing(path)
    if snapshot is not None:
        raise StateError(f"{path} lies in the snapshot {snapshot}, and would go with it", path=path, snapshot=snapshot)
    if home.generation != G1 and is_managed(home, path):
        raise UnsupportedError(
            f"home {home.path} is of generation {home.generation}, this collection writes G1 snapshots and leaves its"
            f" managed store {home.managed_dir} alone; use an explicit path or snapshots_dir outside it",
            home=home.path,
            generation=home.generation,
            path=path,
        )


def _user_directory(environ: Mapping[str, str]) -> str:
    if environ.get("HOME"):
        return environ["HOME"]
    try:
        return pwd.getpwuid(os.geteuid()).pw_dir
    except KeyError:
        return "."


def _read_config(path: str) -> HomeConfig:
    # microsandbox takes a file that it cannot read for an empty one.
    try:
        return parse_home_config(read_regular_file(path, MAX_CONFIG_BYTES, follow_symlink=True))
    except (OSError, FormatError):
        return HomeConfig()


def _generation(database: str, store: str) -> str:
    try:
        schema = observe_index_schema(database)
    except FormatError:
        return UNKNOWN
    # Every microsandbox upgrades the database before it touches the store, so only a home without one needs a look.
    return _store_generation(store) if schema == ABSENT else schema


def _store_generation(store: str) -> str:
    try:
        names = os.listdir(store)
    except (FileNotFoundError, NotADirectoryError):
        return G1
    if _GROUPS_LOCK in names:
        return G3
    generation = G1
    for name in names:
        if os.path.isfile(f"{store}/{name}/{_GROUP_FILE}"):
            return G3
        if os.path.isfile(f"{store}/{name}/{_LATER_DESCRIPTOR}"):
            generation = G2
    return generation
