# Copyright: (c) 2026, sandboxops contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""When a transfer says how far it is."""

from __future__ import annotations

import time

from ansible_collections.sandboxops.microsandbox.plugins.plugin_utils.transfer_progress import Pace, TransferProgress

MIB = 1 << 20
HURRIED = Pace(line_seconds=0.2, silence_seconds=0.5, watch_seconds=0.05)
PATIENT = Pace(line_seconds=60, silence_seconds=60, watch_seconds=0.05)


def run(
    what: str | None, steps: list[tuple[float, int]], total: int | None = 100 * MIB, pace: Pace = HURRIED
) -> list[str]:
    """Move to each number of bytes after a pause, and return what was said."""
    lines: list[str] = []
    with TransferProgress(lines.append, what, total, pace) as progress:
        for pause, done in steps:
            time.sleep(pause)
            progress.moved(done)
    return lines


def first(lines: list[str], beginning: str) -> str:
    """Return the first line that begins so; a busy machine may have had more to say."""
    return next(line for line in lines if line.startswith(beginning))


def test_a_quick_transfer_says_nothing() -> None:
    assert run("archive a", [(0, 0), (0, 50 * MIB), (0, 100 * MIB)], pace=PATIENT) == []


def test_a_transfer_says_how_far_it_is_how_fast_and_how_long_it_takes() -> None:
    line = first(run("archive a", [(0, 0), (0.3, 50 * MIB)]), "archive a 50 % of 100 MiB, ")
    assert "MiB/s, " in line
    assert line.endswith(" s left")


def test_a_size_that_nobody_knows_is_left_out() -> None:
    assert first(run("archive a", [(0, 0), (0.3, 50 * MIB)], None), "archive a, 50.0 MiB so far")


def test_a_transfer_of_which_nothing_is_heard_says_so() -> None:
    lines = run("archive a", [(0, 10 * MIB), (0.9, 10 * MIB)])
    assert first(lines, "no byte moved for ").endswith("archive a 10 % of 100 MiB")


def test_a_secret_transfer_says_the_percentage_alone() -> None:
    lines = run(None, [(0, 0), (0.3, 50 * MIB)])
    assert "50 %" in lines
    assert "MiB" not in "".join(lines)


def test_a_beginning_that_is_heard_of_later_counts_from_the_start() -> None:
    lines: list[str] = []
    with TransferProgress(lines.append, "archive a", 100 * MIB, HURRIED) as progress:
        time.sleep(0.3)
        progress.began_with(10 * MIB)
        progress.moved(50 * MIB)
    assert first(lines, "archive a 50 % of 100 MiB, ").endswith(" s left")
