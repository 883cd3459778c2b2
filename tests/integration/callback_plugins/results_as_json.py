# Copyright: (c) 2026, sandboxops contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Writes what every task reported, and what the host looked like then, to a file, beside what the run prints."""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path

from ansible.plugins.callback import CallbackBase

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from file_listing import list_tree

DOCUMENTATION = """
name: results_as_json
type: notification
short_description: Write the result of every task to a file
description:
  - Appends a line of JSON for every task to the file that E(TASK_RESULTS) names, before the next task begins.
  - It holds the result, the names of host and task, and a listing of the directory that E(TASK_WATCHED) names.
"""


class CallbackModule(CallbackBase):
    """Appends results as they come."""

    CALLBACK_VERSION = 2.0
    CALLBACK_TYPE = "notification"
    CALLBACK_NAME = "results_as_json"
    CALLBACK_NEEDS_ENABLED = True

    def v2_runner_on_ok(self, result):
        self._append(result, failed=False)

    def v2_runner_on_failed(self, result, ignore_errors=False):
        self._append(result, failed=True)

    def v2_runner_on_unreachable(self, result):
        self._append(result, failed=True)

    def _append(self, result, failed):
        watched = os.environ.get("TASK_WATCHED")
        listing = list_tree(Path(watched)) if watched else {}
        # ansible-core 2.18 has these under names with an underscore alone.
        names = [name if hasattr(result, name) else f"_{name}" for name in ("result", "host", "task")]
        reported, host, task = (getattr(result, name) for name in names)
        record = {"result": {**reported, "failed": failed}, "listing": listing}
        record |= {"host": host.get_name(), "task": task.get_name()}
        with open(os.environ["TASK_RESULTS"], "a", encoding="utf-8") as file:
            file.write(json.dumps(record) + "\n")
