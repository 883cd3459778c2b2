# Copyright: (c) 2026, sandboxops contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What is seen of a host: this one, and directories made for it."""

from __future__ import annotations

import os
import sys
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
    assert observe_directory(path) == Directory(path, "absent", found.st_uid, found.st_gid, None)


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
