# Copyright: (c) 2026, sandboxops contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Options that the modules which move files share."""

from __future__ import annotations

import os
from typing import Any

from .._core.errors import RequestError
from .._observe.home import absolute_path
from .task import Task

_TRANSFER_DIR = ".sandboxops-transfer"


def transfer_path(task: Task, option: str) -> str:
    """Return a path on the host; a relative one is below the directory for transfers in the home."""
    text = str(task.params[option])
    if os.path.isabs(text):
        return task.absolute_path(option)
    directory = os.path.join(task.observe_home().path, _TRANSFER_DIR)
    path = absolute_path(os.path.join(directory, text))
    if os.path.commonpath([directory, path]) != directory or path == directory:
        raise RequestError(f"{option} is {text}, which leads out of {directory}", option=option, value=text)
    return path


def parse_mode(value: Any) -> int:
    """Return permissions from an octal text, or from the number that YAML made of one.

    Raises:
        RequestError: They are none.
    """
    try:
        mode = value if isinstance(value, int) else int(str(value), 8)
    except ValueError:
        mode = -1
    if not 0 <= mode <= 0o777:
        raise RequestError(f"mode is {value}, expected an octal text such as '0600'", option="mode")
    return mode
