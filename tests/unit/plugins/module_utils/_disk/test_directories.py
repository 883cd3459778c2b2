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
)

MAKER = f"import sys; from {make_directories.__module__} import make_directories; make_directories(sys.argv[1])"


def test_made_directories_are_listed_outermost_first_and_removed_innermost_first(tmp_path: Path) -> None:
    made = make_directories(str(tmp_path / "a/b"))
    assert made == [str(tmp_path / "a"), str(tmp_path / "a/b")]
    assert make_directories(str(tmp_path / "a/b")) == []
    remove_empty(made)
    assert list(tmp_path.iterdir()) == []


def test_made_directories_are_durable(tmp_path: Path, environment: dict[str, str]) -> None:
    trace = tmp_path / "trace"
    command = ["strace", "-qq", "-y", "-e", "trace=mkdir,mkdirat,fsync", "-o", str(trace)]
    subprocess.run([*command, sys.executable, "-B", "-c", MAKER, str(tmp_path / "a/b")], env=environment, check=True)
    calls = re.findall(rf"^(mkdir|fsync).*?{tmp_path}([^\">]*)", trace.read_text(), re.MULTILINE)
    assert calls == [("mkdir", "/a"), ("fsync", ""), ("mkdir", "/a/b"), ("fsync", "/a")]


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


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give a file away")
def test_the_owner_of_a_symlink_changes_not_that_of_its_target(tmp_path: Path) -> None:
    target, link = tmp_path / "target", tmp_path / "link"
    target.touch()
    link.symlink_to(target)
    os.chown(tmp_path, 12345, 23456)
    adopt_owner(str(link), os.stat(tmp_path))
    assert os.lstat(link).st_uid == 12345
    assert target.stat().st_uid == 0
