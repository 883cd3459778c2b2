# Copyright: (c) 2026, sandboxops contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A stage of a pass in a thread of its own, so that reading, hashing, unpacking and writing overlap."""

from __future__ import annotations

import collections
import threading
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor, wait
from types import TracebackType
from typing import Callable, Generic, TypeVar

Item = TypeVar("Item")

_AHEAD = 4  # items, fewer than there are buffers in a pool


class StageThread(Generic[Item]):
    """Works on the items of a pass and hands each on, in the order in which they are fed.

    As a context manager it ends the thread. An exception of the work is raised where the next item is fed, or at the
    end of the block; what is still queued after one, wherever it came from, is only handed on.

    Args:
        work: What is done with each item; None for nothing, which takes no thread.
        hand_on: Takes each item afterwards; None when nobody does.
        limit: How many items may wait; None where something else bounds them, as a pool of buffers does.
    """

    def __init__(
        self,
        work: Callable[[Item], object] | None,
        hand_on: Callable[[Item], object] | None = None,
        limit: int | None = None,
    ) -> None:
        self._work = work
        self._hand_on = hand_on
        self._room = None if limit is None else threading.Semaphore(limit)
        self._thread: ThreadPoolExecutor | None = None
        self._failed: Future[None] | None = None
        self._is_abandoned = False

    def __enter__(self) -> StageThread[Item]:
        if self._work is not None:
            self._thread = ThreadPoolExecutor(1)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._is_abandoned = kind is not None
        if self._thread is not None:
            last = self._thread.submit(bool)
            try:
                wait([last])
            finally:
                # Who is interrupted while waiting has no use for the rest either.
                self._is_abandoned = self._is_abandoned or not last.done()
                _end(self._thread)
        if kind is None and self._failed is not None:
            self._failed.result()

    def feed(self, item: Item) -> None:
        """Take the next item."""
        if self._failed is not None or self._thread is None:
            self._pass_on(item)
        if self._failed is not None:
            self._failed.result()
        elif self._thread is not None:
            if self._room is not None:
                self._room.acquire()
            self._thread.submit(self._do, item).add_done_callback(self._note)

    def _do(self, item: Item) -> None:
        try:
            if self._work is not None and self._failed is None and not self._is_abandoned:
                self._work(item)
        finally:
            if self._room is not None:
                self._room.release()
            self._pass_on(item)

    def _pass_on(self, item: Item) -> None:
        if self._hand_on is not None:
            self._hand_on(item)

    def _note(self, done: Future[None]) -> None:
        if self._failed is None and done.exception() is not None:
            self._failed = done


class ReadAhead(Generic[Item]):
    """Yields the items of an iterator that runs in a thread of its own, a few items ahead.

    As a context manager it ends the thread, and with it the iterator. An exception of the iterator is raised where its
    next item would be.

    Args:
        items: The iterator, which nobody else may use inside the block.
    """

    def __init__(self, items: Iterator[Item]) -> None:
        self._items = items
        self._thread = ThreadPoolExecutor(1)
        self._ahead: collections.deque[Future[Item | None]] = collections.deque()

    def __enter__(self) -> ReadAhead[Item]:
        for dummy in range(_AHEAD):
            self._fetch()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for future in self._ahead:
            future.cancel()
        _end(self._thread)

    def __iter__(self) -> Iterator[Item]:
        while True:
            item = self._ahead.popleft().result()
            if item is None:
                return
            self._fetch()
            yield item

    def _fetch(self) -> None:
        self._ahead.append(self._thread.submit(next, self._items, None))


def _end(thread: ThreadPoolExecutor) -> None:
    """Wait until a thread has done what is queued, which is little; who interrupts that waits as well.

    What the thread works on, files among it, is closed by whoever comes next.
    """
    # A thread whose join was interrupted is taken for joined, so that this waits for what is queued last.
    last = [thread.submit(bool)]
    try:
        wait(last)
    finally:
        wait(last)
        thread.shutdown()
