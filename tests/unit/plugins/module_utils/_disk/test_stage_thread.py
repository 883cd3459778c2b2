# Copyright: (c) 2026, sandboxops contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A stage in a thread of its own: order is kept, errors arrive, and nothing that was queued is lost or waited for."""

from __future__ import annotations

import os
import signal
import threading
import time
from collections.abc import Iterator

import pytest
from ansible_collections.sandboxops.microsandbox.plugins.module_utils._disk.stage_thread import ReadAhead, StageThread


def test_items_are_worked_on_and_handed_on_in_order() -> None:
    worked: list[int] = []
    handed: list[int] = []
    with StageThread(worked.append, handed.append) as stage:
        for number in range(1000):
            stage.feed(number)
    assert worked == handed == list(range(1000))


def test_work_is_done_in_another_thread() -> None:
    seen: list[threading.Thread] = []

    def work(item: int) -> None:
        seen.append(threading.current_thread())

    with StageThread(work) as stage:
        stage.feed(1)
    assert seen != [threading.current_thread()]


def test_without_work_items_are_handed_on_at_once() -> None:
    handed: list[int] = []
    with StageThread(None, handed.append) as stage:
        stage.feed(1)
        assert handed == [1]


def fail(item: int) -> None:
    if item == 3:
        raise OSError(28, "no space")


def test_an_error_of_the_work_is_raised_at_the_end_and_later_items_are_only_handed_on() -> None:
    handed: list[int] = []

    def feed_all() -> None:
        with StageThread(fail, handed.append) as stage:
            for number in range(3):
                stage.feed(number)
            stage.feed(3)

    with pytest.raises(OSError, match="no space"):
        feed_all()
    assert handed == [0, 1, 2, 3]


def test_an_error_of_the_work_is_raised_where_the_next_item_is_fed() -> None:
    failed = threading.Event()

    def feed_after_failure() -> None:
        with StageThread(fail, lambda item: failed.set()) as stage:
            stage.feed(3)
            failed.wait(10)
            stage.feed(4)
            pytest.fail("an item was taken after the work had failed")

    with pytest.raises(OSError, match="no space"):
        feed_after_failure()


def test_an_error_in_the_block_leaves_the_queue_undone_but_handed_on() -> None:
    started, go_on = threading.Event(), threading.Event()
    worked: list[int] = []
    handed: list[int] = []

    def work(item: int) -> None:
        started.set()
        go_on.wait(10)
        worked.append(item)

    def feed_and_fail() -> None:
        with StageThread(work, handed.append) as stage:
            stage.feed(1)
            started.wait(10)
            stage.feed(2)
            threading.Timer(0.1, go_on.set).start()
            raise KeyError

    with pytest.raises(KeyError):
        feed_and_fail()
    assert (worked, handed) == ([1], [1, 2])


def test_no_more_items_wait_than_the_limit() -> None:
    go_on = threading.Event()
    fed: list[int] = []

    def wait(item: int) -> None:
        go_on.wait(10)

    def feed_all() -> None:
        with StageThread(wait, limit=2) as stage:
            for number in range(4):
                stage.feed(number)
                fed.append(number)

    feeder = threading.Thread(target=feed_all)
    feeder.start()
    feeder.join(0.2)
    assert fed == [0, 1]
    go_on.set()
    feeder.join(10)
    assert fed == [0, 1, 2, 3]


def test_items_are_read_ahead_in_order() -> None:
    with ReadAhead(iter(range(1, 1000))) as items:
        assert list(items) == list(range(1, 1000))


def test_no_items_are_none() -> None:
    nothing: Iterator[int] = iter(())
    with ReadAhead(nothing) as items:
        assert list(items) == []


def test_items_are_read_in_another_thread_and_no_more_than_a_few_ahead() -> None:
    readers: list[threading.Thread] = []

    def read() -> Iterator[int]:
        for number in range(1, 100):
            readers.append(threading.current_thread())
            yield number

    with ReadAhead(read()) as items:
        assert next(iter(items)) == 1
    assert threading.current_thread() not in readers
    assert len(readers) <= 6


def test_an_error_of_the_iterator_comes_after_the_items_before_it() -> None:
    def read() -> Iterator[int]:
        yield 1
        raise OSError(5, "bad disk")

    found: list[int] = []

    def read_all() -> None:
        with ReadAhead(read()) as items:
            found.extend(items)

    with pytest.raises(OSError, match="bad disk"):
        read_all()
    assert found == [1]


def test_an_error_in_the_block_ends_the_reading() -> None:
    taken: list[int] = []

    def read() -> Iterator[int]:
        for number in range(1, 1 << 30):
            taken.append(number)
            yield number

    def fail_at_once() -> None:
        with ReadAhead(read()):
            raise KeyError

    with pytest.raises(KeyError):
        fail_at_once()
    assert len(taken) <= 4


class Interrupt:
    """What interrupts the main thread, as by a key, a little after it is asked to."""

    def __init__(self) -> None:
        self.is_wanted = threading.Event()
        self._has_come = threading.Event()

    def press(self) -> None:
        self.is_wanted.wait()
        time.sleep(0.1)
        os.kill(os.getpid(), signal.SIGINT)
        self._has_come.set()

    def last(self) -> None:
        """Ask for it, and go on half a second after it came."""
        self.is_wanted.set()
        assert self._has_come.wait(60)
        time.sleep(0.5)


@pytest.fixture
def interrupt() -> Iterator[Interrupt]:
    interrupt = Interrupt()
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    thread = threading.Thread(target=interrupt.press)
    thread.start()
    yield interrupt
    thread.join()
    signal.signal(signal.SIGINT, before)


def test_an_interrupt_of_the_end_leaves_no_work_behind(interrupt: Interrupt) -> None:
    worked: list[int] = []

    def work(item: int) -> None:
        interrupt.last()
        worked.append(item)

    def feed() -> None:
        with StageThread(work) as stage:
            stage.feed(1)

    with pytest.raises(KeyboardInterrupt):
        feed()
    assert worked == [1]


def test_an_interrupt_of_the_end_skips_what_is_queued(interrupt: Interrupt) -> None:
    worked: list[int] = []

    def work(item: int) -> None:
        interrupt.last()
        worked.append(item)

    def feed() -> None:
        with StageThread(work) as stage:
            for item in range(10):
                stage.feed(item)

    with pytest.raises(KeyboardInterrupt):
        feed()
    assert len(worked) < 10


def test_an_interrupt_of_the_end_leaves_no_reading_behind(interrupt: Interrupt) -> None:
    taken: list[int] = []

    def items() -> Iterator[int]:
        interrupt.last()
        taken.append(1)
        yield 1

    def read_nothing() -> None:
        with ReadAhead(items()):
            interrupt.is_wanted.wait()

    with pytest.raises(KeyboardInterrupt):
        read_nothing()
    assert taken == [1]
