# Copyright: (c) 2026, sandboxops contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The lines of long tasks that the pages show are lines that would be printed, to the letter."""

from __future__ import annotations

import re
from pathlib import Path
from typing import NamedTuple

import pytest
from ansible_collections.sandboxops.microsandbox.plugins.module_utils._formats.job_progress import JobProgress
from ansible_collections.sandboxops.microsandbox.plugins.plugin_utils.progress_line import progress_line

_CHECKOUT = Path(__file__).resolve().parents[3]
_UNITS = ("B", "KiB", "MiB", "GiB", "TiB")
# Modules that a job on the host is watched for; a transfer is watched by its own action and names its file.
_WATCHED = sorted(
    action.stem
    for action in (_CHECKOUT / "plugins/action").glob("*.py")
    if "LongTaskAction" in action.read_text(encoding="utf-8")
)
_BLOCK = re.compile(r"^```console\n(.*?)^```$", re.MULTILINE | re.DOTALL)
_LINE = re.compile(r"^\[[\w.-]+(?: -> [\w.-]+)?\] (.*)$", re.MULTILINE)
_OF_A_TASK = re.compile(rf"(?:{'|'.join(_WATCHED)})(?: [^ :]+)?: (.*)")
_PARTS = re.compile(
    r"(?:no byte moved for (?P<still>\d+) s, )?(?P<doing>.*?)(?: (?P<share>\d+) % of (?P<total>[\d.]+ \w+))?"
    r"(?:, (?P<rate>[\d.]+ \w+)/s, [\d hmins]+ left)?"
)


class Shown(NamedTuple):
    """A line that a page shows."""

    page: str
    text: str


def _shown_lines() -> list[Shown]:
    pages = [_CHECKOUT / "README.md", *_CHECKOUT.glob("docs/*.md"), *_CHECKOUT.glob("roles/*/README.md")]
    return [
        Shown(str(page.relative_to(_CHECKOUT)), line)
        for page in sorted(pages)
        for block in _BLOCK.findall(page.read_text(encoding="utf-8"))
        for line in _LINE.findall(block)
    ]


def _size(text: str) -> float:
    number, unit = text.split()
    return float(number) * (1 << 10 * _UNITS.index(unit))


def _progress(said: str) -> JobProgress:
    """Return a progress that is said like this, if there is one."""
    found = _PARTS.fullmatch(said)
    assert found is not None
    total = None if found["total"] is None else round(_size(found["total"]))
    done = 0 if total is None else -(-total * int(found["share"]) // 100)
    seconds = 60.0 if found["rate"] is None else done / _size(found["rate"])
    return JobProgress(found["doing"], done, total, seconds, float(found["still"] or 0))


@pytest.mark.parametrize("shown", _shown_lines())
def test_a_line_that_a_page_shows_is_printed_so(shown: Shown) -> None:
    of_a_task = _OF_A_TASK.fullmatch(shown.text)
    said = shown.text if of_a_task is None else of_a_task[1]
    progress = _progress(said)

    assert progress_line(progress) == said
    assert of_a_task is not None or re.fullmatch(r"archive [\w.-]+", progress.doing)


def test_the_pages_that_speak_of_progress_show_lines() -> None:
    assert {shown.page for shown in _shown_lines()} == {"docs/awx.md", "docs/fleet.md", "docs/transfer.md"}
