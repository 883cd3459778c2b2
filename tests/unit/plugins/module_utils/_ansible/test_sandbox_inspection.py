# Copyright: (c) 2026, sandboxops contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the disk does to one sandbox is told of that one, and keeps no other from being listed."""

from __future__ import annotations

import contextlib
import json
import os
import sqlite3
import subprocess
import sys
from pathlib import Path
from typing import Any, Callable

import pytest
from ansible_collections.sandboxops.microsandbox.plugins.module_utils._ansible.sandbox_inspection import (
    inspect_sandboxes,
)
from ansible_collections.sandboxops.microsandbox.plugins.module_utils._ansible.task import Task

Result = dict[str, Any]

_SCRIPT = f"""
import json, sys
from {Task.__module__} import Task
from {inspect_sandboxes.__module__} import inspect_sandboxes
task = Task({{"home": sys.argv[1], "snapshots_dir": None, "cache_dir": None, "names": None}}, False, 0)
print(json.dumps(inspect_sandboxes(task, task.observe_home())["sandboxes"]))
"""


@pytest.fixture
def home(unpack_home: Callable[[str], Path]) -> Path:
    return unpack_home("0.6.2")


def inspect(collections_path: Path, home: Path, *command: str) -> dict[str, Result]:
    """Return the sandboxes of a home by name, as a process of its own sees them."""
    environment = {**os.environ, "PYTHONPATH": str(collections_path)}
    arguments = [*command, sys.executable, "-B", "-c", _SCRIPT, str(home)]
    done = subprocess.run(arguments, env=environment, stdout=subprocess.PIPE, text=True, check=True)
    return {found["name"]: found for found in json.loads(done.stdout)}


def failing(path: Path, call: str, error: str) -> list[str]:
    """Return what makes calls of a command about a path fail."""
    return ["strace", "-qq", "-o", "/dev/null", "-P", str(path), "-e", f"inject={call}:error={error}"]


def test_a_sandbox_with_a_name_that_no_file_can_have_is_told(collections_path: Path, home: Path) -> None:
    usual = inspect(collections_path, home)
    name = "x" * 300
    with contextlib.closing(sqlite3.connect(home / "db/msb.db", isolation_level=None)) as connection:
        connection.execute("UPDATE sandbox SET name = ? WHERE name = 'base'", (name,))
    found = inspect(collections_path, home)
    obstacle = found.pop(name)["obstacle"]
    assert obstacle["code"] == "os"
    assert obstacle["reason"].endswith(": File name too long")
    assert found == {each: result for each, result in usual.items() if each != "base"}
    assert found


def test_a_sandbox_that_this_user_may_not_look_into_is_told(collections_path: Path, home: Path) -> None:
    usual = inspect(collections_path, home)
    inside = home / "sandboxes/base/runtime/root-disk.json"
    found = inspect(collections_path, home, *failing(inside, "openat", "EACCES"))
    assert found.pop("base")["obstacle"] == {"code": "os", "reason": f"{inside}: Permission denied"}
    assert found == {name: result for name, result in usual.items() if name != "base"}


def test_an_upper_that_the_disk_does_not_give_away_is_told(collections_path: Path, home: Path) -> None:
    usual = inspect(collections_path, home)
    upper = home / "sandboxes/base/upper.ext4"
    found = inspect(collections_path, home, *failing(upper, "?lstat,?newfstatat,?statx", "EIO"))
    obstacle = {"code": "os", "reason": f"{upper}: Input/output error"}
    assert found == {**usual, "base": {**usual["base"], "upper": None, "obstacle": obstacle}}
    assert usual["base"]["upper"] is not None
