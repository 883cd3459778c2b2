# Copyright: (c) 2026, sandboxops contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A sandbox known to a home's database, and whether its disk can be captured now."""

from __future__ import annotations

import os
import sqlite3
import stat
from dataclasses import dataclass

from .._core.digests import is_sha256
from .._core.errors import FormatError, MicrosandboxError, RequestError, StateError, UnsupportedError, excerpt
from .._core.unicode_text import is_unicode
from .._disk.database import read_database
from .._disk.regular_file import read_regular_file
from .._formats.manifest_json import UPPER_FILE
from .._formats.root_disk import MAX_ROOT_DISK_BYTES, ROOT_DISK_FILE, RootDisk, parse_root_disk
from .._formats.sandbox_config import ROOT_OCI, SandboxConfig, parse_sandbox_config
from .home import Home

# microsandbox also captures a sandbox that is Starting, whose disk is about to change.
_CAPTURABLE = ("Stopped", "Crashed", "Created")
_BUSY = ("Running", "Draining", "Paused", "Starting")
_MANAGED = "managed"


@dataclass(frozen=True)
class Sandbox:
    """A sandbox as the database describes it.

    Attributes:
        name: Its name.
        status: Its state, as recorded.
        config: Its configuration.
        directory: Where its disk is.
        upper: Path of its writable layer, which need not exist.
        root_disk: The files of its writable disk where they are recorded (0.7 and later); without, it is the upper.
        row_id: Key of the database's row.
    """

    name: str
    status: str
    config: SandboxConfig
    directory: str
    upper: str
    root_disk: RootDisk | None
    row_id: int


def observe_sandbox(home: Home, name: str) -> Sandbox:
    """Read a sandbox from a home's database, as fresh as the database's log has it.

    Raises:
        RequestError: No sandbox can have the name.
        StateError: The home knows no such sandbox, or the database stays locked.
        FormatError: The configuration or the state of the disk is malformed.
        UnsupportedError: The configuration or the state of the disk is of an unknown kind.
    """
    if not name or "/" in name or "\0" in name or name in (".", "..") or not is_unicode(name):
        raise RequestError(f"the sandbox name {excerpt(name)} is not the name of a directory", sandbox=excerpt(name))
    row_id, status, config = _read_row(home, name)
    directory = os.path.join(home.sandboxes_dir, name)
    try:
        parsed = parse_sandbox_config(config)
        root_disk = _read_root_disk(os.path.join(directory, "runtime", ROOT_DISK_FILE))
    except MicrosandboxError as exc:
        raise type(exc)(f"sandbox {excerpt(name)}: {exc.message}", **{**exc.facts, "sandbox": name}) from exc
    upper = os.path.join(directory, UPPER_FILE)
    return Sandbox(name, status, parsed, directory, upper, root_disk, row_id)


def list_sandbox_names(home: Home) -> tuple[str, ...]:
    """Return the names of the sandboxes that a home's database knows, sorted; without a database there are none.

    Raises:
        StateError: The database stays locked.
    """

    def query(connection: sqlite3.Connection) -> tuple[str, ...]:
        if _has_sandboxes(connection):
            rows = connection.execute("SELECT name FROM sandbox")
            return tuple(sorted(name for (name,) in rows if isinstance(name, str)))
        return ()

    try:
        return read_database(home.database, query)
    except FileNotFoundError:
        return ()


@dataclass(frozen=True)
class CaptureSource:
    """A sandbox whose disk can be captured now.

    Attributes:
        sandbox: The sandbox.
        upper_bytes: Apparent size of its upper.
        image_reference: Reference of its OCI image.
        image_manifest_digest: Digest of the image manifest that it pins.
    """

    sandbox: Sandbox
    upper_bytes: int
    image_reference: str
    image_manifest_digest: str


def is_busy(sandbox: Sandbox) -> bool:
    """Return whether a sandbox runs or is about to, so that its disk may change at any time."""
    return sandbox.status in _BUSY


def require_capturable(sandbox: Sandbox) -> CaptureSource:
    """Check that a sandbox's disk can be captured: at rest, rooted in a pinned OCI image, and one raw upper.

    Raises:
        StateError: The sandbox is not at rest, has no pinned OCI image or no upper, or the upper is no regular file.
        FormatError: The pinned digest is not one.
        UnsupportedError: The state is unknown, or the disk is more or other than the sandbox's one upper.
    """
    _require_at_rest(sandbox)
    reference, manifest_digest = _require_image(sandbox)
    kind = sandbox.config.root_disk_kind
    if kind not in (None, _MANAGED):
        raise UnsupportedError(
            f"sandbox {excerpt(sandbox.name)} writes to a root disk of kind {excerpt(kind)}, "
            f"only one of kind {_MANAGED} can be captured",
            sandbox=sandbox.name,
            root_disk=kind[:80],
        )
    upper = _require_upper(sandbox)
    if sandbox.root_disk is not None:
        _require_only_layer(sandbox, sandbox.root_disk, upper)
    return CaptureSource(sandbox, upper.st_size, reference, manifest_digest)


def _read_row(home: Home, name: str) -> tuple[int, str, str]:
    def query(connection: sqlite3.Connection) -> tuple[object, ...] | None:
        if _has_sandboxes(connection):
            row: tuple[object, ...] | None = connection.execute(
                "SELECT id, status, config FROM sandbox WHERE name = ?", (name,)
            ).fetchone()
            return row
        return None

    try:
        row = read_database(home.database, query)
    except FileNotFoundError as exc:
        raise StateError(
            f"there is no sandbox {excerpt(name)}: the home {home.path} has no database", sandbox=name, home=home.path
        ) from exc
    if row is None:
        raise StateError(f"there is no sandbox {excerpt(name)} in the home {home.path}", sandbox=name, home=home.path)
    row_id, status, config = row
    if not isinstance(row_id, int) or not isinstance(status, str) or not isinstance(config, str):
        raise FormatError(f"the database's row of sandbox {excerpt(name)} has a status or config that is no text")
    return row_id, status, config


def _has_sandboxes(connection: sqlite3.Connection) -> bool:
    found = connection.execute("SELECT 1 FROM sqlite_master WHERE type = 'table' AND name = 'sandbox'").fetchone()
    return found is not None


def _read_root_disk(path: str) -> RootDisk | None:
    try:
        return parse_root_disk(read_regular_file(path, MAX_ROOT_DISK_BYTES))
    except (FileNotFoundError, NotADirectoryError):
        return None


def _require_at_rest(sandbox: Sandbox) -> None:
    if sandbox.status in _CAPTURABLE:
        return
    facts = {"sandbox": sandbox.name, "status": sandbox.status[:80]}
    wanted = f"a capture needs one that is {', '.join(_CAPTURABLE[:-1])} or {_CAPTURABLE[-1]}"
    if sandbox.status in _BUSY:
        raise StateError(f"sandbox {excerpt(sandbox.name)} is {sandbox.status}, {wanted}", **facts)
    raise UnsupportedError(
        f"sandbox {excerpt(sandbox.name)} is in the unknown state {excerpt(sandbox.status)}, {wanted}", **facts
    )


def _require_image(sandbox: Sandbox) -> tuple[str, str]:
    name, config = excerpt(sandbox.name), sandbox.config
    if config.root_kind != ROOT_OCI:
        raise StateError(
            f"sandbox {name} is rooted in a {config.root_kind}, a snapshot needs an OCI image",
            sandbox=sandbox.name,
            root=config.root_kind,
        )
    if config.image_manifest_digest is None:
        raise StateError(
            f"sandbox {name} pins no OCI image manifest, it was never started from one", sandbox=sandbox.name
        )
    if not is_sha256(config.image_manifest_digest):
        raise FormatError(
            f"sandbox {name} pins the image manifest {excerpt(config.image_manifest_digest)}, "
            "not sha256: and 64 lower-case hex digits",
            sandbox=sandbox.name,
        )
    if not config.image_reference:
        raise StateError(f"sandbox {name} names no OCI image, a snapshot needs its reference", sandbox=sandbox.name)
    return config.image_reference, config.image_manifest_digest


def _require_upper(sandbox: Sandbox) -> os.stat_result:
    # Only a look: opening a FIFO would wait for ever.
    try:
        found = os.lstat(sandbox.upper)
    except (FileNotFoundError, NotADirectoryError) as exc:
        raise StateError(
            f"sandbox {excerpt(sandbox.name)} has no upper at {sandbox.upper}", sandbox=sandbox.name, path=sandbox.upper
        ) from exc
    if not stat.S_ISREG(found.st_mode):
        raise StateError(
            f"the upper {sandbox.upper} of sandbox {excerpt(sandbox.name)} is no regular file",
            sandbox=sandbox.name,
            path=sandbox.upper,
        )
    return found


def _require_only_layer(sandbox: Sandbox, root_disk: RootDisk, upper: os.stat_result) -> None:
    name, layers = excerpt(sandbox.name), root_disk.layers
    if [layer.format for layer in layers] != ["raw"]:
        formats = ", ".join(excerpt(layer.format) for layer in layers[:4]) or "none"
        raise UnsupportedError(
            f"the disk of sandbox {name} has {len(layers)} layers ({formats}), only one raw layer can be captured",
            sandbox=sandbox.name,
            layers=len(layers),
        )
    path = layers[0].path
    try:
        found = os.lstat(path)
    except (OSError, ValueError) as exc:
        raise StateError(
            f"the disk of sandbox {name} is recorded as {excerpt(path, 200)}, which cannot be looked at",
            sandbox=sandbox.name,
            path=path[:4096],
        ) from exc
    if not os.path.samestat(found, upper):
        raise UnsupportedError(
            f"the disk of sandbox {name} is recorded as {excerpt(path, 200)}, which is not its upper {sandbox.upper}",
            sandbox=sandbox.name,
            path=path[:4096],
        )
