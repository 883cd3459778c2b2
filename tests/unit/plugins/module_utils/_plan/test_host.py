# Copyright: (c) 2026, sandboxops contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What hosts lack and may do about it, as tables."""

from __future__ import annotations

import dataclasses
from typing import Any

import pytest
from ansible_collections.sandboxops.microsandbox.plugins.module_utils._observe.host import Directory, Host, Python
from ansible_collections.sandboxops.microsandbox.plugins.module_utils._plan.host import (
    WantedOwner,
    directory_problems,
    repairable_directories,
    ways_to_zstd,
    zstd_problem,
)

OP = WantedOwner(1000, None, "op", None)
HOME = Directory("/h", "directory", 1000, 1000, 0o755)
SYSTEM = Python(
    executable="/usr/bin/python3",
    version="3.11.2",
    is_virtual=False,
    is_system=True,
    is_externally_managed=False,
    has_pip=True,
    packages_dir="/usr/local/lib/python3.11/dist-packages",
    packages_writable=True,
    user_packages_dir="/root/.local/lib/python3.11/site-packages",
)
VIRTUAL: dict[str, Any] = {
    "executable": "/venv/bin/python",
    "is_virtual": True,
    "is_system": False,
    "packages_dir": "/venv/lib",
}
PIP = ("-m", "pip", "install", "--no-input", "--disable-pip-version-check")


def host(manager: str | None = "/usr/bin/apt-get", uid: int = 0, **python: Any) -> Host:
    return Host(dataclasses.replace(SYSTEM, **python), manager, uid, "root" if uid == 0 else "op")


def repaired(directories: list[Directory], on: Host) -> list[str]:
    problems = {directory.path: directory_problems(directory, OP) for directory in directories}
    return [directory.path for directory in repairable_directories(directories, problems, on)]


def names(found: Host) -> list[str]:
    return [way.name for way in ways_to_zstd(found)]


@pytest.mark.parametrize(
    ("found", "ways"),
    [
        (host(is_externally_managed=True, has_pip=False), ["package"]),  # Debian 12, Ubuntu 24.04
        (host(is_externally_managed=True), ["package"]),
        (host(), ["package", "pip"]),  # Debian 11, Ubuntu 22.04
        (
            host("/usr/bin/dnf"),
            ["package", "pip"],
        ),  # RHEL, where the package may be in a repository that is not enabled
        (host("/usr/bin/dnf", has_pip=False), ["package"]),
        (host("/sbin/apk", is_externally_managed=True, has_pip=False), ["package"]),
        (host(None), ["pip"]),  # an unknown system
        (host(None, is_externally_managed=True), []),
        (host(None, has_pip=False), []),
        (host(uid=1000, packages_writable=False, is_externally_managed=True), []),
        (host("/usr/bin/dnf", uid=1000, packages_writable=False), ["pip"]),
        (host(uid=1000, packages_writable=False, user_packages_dir=None), []),
        (host(**VIRTUAL), ["pip"]),
        (host(uid=1000, **VIRTUAL), ["pip"]),
        (host(uid=1000, packages_writable=False, **VIRTUAL), []),
        (host(**VIRTUAL, has_pip=False), []),
        (host(is_system=False, executable="/usr/local/bin/python3"), ["pip"]),
        (host(is_system=False, is_externally_managed=True), []),
    ],
)
def test_a_host_may_install_what_its_python_allows(found: Host, ways: list[str]) -> None:
    assert names(found) == ways


@pytest.mark.parametrize(
    ("manager", "commands"),
    [
        ("apt-get", [["update"], ["install", "--yes", "--no-install-recommends", "python3-zstandard"]]),
        ("dnf", [["install", "--assumeyes", "python3-zstandard"]]),
        ("microdnf", [["install", "--assumeyes", "python3-zstandard"]]),
        ("yum", [["install", "--assumeyes", "python3-zstandard"]]),
        ("apk", [["add", "--no-cache", "py3-zstandard"]]),
        ("zypper", [["--non-interactive", "install", "python3-zstandard"]]),
        ("pacman", [["--sync", "--refresh", "--noconfirm", "--needed", "python-zstandard"]]),
    ],
)
def test_a_package_manager_is_asked_in_its_own_words(manager: str, commands: list[list[str]]) -> None:
    way = ways_to_zstd(host(f"/usr/bin/{manager}"))[0]
    assert way.commands == tuple((f"/usr/bin/{manager}", *arguments) for arguments in commands)


def test_pip_installs_for_all_where_the_user_may() -> None:
    (way,) = ways_to_zstd(host(**VIRTUAL))
    assert way.commands == (("/venv/bin/python", *PIP, "zstandard"),)
    assert way.creates == "/venv/lib/zstandard"


def test_pip_installs_for_the_user_alone_where_that_is_all_he_may() -> None:
    (way,) = ways_to_zstd(host(uid=1000, packages_writable=False))
    assert way.commands == (("/usr/bin/python3", *PIP, "--user", "zstandard"),)
    assert way.creates == "/root/.local/lib/python3.11/site-packages/zstandard"


def test_no_way_ever_breaks_a_managed_python() -> None:
    commands = [
        command for manager in (None, "/usr/bin/dnf") for way in ways_to_zstd(host(manager)) for command in way.commands
    ]
    assert commands
    assert not [command for command in commands if "--break-system-packages" in command]


def test_a_host_with_a_library_has_no_problem() -> None:
    assert zstd_problem(host(), "compression.zstd 1.5.7") is None


@pytest.mark.parametrize(
    ("found", "end"),
    [
        (host(), "package or pip can install one"),
        (host(is_externally_managed=True), "package can install one"),
        (host(uid=1000, is_externally_managed=True), "its package python3-zstandard needs root"),
        (
            host(None, is_externally_managed=True),
            "it is externally managed, and no package manager known here serves it",
        ),
        (host(**VIRTUAL, has_pip=False), "it has no pip, and the system's packages are for another Python"),
        (host(uid=1000, packages_writable=False, **VIRTUAL), "op may not write where it looks for packages"),
    ],
)
def test_a_missing_library_is_told_with_what_may_be_done(found: Host, end: str) -> None:
    problem = zstd_problem(found, None)
    assert problem is not None
    assert problem.what == "zstd"
    assert str(problem).startswith("Python 3.11.2 (")
    assert str(problem).endswith(f") has no zstd library: {end}")


@pytest.mark.parametrize(
    ("changes", "owner", "problems"),
    [
        ({}, OP, {}),
        ({"gid": 5}, OP, {}),
        ({"mode": 0o1777}, OP, {}),
        ({"kind": "absent", "mode": None}, OP, {"directory": "/h is absent"}),
        (
            {"kind": "absent", "above": "/", "changeable": False},
            OP,
            {"directory": "/h is absent, and the task's user may make nothing in /"},
        ),
        (
            {"kind": "closed", "above": "/", "changeable": False},
            OP,
            {"directory": "/h is beyond /, which the task's user may not enter"},
        ),
        ({"kind": "other", "mode": None}, OP, {"directory": "/h is no directory"}),
        ({"uid": 0}, OP, {"owner": "/h belongs to uid 0, not to op"}),
        ({}, WantedOwner(1000, 5, "op", "tty"), {"owner": "/h has the gid 1000, not that of tty"}),
        ({"mode": 0o555}, OP, {"mode": "/h has the mode 0555, its owner cannot use it"}),
        ({"foreign": ("/h/a",)}, OP, {"foreign": "/h holds what belongs to somebody else: /h/a"}),
        (
            {"foreign": ("/h/a", "/h/b", "/h/c", "/h/d"), "uid": 0},
            OP,
            {
                "owner": "/h belongs to uid 0, not to op",
                "foreign": "/h holds what belongs to somebody else: /h/a, /h/b, /h/c, ...",
            },
        ),
    ],
)
def test_directories_are_judged(changes: dict[str, Any], owner: WantedOwner, problems: dict[str, str]) -> None:
    found = directory_problems(dataclasses.replace(HOME, **changes), owner)
    assert {problem.what: str(problem) for problem in found} == problems
    assert {problem.path for problem in found} <= {"/h"}


@pytest.mark.parametrize(
    ("changes", "as_root", "as_op"),
    [
        ({}, False, False),
        ({"kind": "absent"}, True, True),
        ({"kind": "absent", "changeable": False}, False, False),
        ({"kind": "closed", "changeable": False}, False, False),
        ({"kind": "other"}, False, False),
        ({"uid": 0}, True, False),
        ({"mode": 0o555}, True, True),
        ({"uid": 0, "mode": 0o555}, True, False),
        ({"foreign": ("/h/a",)}, False, False),
        ({"uid": 0, "foreign": ("/h/a",)}, True, False),
        ({"uid": 0, "mode": 0o555, "changeable": False}, False, False),
        ({"mode": 0o555, "changeable": False}, False, False),
    ],
)
def test_only_what_the_user_may_repair_is_repaired(changes: dict[str, Any], as_root: bool, as_op: bool) -> None:
    directory = dataclasses.replace(HOME, **changes)
    assert repaired([directory], host()) == ["/h"] * as_root
    assert repaired([directory], host(uid=1000)) == ["/h"] * as_op


@pytest.mark.parametrize("kind", ["absent", "closed"])
def test_what_is_behind_a_repair_is_repaired_after_it(kind: str) -> None:
    below = Directory("/h/s", kind, 1000, 1000, None, above="/h", changeable=False)
    assert repaired([dataclasses.replace(HOME, mode=0o555), below], host(uid=1000)) == ["/h", "/h/s"]
    assert repaired([HOME, below], host(uid=1000)) == []
