# Copyright: (c) 2026, sandboxops contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Where a line about a task's progress goes: among what people read, and out of the way of what machines read."""

from __future__ import annotations

from ansible import constants
from ansible.utils.display import Display


def print_line(host: str, delegate: str | None, line: str) -> None:
    """Print a line about a task.

    Args:
        host: The host that the task is for.
        delegate: The host that does it instead, if any.
        line: What there is to say.
    """
    # Whoever reads a JSON document from the output must not find lines in it.
    in_the_way = "json" in str(constants.DEFAULT_STDOUT_CALLBACK).rpartition(".")[2]
    where = f"{host} -> {delegate}" if delegate else host
    Display().display(f"[{where}] {line}", stderr=in_the_way)
