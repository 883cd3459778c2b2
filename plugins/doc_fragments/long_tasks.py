# Copyright: (c) 2026, sandboxops contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Documentation of what the modules show while they take long."""

from __future__ import annotations


class ModuleDocFragment:
    """A note for the modules that move much."""

    DOCUMENTATION = r"""
options: {}
notes:
  - A task that takes longer than five seconds prints a line at least every ten seconds that says how far it is, how
    fast it goes and how much time is left, or that no byte moves and what it waits for. The variable
    C(microsandbox_progress_interval) sets another number of seconds, and V(0) prints nothing.
"""
