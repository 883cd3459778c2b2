# Copyright: (c) 2026, sandboxops contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A line that says how far a long task is: percent, rate and time left, or that it stands still and why."""

from __future__ import annotations

from ..module_utils._formats.job_progress import JobProgress

STALLED_SECONDS = 5.0
_UNITS = ("B", "KiB", "MiB", "GiB", "TiB", "PiB")
_MINUTE = 60
_HOUR = 3600


def progress_line(now: JobProgress, before: JobProgress | None = None, stalled_after: float = STALLED_SECONDS) -> str:
    """Return what to print of a task's progress, without the task's name.

    Args:
        now: How far it is.
        before: How far it was when the last line was printed.
        stalled_after: For how many seconds no byte may have moved before that is what the line says.
    """
    if now.still_seconds >= stalled_after:
        return f"no byte moved for {duration_text(now.still_seconds)}, {_position(now)}"
    rate = bytes_per_second(now, before)
    line = _position(now)
    if rate:
        line += f", {size_text(rate)}/s"
        if now.total is not None:
            line += f", {duration_text(max(now.total - now.done, 0) / rate)} left"
    return line


def secret_line(now: JobProgress, stalled_after: float = STALLED_SECONDS) -> str:
    """Return what may be printed of the progress of a task with ``no_log``: neither names nor sizes."""
    share = percent(now)
    shown = "at work" if share is None else f"{share} %"
    if now.still_seconds >= stalled_after:
        return f"{shown}, no byte moved for {duration_text(now.still_seconds)}"
    return shown


def bytes_per_second(now: JobProgress, before: JobProgress | None = None) -> float:
    """Return the rate since the last line, or since the pass began when that was later; 0 when it is not known."""
    moved, seconds = now.done, now.pass_seconds
    if before is not None and before.doing == now.doing and before.pass_seconds < now.pass_seconds:
        moved, seconds = now.done - before.done, now.pass_seconds - before.pass_seconds
    return moved / seconds if moved > 0 and seconds > 0 else 0.0


def percent(now: JobProgress) -> int | None:
    """Return how much is done, rounded down and at most 99 as long as it lasts; None when the whole is not known."""
    return min(now.done * 100 // now.total, 99) if now.total else None


def size_text(size: float) -> str:
    """Return a number of bytes with three digits and a unit."""
    unit = 0
    while size >= 999.5 and unit < len(_UNITS) - 1:
        size /= 1024
        unit += 1
    digits = 0 if unit == 0 or size >= 99.95 else 1 if size >= 9.995 else 2
    return f"{size:.{digits}f} {_UNITS[unit]}"


def duration_text(seconds: float) -> str:
    """Return a time in words: ``6 s``, ``3 min 20 s``, ``2 h 5 min``."""
    whole = round(seconds)
    if whole < _MINUTE:
        return f"{whole} s"
    if whole < _HOUR:
        return f"{whole // _MINUTE} min {whole % _MINUTE} s"
    return f"{whole // _HOUR} h {whole % _HOUR // _MINUTE} min"


def _position(now: JobProgress) -> str:
    share = percent(now)
    if share is not None and now.total is not None:
        return f"{now.doing} {share} % of {size_text(now.total)}"
    return f"{now.doing}, {size_text(now.done)} so far" if now.done else now.doing
