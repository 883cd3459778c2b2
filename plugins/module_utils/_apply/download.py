# Copyright: (c) 2026, sandboxops contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Receiving a file from a source that may drop the connection: goes on where it ended, a bounded number of times."""

from __future__ import annotations

import time
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Callable, Optional, Protocol

from .._core.errors import IntegrityError, SourceError
from .._disk.partial_file import PartialFile
from .._plan.download import Answer, Start, attempts_after, backoff_seconds, plan_start, require_length
from .._plan.placed_file import WantedFile

_READ_BYTES = 1 << 20


class Response(Protocol):
    """An answer of the source."""

    answer: Answer

    def read(self, most_bytes: int) -> bytes:
        """Return what has come, or nothing at the end.

        Raises:
            SourceError: Nothing came for too long, or the connection broke.
        """


# Asks for everything behind an offset, if the content is still the one that the validator names.
OpenAt = Callable[[int, Optional[str]], AbstractContextManager[Response]]


@dataclass(frozen=True)
class Demand:
    """What a download may take.

    Attributes:
        wanted: The file.
        source: Name of the source, for errors.
        needs_bytes: Space that has to remain beyond the file.
        retries: How many attempts in a row may fail before the last one.
        slice_seconds: For how long to receive in this run, while bytes come; None is to the end. What starts over is
            received to the end in any case, from the next run on.
    """

    wanted: WantedFile
    source: str
    needs_bytes: int
    retries: int
    slice_seconds: float | None = None


@dataclass
class Course:
    """How a download stands, from one run to the next.

    Attributes:
        total_bytes: Length of the whole, as far as known.
        validator: What tells whether the source still has the same content.
        is_pure: Whether all bytes are of one content, as the source says; else an earlier one may have left some.
        is_whole: Whether all bytes are there.
        starts_over: Whether the source has answered with everything when it was asked for the rest.
        received_bytes: How many came.
        resumed_bytes: How many were there from an earlier task.
        most_bytes: How many were there at most, since the source first started over if it did.
        attempts: How many attempts in a row have failed.
        trials: How often it began.
    """

    total_bytes: int | None = None
    validator: str | None = None
    is_pure: bool = False
    is_whole: bool = False
    starts_over: bool = False
    received_bytes: int = 0
    resumed_bytes: int = 0
    most_bytes: int = 0
    attempts: int = 0
    trials: int = 0


def apply_download(demand: Demand, course: Course, partial: PartialFile, open_at: OpenAt) -> bool:
    """Receive the file, and put it into its place when it is whole; return whether it is.

    Args:
        demand: What it may take.
        course: How it stands; kept up to date.
        partial: What is there of it.
        open_at: Opens the source.

    Raises:
        SourceError: The source stays silent or out of reach; what came stays for the next run.
        StateError: The source does not have it, or there is no room.
        IntegrityError: It is not what the checksum names; nothing of it stays.
    """
    if not course.trials:
        course.trials, course.resumed_bytes = 1, partial.size
    is_sliced = demand.slice_seconds is not None and not course.starts_over
    until = time.monotonic() + (demand.slice_seconds or 0) if is_sliced else None
    while True:
        if not _receive_to_end(demand, course, partial, open_at, until):
            return False
        digest = partial.digest()
        if digest == demand.wanted.checksum:
            partial.place(_basename(demand.wanted.path), demand.wanted.mode, digest)
            return True
        if course.is_pure or course.trials > 1:
            partial.discard()
            raise IntegrityError(
                f"{demand.source} has the checksum {digest}, wanted {demand.wanted.checksum}",
                source=demand.source,
                expected=demand.wanted.checksum,
                actual=digest,
            )
        # What an earlier run left, or the source had before, may be what is wrong: once more, all of it.
        partial.truncate()
        course.trials, course.is_whole, course.validator, course.resumed_bytes = course.trials + 1, False, None, 0
        course.starts_over, course.most_bytes = False, 0


def _receive_to_end(demand: Demand, course: Course, partial: PartialFile, open_at: OpenAt, until: float | None) -> bool:
    """Receive until all is there, and return True, or until the time is over."""
    while not course.is_whole:
        # What comes once more is no progress: a source that keeps starting over would never be given up.
        course.most_bytes = had_bytes = max(course.most_bytes, partial.size)
        try:
            _receive(demand, course, partial, open_at, until)
        except SourceError:
            course.attempts = attempts_after(course.attempts, partial.size - had_bytes)
            if course.attempts > demand.retries:
                raise
            time.sleep(backoff_seconds(course.attempts))
        else:
            course.attempts = 0
        if until is not None and (course.starts_over or time.monotonic() >= until):
            break
    return course.is_whole


def _receive(demand: Demand, course: Course, partial: PartialFile, open_at: OpenAt, until: float | None) -> None:
    """Take the bytes of one answer."""
    size_bytes = demand.wanted.size_bytes
    if partial.size and partial.size == size_bytes:
        course.total_bytes, course.is_whole = size_bytes, True
        return
    # Servers behind one name may each have an ETag of their own. Where the source has started over, the next try asks
    # for the rest on no condition, and the checksum alone tells whether it belongs to what is there.
    validator = course.validator if partial.size and not course.starts_over else None
    with open_at(partial.size, validator) as response:
        start = plan_start(response.answer, partial.size, size_bytes, demand.source)
        _adopt(start, response.answer, course, partial)
        if not start.has_body:
            course.is_whole = partial.size > 0
            return
        if course.starts_over and until is not None:
            return  # it takes a run without an end
        total = course.total_bytes
        partial.require_space(max(0, (total or 0) - partial.size) + demand.needs_bytes)
        expected = total if total is not None else size_bytes
        while expected is None or partial.size < expected:
            most = _READ_BYTES if expected is None else min(_READ_BYTES, expected - partial.size)
            piece = response.read(most)
            if not piece:
                require_length(partial.size, expected, demand.source)
                break
            partial.append(memoryview(piece))
            course.received_bytes += len(piece)
            if until is not None and time.monotonic() >= until and partial.size != expected:
                return
    course.is_whole = True
    course.total_bytes = partial.size


def _adopt(start: Start, answer: Answer, course: Course, partial: PartialFile) -> None:
    """Bring what is there and what is known in line with where an answer starts."""
    if start.offset == 0:
        if partial.size:
            partial.truncate()
            course.resumed_bytes = 0
            if start.has_body and not course.starts_over:
                course.starts_over, course.most_bytes = True, 0
        course.is_pure = True
    elif course.validator is None or course.validator != answer.validator:
        course.is_pure = False
    course.validator = answer.validator
    course.total_bytes = start.total_bytes


def _basename(path: str) -> str:
    return path.rpartition("/")[2]
