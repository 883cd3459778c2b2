# Copyright: (c) 2026, sandboxops contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What Ansible is told of a detached task: how far it is, the result that it printed, or how it was ended."""

from __future__ import annotations

import json
import os
import signal
from typing import Any

from .._core.errors import MicrosandboxError, StateError
from .job_directory import Ended, JobDirectory

PENDING = "_microsandbox_job"  # the key of an answer that is no result yet
STOPPED = 128 + signal.SIGTERM  # the exit status of a task that was told to stop


def print_pending(job: JobDirectory) -> int:
    """Print how far a task is that is still at work, and return the exit status that goes with it."""
    return _print({"changed": False, PENDING: job.read_progress()})


def print_ended(ended: Ended) -> int:
    """Print what the task printed, and return its exit status."""
    doing = ended.progress["doing"]
    if ended.exit_status < 0:
        number = -ended.exit_status
        name = signal.Signals(number).name if number in list(signal.Signals) else f"signal {number}"
        hint = ", as the system does when memory runs out," if number == signal.SIGKILL else ""
        return print_killed(f"the task was killed by {name}{hint}", doing, number)
    if ended.exit_status == STOPPED and not ended.stdout:
        return print_error(StateError(f"the task was told to stop while it was {doing}", doing=doing))
    _write(1, ended.stdout)
    _write(2, ended.stderr)
    return ended.exit_status


def print_killed(what: str, doing: str, number: int | None) -> int:
    """Print that a task was killed, and return the exit status that goes with it.

    Args:
        what: Who was killed, and by what.
        doing: What the task was at.
        number: The signal, if it is known.
    """
    message = f"{what} while it was {doing}; the next run clears away what it left"
    return _print_failure(message, "os", {"errno": None, "path": None, "signal": number, "doing": doing})


def print_error(error: MicrosandboxError) -> int:
    """Print why there is no result, and return the exit status that goes with it."""
    return _print_failure(error.message, error.code, error.facts)


def _print_failure(message: str, code: str, facts: dict[str, Any]) -> int:
    return _print({"failed": True, "changed": False, "msg": message, "error": {"code": code, "facts": facts}})


def _print(answer: dict[str, Any]) -> int:
    _write(1, json.dumps(answer).encode() + b"\n")
    return 1 if answer.get("failed") else 0


def _write(fd: int, content: bytes) -> None:
    while content:
        content = content[os.write(fd, content) :]
