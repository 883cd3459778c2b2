# Copyright: (c) 2026, sandboxops contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a managed host brings along: its Python, its package manager, and whose its directories are."""

from __future__ import annotations

import contextlib
import grp
import importlib.util
import os
import pwd
import site
import stat
import sys
import sysconfig
from collections.abc import Sequence
from dataclasses import dataclass

# Package managers by the program to look for, in this order: some systems have a second one.
_MANAGERS = ("apt-get", "dnf", "microdnf", "yum", "apk", "zypper", "pacman")
_PROGRAM_DIRECTORIES = ("/usr/bin", "/usr/sbin", "/bin", "/sbin")
_SYSTEM_PYTHONS = ("/usr/bin/python3", "/usr/libexec/platform-python")


@dataclass(frozen=True)
class Python:
    """The Python that the modules run on.

    Attributes:
        executable: Its program.
        version: Its version, such as ``3.11.2``.
        is_virtual: Whether it is that of a virtual environment.
        is_system: Whether it is the one that the system's packages are made for.
        is_externally_managed: Whether the system forbids to install into it with pip (PEP 668).
        has_pip: Whether it has pip.
        packages_dir: Where pip would put a compiled package.
        packages_writable: Whether the user may write there.
        user_packages_dir: Where pip would put it for the user alone, or None where that is not searched.
    """

    executable: str
    version: str
    is_virtual: bool
    is_system: bool
    is_externally_managed: bool
    has_pip: bool
    packages_dir: str
    packages_writable: bool
    user_packages_dir: str | None


@dataclass(frozen=True)
class Directory:
    """A directory that the modules work in.

    Attributes:
        path: Its path.
        kind: ``directory``, ``absent``, ``other``, or ``closed`` where the user may not look.
        uid: Its owner, or where it is absent or closed that of the nearest directory above.
        gid: Its group, likewise.
        mode: Its permissions, None for what is no directory that can be looked at.
        foreign: Paths in it that belong to somebody else, sorted.
        above: Where it is absent or closed, what is there nearest above it, be it a directory or not.
        changeable: Whether the user could make it there, or where it is a directory, whether its file system can be
            written to.
    """

    path: str
    kind: str
    uid: int
    gid: int
    mode: int | None
    foreign: tuple[str, ...] = ()
    above: str | None = None
    changeable: bool = True


@dataclass(frozen=True)
class Host:
    """A host as far as it matters here.

    Attributes:
        python: The Python that the modules run on.
        package_manager: Path of the program that installs the system's packages, or None.
        uid: The user that the task runs as.
        user: The user's name.
    """

    python: Python
    package_manager: str | None
    uid: int
    user: str

    @property
    def is_root(self) -> bool:
        """Return whether the task runs as root."""
        return self.uid == 0


def observe_host() -> Host:
    """Look at the host and at the Python that this runs on."""
    uid = os.geteuid()
    return Host(_observe_python(), find_package_manager(_PROGRAM_DIRECTORIES), uid, user_name(uid))


def observe_directory(path: str) -> Directory:
    """Look at a directory and at the owners of what lies directly in it.

    Raises:
        OSError: It cannot be looked at.
    """
    try:
        found = os.stat(path)
    except (FileNotFoundError, NotADirectoryError):
        return _observe_absent(path, "other" if os.path.islink(path) else "absent")
    except PermissionError:
        return _observe_absent(path, "closed")
    if not stat.S_ISDIR(found.st_mode):
        return Directory(path, "other", found.st_uid, found.st_gid, None)
    foreign: list[str] = []
    # To somebody who may not even list it, the directory itself is the problem.
    with contextlib.suppress(PermissionError), os.scandir(path) as entries:
        foreign += (entry.path for entry in entries if entry.stat(follow_symlinks=False).st_uid != found.st_uid)
    return Directory(
        path=path,
        kind="directory",
        uid=found.st_uid,
        gid=found.st_gid,
        mode=stat.S_IMODE(found.st_mode),
        foreign=tuple(sorted(foreign)),
        changeable=not os.statvfs(path).f_flag & os.ST_RDONLY,
    )


def find_package_manager(directories: Sequence[str]) -> str | None:
    """Return the path of the program that installs the system's packages, or None when there is none that is known."""
    candidates = (os.path.join(directory, name) for name in _MANAGERS for directory in directories)
    return next((path for path in candidates if os.access(path, os.X_OK)), None)


def user_name(uid: int) -> str:
    """Return the name of a user, or the number where there is none."""
    try:
        return pwd.getpwuid(uid).pw_name
    except KeyError:
        return str(uid)


def group_name(gid: int) -> str:
    """Return the name of a group, or the number where there is none."""
    try:
        return grp.getgrgid(gid).gr_name
    except KeyError:
        return str(gid)


def _observe_python() -> Python:
    is_virtual = sys.prefix != sys.base_prefix
    packages = sysconfig.get_path("platlib")
    marker = os.path.join(sysconfig.get_path("stdlib"), "EXTERNALLY-MANAGED")
    program = os.path.realpath(sys.executable)
    return Python(
        executable=sys.executable,
        version=".".join(str(part) for part in sys.version_info[:3]),
        is_virtual=is_virtual,
        is_system=not is_virtual and program in map(os.path.realpath, _SYSTEM_PYTHONS),
        is_externally_managed=not is_virtual and os.path.exists(marker),
        has_pip=importlib.util.find_spec("pip") is not None,
        packages_dir=packages,
        packages_writable=os.access(_nearest(packages), os.W_OK),
        user_packages_dir=site.getusersitepackages() if site.ENABLE_USER_SITE else None,
    )


def _observe_absent(path: str, kind: str) -> Directory:
    nearest = os.stat(_nearest(path))
    above = os.path.dirname(path)
    while not os.path.lexists(above):
        above = os.path.dirname(above)
    changeable = os.path.isdir(above) and os.access(above, os.W_OK | os.X_OK)
    return Directory(path, kind, nearest.st_uid, nearest.st_gid, None, above=above, changeable=changeable)


def _nearest(path: str) -> str:
    while not os.path.isdir(path):
        path = os.path.dirname(path)
    return path
