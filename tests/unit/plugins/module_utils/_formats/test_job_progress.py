# Copyright: (c) 2026, sandboxops contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Progress crosses from the host to the controller."""

from __future__ import annotations

import json
from typing import Any

import pytest
from ansible_collections.sandboxops.microsandbox.plugins.module_utils._core.errors import FormatError
from ansible_collections.sandboxops.microsandbox.plugins.module_utils._formats.job_progress import (
    JobProgress,
    parse_progress,
    progress_to_dict,
)

WHOLE: dict[str, Any] = {"doing": "hashing", "done": 1, "total": 2, "pass_seconds": 3.5, "still_seconds": 0.5}


@pytest.mark.parametrize("progress", [JobProgress("hashing", 1, 2, 3.5, 0.5), JobProgress("syncing")])
def test_what_is_written_is_read(progress: JobProgress) -> None:
    assert parse_progress(json.loads(json.dumps(progress_to_dict(progress)))) == progress


@pytest.mark.parametrize("missing", ["doing", "done", "pass_seconds", "still_seconds"])
def test_what_is_missing_is_named(missing: str) -> None:
    with pytest.raises(FormatError, match=missing):
        parse_progress({name: value for name, value in WHOLE.items() if name != missing})


@pytest.mark.parametrize("wrong", [{"done": "many"}, {"total": []}, {"still_seconds": None}])
def test_what_is_no_number_is_refused(wrong: dict[str, Any]) -> None:
    with pytest.raises(FormatError):
        parse_progress({**WHOLE, **wrong})


def test_nothing_that_a_path_holds_reaches_a_terminal_as_a_command() -> None:
    assert parse_progress({**WHOLE, "doing": "waiting for /a\x1b[2J\nb"}).doing == "waiting for /a?[2J?b"
