# Copyright: (c) 2026, sandboxops contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Files that are to be gone while transfers bring them, and what no transfer can be asked for."""

from __future__ import annotations

import fcntl
import os
import threading
from pathlib import Path
from typing import Any, Callable

import pytest
from ansible_collections.sandboxops.microsandbox.plugins.module_utils._ansible.file_transfer import transfer_file
from ansible_collections.sandboxops.microsandbox.plugins.module_utils._core.errors import RequestError
from ansible_collections.sandboxops.microsandbox.plugins.module_utils._disk.partial_names import partial_name

NAME = partial_name("a", "sha256:" + "1" * 64)


@pytest.mark.parametrize("is_old_there", [False, True])
def test_a_file_that_gets_into_its_place_meanwhile_goes_too(
    new_task: Callable[..., Any], tmp_path: Path, is_old_there: bool
) -> None:
    directory = tmp_path / "d"
    directory.mkdir()
    dest, left = directory / "a", directory / NAME
    left.write_bytes(b"new")
    if is_old_there:
        dest.write_bytes(b"old")
    fd = os.open(left, os.O_RDONLY)
    fcntl.flock(fd, fcntl.LOCK_EX)

    def place() -> None:
        left.rename(dest)
        os.close(fd)

    timer = threading.Timer(0.3, place)
    timer.start()
    outcome = transfer_file(new_task(tmp_path / "home", dest=str(dest), state="absent", lock_timeout=10))
    timer.join()
    assert list(directory.iterdir()) == []
    assert list(map(str, outcome.plan.steps)) == [f"remove {dest}", f"remove {left}"]
    assert outcome.plan.before == {"paths": [str(dest), str(left)]}


@pytest.mark.parametrize("timeout", [0, -1, 86400.5, float("inf"), float("nan")])
def test_a_timeout_that_no_connection_takes_is_refused(
    new_task: Callable[..., Any], tmp_path: Path, timeout: float
) -> None:
    asked = {"dest": str(tmp_path / "a"), "state": "present", "url": "http://host/a", "checksum": "sha256:" + "1" * 64}
    unasked = dict.fromkeys(("size_bytes", "needs_bytes", "retries", "mode", "part"))
    with pytest.raises(RequestError, match=f"timeout is {timeout}, expected more than 0 and at most 86400 seconds"):
        transfer_file(new_task(tmp_path / "home", timeout=timeout, **asked, **unasked))
