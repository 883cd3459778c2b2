# Copyright: (c) 2026, sandboxops contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Directories are made to last and for their owner, and those made in vain go again."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
from ansible_collections.sandboxops.microsandbox.plugins.module_utils._disk.directories import (
    adopt_owner,
    make_directories,
    remove_empty,
    require_makeable,
)

MAKER = f"import sys; from {make_directories.__module__} import make_directories; make_directories(sys.argv[1])"

# Makes directory "a", while the owner of the one above puts a directory of root into its place.
SWAPPED = f"""
import os, sys
from {make_directories.__module__} import make_directories

def swap(event, arguments):
    if event == sys.argv[2] and os.path.exists("victim") and os.path.exists("a"):
        os.rename("a", "aside")
        os.rename("victim", "a")

os.chdir(sys.argv[1])
sys.addaudithook(swap)
make_directories(sys.argv[1] + "/a")
"""


@pytest.mark.parametrize("path", ["", "here", "new/deep", "link/new"])
def test_a_look_whether_a_directory_can_be_made_makes_none(tmp_path: Path, path: str) -> None:
    tmp_path.joinpath("here").mkdir()
    tmp_path.joinpath("link").symlink_to("here")
    before = sorted(tmp_path.rglob("*"))
    require_makeable(str(tmp_path / path))
    assert sorted(tmp_path.rglob("*")) == before


def test_no_directory_can_be_made_in_the_place_of_a_file(tmp_path: Path) -> None:
    tmp_path.joinpath("file").touch()
    with pytest.raises(NotADirectoryError):
        require_makeable(str(tmp_path / "file"))


@pytest.mark.parametrize("path", ["file/new", "file/new/deep", "dangling/new"])
def test_what_is_in_the_way_of_a_directory_is_said_as_the_making_says_it(tmp_path: Path, path: str) -> None:
    tmp_path.joinpath("file").touch()
    tmp_path.joinpath("dangling").symlink_to("nowhere")
    told = []
    for call in (make_directories, require_makeable):
        with pytest.raises(OSError, match="director") as caught:
            call(str(tmp_path / path))
        told.append((caught.value.errno, caught.value.filename))
    assert told[0] == told[1]


def test_made_directories_are_listed_outermost_first_and_removed_innermost_first(tmp_path: Path) -> None:
    made = make_directories(str(tmp_path / "a/b"))
    assert made == [str(tmp_path / "a"), str(tmp_path / "a/b")]
    assert make_directories(str(tmp_path / "a/b")) == []
    remove_empty(made)
    assert list(tmp_path.iterdir()) == []


def test_made_directories_are_durable(tmp_path: Path, environment: dict[str, str]) -> None:
    trace = tmp_path / "trace"
    command = ["strace", "-qq", "-y", "-e", "trace=mkdirat,fsync", "-o", str(trace)]
    subprocess.run([*command, sys.executable, "-B", "-c", MAKER, str(tmp_path / "a/b")], env=environment, check=True)
    calls = re.findall(rf'^(mkdirat|fsync)[^<]*<{tmp_path}([^>]*)>(?:, "(.)")?', trace.read_text(), re.MULTILINE)
    assert calls == [("mkdirat", "", "a"), ("fsync", "", ""), ("mkdirat", "/a", "b"), ("fsync", "/a", "")]


def test_below_a_file_no_directory_is_made(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(NotADirectoryError) as caught:
        make_directories(str(tmp_path / "file/a/b"))
    assert caught.value.filename == str(tmp_path / "file")


def test_a_slash_at_the_end_is_no_further_directory(tmp_path: Path) -> None:
    assert make_directories(f"{tmp_path}/a//b/") == [f"{tmp_path}/a", f"{tmp_path}/a//b"]


def test_directories_that_cannot_be_made_durable_go_again(tmp_path: Path, environment: dict[str, str]) -> None:
    inject = ["-e", "trace=fsync", "-e", "inject=fsync:error=EIO:when=2"]
    command = ["strace", "-qq", "-o", "/dev/null", *inject, sys.executable, "-B", "-c", MAKER, str(tmp_path / "a/b/c")]
    done = subprocess.run(command, env=environment, check=False, capture_output=True, text=True)
    assert f"Input/output error: '{tmp_path}/a'" in done.stderr
    assert list(tmp_path.iterdir()) == []


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give a directory away")
def test_what_root_makes_below_a_users_directory_is_the_users(tmp_path: Path) -> None:
    os.chown(tmp_path, 12345, 23456)
    make_directories(str(tmp_path / "a/b"))
    for path in tmp_path.rglob("*"):
        assert (path.stat().st_uid, path.stat().st_gid) == (12345, 23456)


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give a directory away")
@pytest.mark.parametrize("event", ["open", "os.chown"])
def test_what_was_put_into_the_place_of_a_made_directory_is_not_given_away(
    tmp_path: Path, environment: dict[str, str], event: str
) -> None:
    os.chown(tmp_path, 12345, 23456)
    (tmp_path / "victim/precious").mkdir(parents=True)
    command = [sys.executable, "-B", "-c", SWAPPED, str(tmp_path), event]
    subprocess.run(command, env=environment, check=True)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a", "aside"]
    assert (tmp_path / "a").stat().st_uid == 0
    assert (tmp_path / "a/precious").stat().st_uid == 0


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give a file away")
def test_what_root_has_open_is_given_to_the_owner_of_something_else(tmp_path: Path) -> None:
    os.chown(tmp_path, 12345, 23456)
    fd = os.open(tmp_path / "file", os.O_RDWR | os.O_CREAT)
    adopt_owner(fd, os.stat(tmp_path))
    os.close(fd)
    assert (tmp_path / "file").stat().st_uid == 12345
