# Copyright: (c) 2026, sandboxops contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Silence is never longer than promised."""

from __future__ import annotations

import re
import sys
import time

import pytest

if sys.version_info < (3, 11):
    pytest.skip("actions run on the controller, whose ansible-core needs Python 3.11", allow_module_level=True)

from ansible_collections.sandboxops.microsandbox.plugins.plugin_utils.long_task import PrintedLines


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
