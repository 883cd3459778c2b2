# Copyright: (c) 2026, sandboxops contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What is seen of a host: this one, and directories made for it."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest
from ansible_collections.sandboxops.microsandbox.plugins.module_utils._observe.host import (
    Directory,
    find_package_manager,
    group_name,
    observe_directory,
    observe_host,
    user_name,
)

NOBODY = 65534
UNKNOWN_ID = 2_000_000_123


def observed_by_nobody(path: str) -> list[object]:
    """Return what a process of an ordinary user sees of a directory."""
    reading, writing = os.pipe()
    child = os.fork()
    if child == 0:
        try:
            os.setgroups([])
            os.setgid(NOBODY)
            os.setuid(NOBODY)
            found = observe_directory(path)
            os.write(writing, json.dumps([found.kind, found.above, found.changeable]).encode())
        finally:
            os._exit(0)
    os.close(writing)
    with open(reading, encoding="utf-8") as answer:
        told = answer.read()
    os.waitpid(child, 0)
    return list(json.loads(told))


def test_this_host_is_seen() -> None:
    host = observe_host()
    assert host.python.executable == sys.executable
    assert host.python.version == ".".join(map(str, sys.version_info[:3]))
    assert host.python.is_virtual == (sys.prefix != sys.base_prefix)
    assert not (host.python.is_virtual and (host.python.is_system or host.python.is_externally_managed))
    assert (host.uid, host.is_root) == (os.geteuid(), os.geteuid() == 0)
    assert host.user == user_name(os.geteuid())


@pytest.mark.parametrize(
    ("programs", "found"),
    [
        ([], None),
        (["a/dnf"], "a/dnf"),
        (["b/apk"], "b/apk"),
        (["a/dnf", "b/apt-get"], "b/apt-get"),
        (["a/yum", "a/dnf"], "a/dnf"),
        (["a/brew"], None),
    ],
)
def test_the_package_manager_is_found_by_its_program(tmp_path: Path, programs: list[str], found: str | None) -> None:
    for directory in ("a", "b"):
        tmp_path.joinpath(directory).mkdir()
    for program in programs:
        tmp_path.joinpath(program).touch(0o755)
    wanted = None if found is None else str(tmp_path / found)
    assert find_package_manager([str(tmp_path / "a"), str(tmp_path / "b")]) == wanted


def test_a_program_that_cannot_be_run_is_none(tmp_path: Path) -> None:
    tmp_path.joinpath("dnf").touch(0o644)
    assert find_package_manager([str(tmp_path)]) is None


def test_a_directory_is_seen_with_its_owner_and_mode(tmp_path: Path) -> None:
    tmp_path.joinpath("own").touch()
    tmp_path.chmod(0o750)
    assert observe_directory(str(tmp_path)) == Directory(
        str(tmp_path), "directory", os.geteuid(), tmp_path.stat().st_gid, 0o750
    )


def test_an_absent_directory_has_the_owner_of_the_nearest_above(tmp_path: Path) -> None:
    path = str(tmp_path / "new/deep")
    found = tmp_path.stat()
    assert observe_directory(path) == Directory(
        path, "absent", found.st_uid, found.st_gid, None, above=str(tmp_path), changeable=True
    )


@pytest.mark.parametrize("kind", ["file", "dangling link"])
def test_nothing_can_be_made_below_what_is_no_directory(tmp_path: Path, kind: str) -> None:
    path = tmp_path / "home"
    path.touch() if kind == "file" else path.symlink_to("nowhere")
    found = observe_directory(str(path / "snapshots/deep"))
    assert (found.kind, found.above, found.changeable) == ("absent", str(path), False)


@pytest.mark.skipif(os.geteuid() != 0, reason="only root becomes somebody else")
@pytest.mark.parametrize(("mode", "kind"), [(0o755, "absent"), (0o700, "closed")])
def test_nobody_makes_something_in_a_directory_of_root(mode: int, kind: str) -> None:
    with tempfile.TemporaryDirectory(dir="/tmp") as top:
        Path(top).chmod(0o755)
        Path(top, "roots").mkdir(mode=mode)
        found = observed_by_nobody(f"{top}/roots/home/deep")
    assert found == [kind, f"{top}/roots", False]


@pytest.mark.skipif(os.geteuid() != 0, reason="mounting needs root")
def test_nothing_on_a_read_only_file_system_can_be_changed_not_even_by_root(tmp_path: Path) -> None:
    command = ["mount", "-t", "tmpfs", "-o", "ro", "tmpfs", str(tmp_path)]
    mounted = subprocess.run(command, check=False, capture_output=True, text=True)
    if mounted.returncode != 0:
        pytest.skip(f"this machine mounts nothing: {mounted.stderr.strip()}")
    try:
        found = [observe_directory(str(path)) for path in (tmp_path, tmp_path / "new")]
    finally:
        subprocess.run(["umount", tmp_path], check=True)
    assert [(each.kind, each.changeable) for each in found] == [("directory", False), ("absent", False)]


@pytest.mark.parametrize("kind", ["file", "dangling link"])
def test_what_is_no_directory_is_told_apart(tmp_path: Path, kind: str) -> None:
    path = tmp_path / "home"
    path.touch() if kind == "file" else path.symlink_to("nowhere")
    assert observe_directory(str(path)).kind == "other"


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give files away")
def test_what_belongs_to_somebody_else_is_found_and_links_are_not_followed(tmp_path: Path) -> None:
    for name in ("b", "a", "own"):
        tmp_path.joinpath(name).touch()
    tmp_path.joinpath("link").symlink_to("own")
    for name in ("a", "b", "link"):
        os.lchown(tmp_path / name, NOBODY, NOBODY)
    assert observe_directory(str(tmp_path)).foreign == tuple(str(tmp_path / name) for name in ("a", "b", "link"))


def test_users_and_groups_without_a_name_are_numbers() -> None:
    assert (user_name(UNKNOWN_ID), group_name(UNKNOWN_ID)) == (str(UNKNOWN_ID), str(UNKNOWN_ID))
    assert (user_name(0), group_name(0)) == ("root", "root")
