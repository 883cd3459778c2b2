# Copyright: (c) 2026, sandboxops contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Silence is never longer than promised, and a connection that is lost may come back."""

from __future__ import annotations

import re
import sys
import time
from types import SimpleNamespace
from typing import Any

import pytest

if sys.version_info < (3, 11):
    pytest.skip("actions run on the controller, whose ansible-core needs Python 3.11", allow_module_level=True)

from ansible.errors import AnsibleConnectionFailure
from ansible_collections.sandboxops.microsandbox.plugins.module_utils._ansible.job import VARIABLE
from ansible_collections.sandboxops.microsandbox.plugins.module_utils._ansible.job_answer import PENDING
from ansible_collections.sandboxops.microsandbox.plugins.module_utils._formats.job_progress import (
    JobProgress,
    progress_to_dict,
)
from ansible_collections.sandboxops.microsandbox.plugins.plugin_utils.long_task import LongTaskAction, PrintedLines

RESULT = {"changed": True}


class FlakyHost(LongTaskAction):
    """A task on a host whose connection fails a number of times once the task has started.

    Attributes:
        orders: What the host was asked to do, whether that arrived or not.

    Args:
        failures: How often the connection fails.
        is_reached: Whether it does not fail before that, when the task is to start.
    """

    _retry_seconds = 0.0

    def __init__(self, failures: int, *, is_reached: bool = True) -> None:
        self._task = SimpleNamespace(environment=[], no_log=False)
        self._failing = range(1 if is_reached else 0, failures + 1)
        self.orders: list[str] = []

    def _execute_module(self, **dummy: object) -> dict[str, Any]:
        asked = len(self.orders)
        self.orders.append(str(self._task.environment[-1][VARIABLE]).split()[0])
        if asked in self._failing:
            raise AnsibleConnectionFailure("the host is gone")
        return RESULT if asked else {PENDING: progress_to_dict(JobProgress("hashing"))}

    def watch(self, said: list[str]) -> dict[str, Any]:
        """Watch the task, and keep the lines that are printed."""
        with PrintedLines(said.append, 600) as lines:
            return self._watch("token", 10.0, lines, {})


def test_a_host_that_does_not_answer_is_said_to() -> None:
    said: list[str] = []
    with PrintedLines(said.append, 0.6) as lines:
        lines.add("hashing")
        deadline = time.monotonic() + 20
        while len(said) < 3 and time.monotonic() < deadline:
            time.sleep(0.01)
    assert said[0] == "hashing"
    assert all(re.fullmatch(r"no answer from the host for \d+ s", line) for line in said[1:3])


def test_a_host_that_answers_is_not() -> None:
    said: list[str] = []
    with PrintedLines(said.append, 60) as lines:
        lines.add("hashing")
        lines.add("syncing")
    assert said == ["hashing", "syncing"]


@pytest.mark.parametrize("failures", [0, 1, 5])
def test_a_connection_that_comes_back_brings_the_result(failures: int) -> None:
    said: list[str] = []
    host = FlakyHost(failures)
    assert host.watch(said) == RESULT
    assert said[1:] == ["the connection is lost, trying again"] * failures
    assert host.orders == ["start", *["wait"] * (failures + 1)]


def test_a_host_is_asked_five_more_times_and_no_more() -> None:
    said: list[str] = []
    host = FlakyHost(6)
    with pytest.raises(AnsibleConnectionFailure):
        host.watch(said)
    assert host.orders == ["start", "wait", *["wait"] * 5]
    assert said[1:] == ["the connection is lost, trying again"] * 5


def test_a_task_that_could_not_be_started_is_not_started_again() -> None:
    host = FlakyHost(1, is_reached=False)
    with pytest.raises(AnsibleConnectionFailure):
        host.watch([])
    assert host.orders == ["start"]
