# Copyright: (c) 2026, sandboxops contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Paths and permissions that tasks may ask for."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Callable

import pytest
from ansible_collections.sandboxops.microsandbox.plugins.module_utils._ansible.task import Task
from ansible_collections.sandboxops.microsandbox.plugins.module_utils._ansible.transfer_options import (
    parse_mode,
    transfer_path,
)
from ansible_collections.sandboxops.microsandbox.plugins.module_utils._core.errors import RequestError


@pytest.mark.parametrize(("value", "mode"), [("0600", 0o600), ("644", 0o644), (0o600, 0o600), ("0", 0)])
def test_a_mode_is_octal_as_text_and_itself_as_number(value: Any, mode: int) -> None:
    assert parse_mode(value) == mode


@pytest.mark.parametrize("value", ["", "u=rw", "0888", "1777", 600, -1, "0o600x"])
def test_what_is_no_mode_is_refused(value: Any) -> None:
    with pytest.raises(RequestError, match="mode is"):
        parse_mode(value)


@pytest.mark.parametrize(
    ("dest", "path"),
    [("/srv/a", "/srv/a"), ("a", "HOME/.sandboxops-transfer/a"), ("x/../b/c", "HOME/.sandboxops-transfer/b/c")],
)
def test_a_relative_path_is_below_the_home(new_task: Callable[..., Task], tmp_path: Path, dest: str, path: str) -> None:
    assert transfer_path(new_task(tmp_path, dest=dest), "dest") == path.replace("HOME", str(tmp_path))


@pytest.mark.parametrize("dest", ["../a", ".", "", "/", "a/../.."])
def test_a_path_that_leads_out_is_refused(new_task: Callable[..., Task], tmp_path: Path, dest: str) -> None:
    with pytest.raises(RequestError, match="dest is"):
        transfer_path(new_task(tmp_path, dest=dest), "dest")
