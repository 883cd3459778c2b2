# Copyright: (c) 2026, sandboxops contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The action of the module ``snapshot``: it shows life while the module takes long."""

from __future__ import annotations

from ..plugin_utils.long_task import LongTaskAction


class ActionModule(LongTaskAction):
    """Runs the module."""
