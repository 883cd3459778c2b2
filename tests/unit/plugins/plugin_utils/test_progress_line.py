# Copyright: (c) 2026, sandboxops contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a person reads of a long task."""

from __future__ import annotations

import pytest
from ansible_collections.sandboxops.microsandbox.plugins.module_utils._formats.job_progress import JobProgress
from ansible_collections.sandboxops.microsandbox.plugins.plugin_utils.progress_line import (
    bytes_per_second,
    duration_text,
    percent,
    progress_line,
    secret_line,
    size_text,
)

MIB = 1 << 20
GIB = 1 << 30


@pytest.mark.parametrize(
    ("now", "line"),
    [
        (JobProgress("hashing", 4 * GIB, 8 * GIB, 5.0), "hashing 50 % of 8.00 GiB, 819 MiB/s, 5 s left"),
        (JobProgress("hashing", 8 * GIB - 1, 8 * GIB, 10.0), "hashing 99 % of 8.00 GiB, 819 MiB/s, 0 s left"),
        (JobProgress("hashing", 0, 8 * GIB, 1.0), "hashing 0 % of 8.00 GiB"),
        (JobProgress("comparing", 3 * GIB, None, 3.0), "comparing, 3.00 GiB so far, 1.00 GiB/s"),
        (JobProgress("hashing", 0, 0, 1.0), "hashing"),
        (JobProgress("syncing", 0, None, 4.0, 4.0), "syncing"),
        (JobProgress("syncing", 0, None, 7.0, 7.0), "no byte moved for 7 s, syncing"),
        (
            JobProgress("waiting for the lock of /x", 0, None, 24.0, 24.0),
            "no byte moved for 24 s, waiting for the lock of /x",
        ),
        (
            JobProgress("hashing", 2 * GIB, 8 * GIB, 90.0, 80.0),
            "no byte moved for 1 min 20 s, hashing 25 % of 8.00 GiB",
        ),
    ],
)
def test_a_line_says_how_far_a_task_is_or_that_it_stands_still(now: JobProgress, line: str) -> None:
    assert progress_line(now) == line


def test_the_rate_is_that_since_the_line_before() -> None:
    before = JobProgress("hashing", 4 * GIB, 8 * GIB, 2.0)
    now = JobProgress("hashing", 5 * GIB, 8 * GIB, 12.0)
    assert progress_line(now, before) == "hashing 62 % of 8.00 GiB, 102 MiB/s, 30 s left"


@pytest.mark.parametrize(
    "before",
    [
        JobProgress("copying", 7 * GIB, 8 * GIB, 2.0),
        JobProgress("hashing", 7 * GIB, 8 * GIB, 20.0),
        None,
    ],
)
def test_a_pass_that_began_after_the_line_before_has_a_rate_of_its_own(before: JobProgress | None) -> None:
    assert bytes_per_second(JobProgress("hashing", 10 * MIB, GIB, 10.0), before) == MIB


def test_slow_is_not_stalled() -> None:
    crawling = JobProgress("hashing", 3, 8 * GIB, 60.0, 4.9)
    assert progress_line(crawling).startswith("hashing 0 % of 8.00 GiB, 0 B/s, ")
    assert progress_line(crawling, None, 4.0) == "no byte moved for 5 s, hashing 0 % of 8.00 GiB"


@pytest.mark.parametrize(
    ("now", "line"),
    [
        (JobProgress("hashing /secret", 4, 8, 5.0), "50 %"),
        (JobProgress("waiting for the lock of /secret", 0, None, 24.0, 24.0), "at work, no byte moved for 24 s"),
        (JobProgress("hashing /secret", 4, 8, 25.0, 24.0), "50 %, no byte moved for 24 s"),
        (JobProgress("syncing /secret"), "at work"),
    ],
)
def test_a_secret_task_shows_no_name_and_no_size(now: JobProgress, line: str) -> None:
    assert secret_line(now) == line


def test_a_task_that_is_not_over_is_never_at_a_hundred_percent() -> None:
    assert percent(JobProgress("hashing", 9, 8)) == 99


@pytest.mark.parametrize(
    ("size", "text"),
    [
        (0, "0 B"),
        (999, "999 B"),
        (1000, "0.98 KiB"),
        (1024, "1.00 KiB"),
        (10 * 1024, "10.0 KiB"),
        (100 * 1024, "100 KiB"),
        (1023 * 1024, "1.00 MiB"),
        (24 * GIB, "24.0 GiB"),
        (1 << 60, "1024 PiB"),
    ],
)
def test_a_size_has_three_digits(size: int, text: str) -> None:
    assert size_text(size) == text


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0.2, "0 s"),
        (59.4, "59 s"),
        (59.6, "1 min 0 s"),
        (200, "3 min 20 s"),
        (3599.7, "1 h 0 min"),
        (7500, "2 h 5 min"),
    ],
)
def test_a_duration_has_two_units_at_most(seconds: float, text: str) -> None:
    assert duration_text(seconds) == text
