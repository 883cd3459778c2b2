# Copyright: (c) 2026, sandboxops contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Prints one JSON document for a whole play and nothing else, as callbacks do that machines read."""

from __future__ import annotations

import json

from ansible.plugins.callback import CallbackBase

DOCUMENTATION = """
name: json_document
type: stdout
short_description: Print how the tasks of a play ended, as JSON
description:
  - Prints a list of the statuses of all tasks at the play's end.
"""


class CallbackModule(CallbackBase):
    """Collects how tasks end."""

    CALLBACK_VERSION = 2.0
    CALLBACK_TYPE = "stdout"
    CALLBACK_NAME = "json_document"

    def __init__(self):
        super().__init__()
        self._statuses = []

    def v2_runner_on_ok(self, result):
        self._statuses.append("ok")

    def v2_runner_on_failed(self, result, ignore_errors=False):
        self._statuses.append("failed")

    def v2_playbook_on_stats(self, stats):
        self._display.display(json.dumps(self._statuses))
