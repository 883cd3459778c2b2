# Copyright: (c) 2026, sandboxops contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a host lacks, and what would bring it: directories of the right owner, and a zstd library."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from .._observe.host import Directory, Host, Python

_OWNER_MAY_ALL = 0o700

# How each package manager installs the library, and what it calls it.
_INSTALL = {
    "apt-get": (("update",), ("install", "--yes", "--no-install-recommends", "python3-zstandard")),
    "dnf": (("install", "--assumeyes", "python3-zstandard"),),
    "microdnf": (("install", "--assumeyes", "python3-zstandard"),),
    "yum": (("install", "--assumeyes", "python3-zstandard"),),
    "apk": (("add", "--no-cache", "py3-zstandard"),),
    "zypper": (("--non-interactive", "install", "python3-zstandard"),),
    "pacman": (("--sync", "--refresh", "--noconfirm", "--needed", "python-zstandard"),),
}


@dataclass(frozen=True)
class Way:
    """A way to install something.

    Attributes:
        name: ``package`` or ``pip``.
        commands: What to run, one after the other.
        creates: What is there when it has been installed that way before.
    """

    name: str
    commands: tuple[tuple[str, ...], ...]
    creates: str


@dataclass(frozen=True)
class Problem:
    """Something that a host lacks.

    Attributes:
        what: ``directory``, ``owner``, ``mode``, ``foreign`` or ``zstd``.
        path: The path that it is about, if any.
        reason: What is wrong, as a sentence.
    """

    what: str
    path: str | None
    reason: str

    def __str__(self) -> str:
        """Return the problem as a sentence."""
        return self.reason


@dataclass(frozen=True)
class WantedOwner:
    """Whose directories are to be.

    Attributes:
        uid: The user.
        gid: The group, or None when it does not matter.
        user: The user's name, for messages.
        group: The group's name, for messages.
    """

    uid: int
    gid: int | None
    user: str
    group: str | None


def directory_problems(directory: Directory, owner: WantedOwner) -> tuple[Problem, ...]:
    """Return what is wrong with a directory."""
    path = directory.path
    if directory.kind == "absent":
        how = "" if directory.changeable else f", and the task's user may make nothing in {directory.above}"
        return (Problem("directory", path, f"{path} is absent{how}"),)
    if directory.kind == "closed":
        return (Problem("directory", path, f"{path} is beyond {directory.above}, which the task's user may not enter"),)
    if directory.kind == "other":
        return (Problem("directory", path, f"{path} is no directory"),)
    problems = []
    if directory.uid != owner.uid:
        problems.append(Problem("owner", path, f"{path} belongs to uid {directory.uid}, not to {owner.user}"))
    if owner.gid is not None and directory.gid != owner.gid:
        problems.append(Problem("owner", path, f"{path} has the gid {directory.gid}, not that of {owner.group}"))
    if directory.mode is not None and directory.mode & _OWNER_MAY_ALL != _OWNER_MAY_ALL:
        problems.append(Problem("mode", path, f"{path} has the mode {directory.mode:04o}, its owner cannot use it"))
    if directory.foreign:
        some = ", ".join(directory.foreign[:3]) + (", ..." if len(directory.foreign) > 3 else "")
        problems.append(Problem("foreign", path, f"{path} holds what belongs to somebody else: {some}"))
    return tuple(problems)


def repairable_directories(
    directories: Sequence[Directory], problems: Mapping[str, Sequence[Problem]], host: Host
) -> tuple[Directory, ...]:
    """Return the directories that a task may make, or whose owner and mode it may set, one after the other.

    What lies in one and belongs to somebody else is for a person to judge.

    Args:
        directories: All that were looked at.
        problems: What is wrong with each, by its path.
        host: Where they are.
    """
    repairable: list[Directory] = []
    for directory in directories:
        kinds = {problem.what for problem in problems[directory.path]} - {"foreign"}
        if directory.kind in ("absent", "closed"):
            # What stands in one that is closed to its owner can be made once that is repaired.
            possible = directory.changeable or directory.above in [found.path for found in repairable]
        else:
            is_own = "mode" in kinds and directory.uid == host.uid
            possible = directory.kind == "directory" and directory.changeable and (host.is_root or is_own)
        if kinds and possible:
            repairable.append(directory)
    return tuple(repairable)


def ways_to_zstd(host: Host) -> tuple[Way, ...]:
    """Return how a host may get a zstd library for its Python, the best way first; none when nothing is allowed.

    The system's package comes before pip, where it is for this Python. pip never touches a Python that the system
    manages.
    """
    python = host.python
    ways = []
    if python.is_system and host.is_root and host.package_manager is not None:
        install = _INSTALL[host.package_manager.rpartition("/")[2]]
        commands = tuple((host.package_manager, *arguments) for arguments in install)
        ways.append(Way("package", commands, f"{python.packages_dir}/zstandard"))
    if python.has_pip and not python.is_externally_managed:
        ways += _ways_of_pip(python)
    return tuple(ways)


def zstd_problem(host: Host, backend: str | None) -> Problem | None:
    """Return why a host has no zstd library and cannot get one, or that it can; None when it has one."""
    if backend is not None:
        return None
    python = host.python
    ways = [way.name for way in ways_to_zstd(host)]
    if ways:
        how = f"{' or '.join(ways)} can install one"
    elif python.is_system and not host.is_root:
        how = "its package python3-zstandard needs root"
    elif python.is_externally_managed:
        how = "it is externally managed, and no package manager known here serves it"
    elif not python.has_pip:
        how = "it has no pip, and the system's packages are for another Python"
    else:
        how = f"{host.user} may not write where it looks for packages"
    return Problem("zstd", None, f"Python {python.version} ({python.executable}) has no zstd library: {how}")


def _ways_of_pip(python: Python) -> list[Way]:
    pip = (python.executable, "-m", "pip", "install", "--no-input", "--disable-pip-version-check")
    if python.packages_writable:
        return [Way("pip", ((*pip, "zstandard"),), f"{python.packages_dir}/zstandard")]
    if python.user_packages_dir is not None and not python.is_virtual:
        return [Way("pip", ((*pip, "--user", "zstandard"),), f"{python.user_packages_dir}/zstandard")]
    return []
