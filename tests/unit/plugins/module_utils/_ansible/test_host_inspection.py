# Copyright: (c) 2026, sandboxops contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a host is told to lack: a repair is never one of a directory that nobody named."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any, Callable

import pytest
from ansible_collections.sandboxops.microsandbox.plugins.module_utils._ansible.host_inspection import inspect_host
from ansible_collections.sandboxops.microsandbox.plugins.module_utils._ansible.task import Task
from ansible_collections.sandboxops.microsandbox.plugins.module_utils._core.errors import RequestError

NewTask = Callable[..., Task]


def inspect(new_task: NewTask, home: Path, directories: list[str]) -> dict[str, Any]:
    task = new_task(home, owner="12345", group=None, directories=directories)
    return inspect_host(task, task.locate_home())


def paths(found: dict[str, Any]) -> list[str]:
    return [directory["path"] for directory in found["host"]["directories"]]


def test_further_directories_are_looked_at_beside_those_of_the_home(new_task: NewTask, tmp_path: Path) -> None:
    found = inspect(new_task, tmp_path / "home", [f"{tmp_path}/spool/"])
    assert paths(found) == [f"{tmp_path}/{name}" for name in ("home", "home/snapshots", "home/cache", "spool")]


def test_an_empty_item_names_no_directory(new_task: NewTask, tmp_path: Path) -> None:
    found = inspect(new_task, tmp_path / "home", [""])
    assert os.getcwd() not in paths(found)
    assert len(paths(found)) == 3


@pytest.mark.parametrize("path", ["spool", ".", "/", "//", "/srv/.."])
def test_a_path_that_cannot_be_meant_is_refused(new_task: NewTask, tmp_path: Path, path: str) -> None:
    with pytest.raises(RequestError, match="directories is .*, expected an absolute path below /"):
        inspect(new_task, tmp_path / "home", [path])
