# Copyright: (c) 2026, sandboxops contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Running one program to its end, and what that cost."""

from __future__ import annotations

import json
import os
import subprocess
import tempfile
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any


@dataclass(frozen=True)
class Cost:
    """What a run cost.

    Attributes:
        seconds: The operation alone where the program times itself, else the whole process.
        process_seconds: From start to exit of the process.
        cpu_seconds: User and system time of the process and its children.
        peak_bytes: Resident memory of the largest process at its peak.
        answer: What the program printed, when that is JSON.
    """

    seconds: float
    process_seconds: float
    cpu_seconds: float
    peak_bytes: int
    answer: dict[str, Any]


class RunFailure(Exception):
    """A program that was to be measured ended with an error; the message has its output."""


def run(command: Sequence[str | Path], env: Mapping[str, str] | None = None, text: str = "") -> Cost:
    """Run a program and measure it; what others wrote before is on disk when it starts.

    The runner that calls this must stay small: Linux counts its memory as the child's until the child has its own.

    Args:
        command: Program and arguments.
        env: The whole environment, or None for the runner's.
        text: Standard input.

    Raises:
        RunFailure: It ended with an error.
    """
    with tempfile.TemporaryFile() as given, tempfile.TemporaryFile() as printed, tempfile.TemporaryFile() as complaint:
        given.write(text.encode())
        given.seek(0)
        os.sync()
        began = time.perf_counter()
        process = subprocess.Popen(
            [str(part) for part in command], stdin=given, stdout=printed, stderr=complaint, env=env
        )
        dummy, status, usage = os.wait4(process.pid, 0)
        wall = time.perf_counter() - began
        process.returncode = os.waitstatus_to_exitcode(status)
        printed.seek(0)
        complaint.seek(0)
        output = printed.read().decode(errors="replace")
        if process.returncode:
            shown = " ".join(str(part) for part in command)
            raise RunFailure(f"{shown} ended with {process.returncode}: {output}{complaint.read().decode()}")
    try:
        parsed = json.loads(output)
    except ValueError:
        parsed = None
    answer = parsed if isinstance(parsed, dict) else {}
    seconds = answer.get("seconds", answer.get("elapsed", {}).get("total", wall))
    return Cost(seconds, wall, usage.ru_utime + usage.ru_stime, usage.ru_maxrss * 1024, answer)
