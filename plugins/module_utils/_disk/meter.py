# Copyright: (c) 2026, sandboxops contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What an operation is doing and how far it is, for another thread that looks now and then."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Callable, NamedTuple


class Reading(NamedTuple):
    """How far an operation is.

    Attributes:
        doing: What it does, in a few words.
        done: How many bytes of the pass it has behind it.
        total: How many the pass has, or None when that is not known.
    """

    doing: str
    done: int = 0
    total: int | None = None


@dataclass(frozen=True)
class _State:
    doing: str
    count: Callable[[], int]
    total: int | None


def _moving_nothing(doing: str) -> _State:
    return _State(doing, lambda: 0, None)


class Meter:
    """Knows what an operation does. Whoever moves bytes says how to count them; nothing is counted for the meter."""

    def __init__(self) -> None:
        # Replaced as a whole, so that the thread that reads never sees half a change.
        self._state = _moving_nothing("starting")
        self._span_bytes: int | None = None
        self._before = 0

    def read(self) -> Reading:
        """Return how far the operation is."""
        state = self._state
        return Reading(state.doing, state.count(), state.total)

    def say(self, doing: str) -> None:
        """Say what comes next when no bytes of ours move meanwhile."""
        self._state = _moving_nothing(doing)

    @contextlib.contextmanager
    def doing(self, what: str) -> Iterator[None]:
        """Say what the block does."""
        outer = self._state
        self._state = _moving_nothing(what)
        try:
            yield
        finally:
            self._state = outer

    @contextlib.contextmanager
    def measure(self, doing: str, total: int | None, count: Callable[[], int], then: str = "") -> Iterator[None]:
        """Measure a pass, or its share of a span.

        Args:
            doing: What it does.
            total: How many bytes it has, or None when that is not known.
            count: Returns how many of them it has behind it; called from another thread.
            then: What the operation does when the block ends; what it did before, if nothing is said.
        """
        outer, before = self._state, self._before
        is_share = self._span_bytes is not None and total is not None
        self._state = (
            _State(doing, lambda: before + count(), self._span_bytes) if is_share else _State(doing, count, total)
        )
        try:
            yield
        finally:
            if is_share and total is not None:
                self._before = before + total
            self._state = _moving_nothing(then) if then else outer

    @contextlib.contextmanager
    def span(self, total: int) -> Iterator[None]:
        """Count the passes of the block, whose bytes are ``total`` together, as one."""
        self._span_bytes, self._before = total, 0
        try:
            yield
        finally:
            self._span_bytes = None
            self._before = 0
