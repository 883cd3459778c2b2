# Copyright: (c) 2026, sandboxops contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Readings of a meter become progress."""

from __future__ import annotations

from ansible_collections.sandboxops.microsandbox.plugins.module_utils._ansible.job_reporter import ProgressClock
from ansible_collections.sandboxops.microsandbox.plugins.module_utils._disk.meter import Reading
from ansible_collections.sandboxops.microsandbox.plugins.module_utils._formats.job_progress import JobProgress


def test_time_runs_from_the_first_reading_of_a_pass() -> None:
    clock = ProgressClock(100.0)
    assert clock.progress(Reading("hashing", 1, 9), 101.0) == JobProgress("hashing", 1, 9, 0.0, 0.0)
    assert clock.progress(Reading("hashing", 3, 9), 103.0) == JobProgress("hashing", 3, 9, 2.0, 0.0)
    assert clock.progress(Reading("syncing"), 104.0) == JobProgress("syncing", 0, None, 0.0, 0.0)


def test_a_pass_stands_still_while_its_count_does() -> None:
    clock = ProgressClock(100.0)
    clock.progress(Reading("hashing", 1, 9), 101.0)
    assert clock.progress(Reading("hashing", 1, 9), 104.0) == JobProgress("hashing", 1, 9, 3.0, 3.0)
    assert clock.progress(Reading("hashing", 2, 9), 105.0) == JobProgress("hashing", 2, 9, 4.0, 0.0)


def test_the_same_pass_over_another_file_begins_anew() -> None:
    clock = ProgressClock(100.0)
    clock.progress(Reading("unpacking", 8, 9), 101.0)
    assert clock.progress(Reading("unpacking", 2, 9), 104.0) == JobProgress("unpacking", 2, 9, 0.0, 0.0)
