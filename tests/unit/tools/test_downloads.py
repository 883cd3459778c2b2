# Copyright: (c) 2026, sandboxops contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A download that fails is tried again, but not for ever."""

from __future__ import annotations

import importlib
import subprocess
from pathlib import Path
from typing import Any

import pytest

_TOOLS = Path(__file__).parents[2] / "tools"


@pytest.fixture
def downloads(monkeypatch: pytest.MonkeyPatch) -> Any:
    """The module, which does not wait."""
    monkeypatch.syspath_prepend(_TOOLS)
    module = importlib.import_module("downloads")
    monkeypatch.setattr(module, "_PAUSES", (0, 0))
    return module


def _succeeding_at_attempt(number: int, directory: Path) -> list[str]:
    return ["sh", "-c", f'echo >>"$0" && test "$(wc -l <"$0")" -ge {number}', str(directory / "attempts")]


@pytest.mark.parametrize("number", [1, 2, 3])
def test_what_succeeds_in_the_end_has_succeeded(downloads: Any, tmp_path: Path, number: int) -> None:
    downloads.run_patiently(_succeeding_at_attempt(number, tmp_path))
    assert tmp_path.joinpath("attempts").read_text() == "\n" * number


def test_the_third_failure_is_one(downloads: Any, tmp_path: Path) -> None:
    with pytest.raises(subprocess.CalledProcessError):
        downloads.run_patiently(_succeeding_at_attempt(4, tmp_path))
    assert tmp_path.joinpath("attempts").read_text() == "\n" * 3
