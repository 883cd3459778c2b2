# Copyright: (c) 2026, sandboxops contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Detaching a task that takes long, and watching it: Ansible hears of it every few seconds instead of at the end.

Three processes: the one that Ansible started, which answers with the task's result if it comes soon and otherwise that
the task is still at work; a keeper, which outlives it, stands by the task and notes how it ends; and the task itself,
which goes on as if nothing had happened, with its output in files. Later processes of the same module ask how it is.
"""

from __future__ import annotations

import contextlib
import os
import select
import signal
import sys
import time
from types import FrameType
from typing import Callable, NamedTuple, NoReturn

from .._core.errors import RequestError, StateError
from .job_answer import STOPPED, print_ended, print_error, print_killed, print_pending
from .job_directory import STDERR, STDOUT, JobDirectory
from .job_keeper import LATE_SECONDS, SIGNALS, keep

VARIABLE = "SANDBOXOPS_MICROSANDBOX_JOB"  # "start SECONDS TOKEN", "wait SECONDS TOKEN" or "stop SECONDS TOKEN"

_LOOK_SECONDS = 0.05


class _Order(NamedTuple):
    """What the controller asks for: to start, wait for or stop a task, within so many seconds."""

    verb: str
    seconds: float
    job: JobDirectory


def detach_if_asked() -> JobDirectory | None:
    """Detach the task if the controller asks for it; whoever returns from here does the task.

    Must be called before anything that a fork does not copy, as a thread. A process that only watches ends in here.

    Returns:
        Where to say how far the task is, or None when nobody asks.
    """
    text = os.environ.pop(VARIABLE, None)
    if text is None:
        return None
    try:
        order = _parse_order(text)
    except RequestError as exc:
        _end(print_error(exc))
    if order.verb != "start":
        _watch(order)
    try:
        lock_fd = order.job.make()
    except FileExistsError:
        _watch_begun(order)
        return None
    except OSError:
        # Without room for a few files the task runs as ever, and nothing is heard of it until its end.
        return None
    return _detach(order, lock_fd)


def _watch_begun(order: _Order) -> None:
    """Watch a task that has begun already, as when a connection failed and its order was repeated."""
    job = order.job
    try:
        job.require_own()
    except StateError:
        return  # somebody else's, who is not to keep the task from running
    if job.has_begun():
        _watch(order)
    job.remove()
    _end(print_error(StateError("the task was told to stop before it began", doing="starting")))


def _parse_order(text: str) -> _Order:
    verb, dummy, rest = text.partition(" ")
    seconds, dummy, token = rest.partition(" ")
    try:
        limit = float(seconds)
    except ValueError:
        limit = -1.0
    if verb not in ("start", "wait", "stop") or not 0 <= limit <= 3600:
        raise RequestError(f"{VARIABLE} is {text[:80]!r}, expected start, wait or stop, seconds and a token")
    return _Order(verb, limit, JobDirectory(token))


def _detach(order: _Order, lock_fd: int) -> JobDirectory:
    sys.stdout.flush()
    sys.stderr.flush()
    ended_fd, alive_fd = os.pipe()
    # Until each process listens in its own way, none misses what it is told.
    signal.pthread_sigmask(signal.SIG_BLOCK, SIGNALS)
    keeper = os.fork()
    if keeper:
        os.close(alive_fd)
        os.close(lock_fd)
        _wait_for_first_answer(order, keeper, ended_fd)
    os.close(ended_fd)
    os.setsid()
    # From here on the task and its keeper are out of reach of what ends the session, but for a word of a watcher.
    ready_fd, go_fd = os.pipe()
    task = os.fork()
    if task:
        os.close(ready_fd)
        keep(order.job, task, lock_fd, (alive_fd, go_fd))
    for fd in (lock_fd, alive_fd, go_fd):
        os.close(fd)
    os.read(ready_fd, 1)  # ends when the keeper listens to signals, or is dead
    os.close(ready_fd)
    _redirect(order.job)
    signal.signal(signal.SIGTERM, _stop_task)
    signal.pthread_sigmask(signal.SIG_UNBLOCK, SIGNALS)
    return order.job


def _redirect(job: JobDirectory) -> None:
    """Let a task print into files, so that no session waits for it to close its output."""
    for name, target in ((STDOUT, 1), (STDERR, 2)):
        fd = job.create(name)
        os.dup2(fd, target)
        os.close(fd)
    fd = os.open(os.devnull, os.O_RDONLY)
    os.dup2(fd, 0)
    os.close(fd)


def _stop_task(number: int, dummy: FrameType | None) -> NoReturn:
    """End a task as an error of its own would, so that it takes back what it has begun."""
    signal.signal(number, signal.SIG_IGN)
    raise SystemExit(STOPPED)


def _wait_for_first_answer(order: _Order, keeper: int, ended_fd: int) -> NoReturn:
    # The task owns what Ansible has unpacked for this process: who leaves it at work must not clear that away.
    _pass_signals_on(keeper, os._exit)
    select.select([ended_fd], [], [], order.seconds)
    ended = order.job.read_ended()
    if ended is None:
        os._exit(print_pending(order.job))
    order.job.remove()
    # A task that has come to its end has cleared that away, and Python takes its time to end a process in all form.
    end = os._exit if ended.exit_status >= 0 else _end
    end(print_ended(ended))


def _watch(order: _Order) -> NoReturn:
    """Wait for a task's end, though not for long, and answer what is known of it."""
    job = order.job
    if order.verb == "stop":
        _forbid(job)
    try:
        job.require_own()
    except StateError as exc:
        _end(print_error(exc))
    if order.verb == "stop":
        keeper = _find_settled_keeper(job)
        _tell_to_stop(keeper)
    else:
        keeper = job.find_keeper()
    _pass_signals_on(keeper, _end)
    deadline = time.monotonic() + order.seconds
    while job.read_ended() is None and keeper is not None and time.monotonic() < deadline:
        time.sleep(_LOOK_SECONDS)
        keeper = job.find_keeper()
    ended = job.read_ended()
    if ended is None and keeper is not None:
        _end(print_pending(job))
    doing = job.read_progress()["doing"]
    job.remove()
    if ended is None:
        _end(print_killed("the task and the process that stood by it were killed", doing, None))
    _end(print_ended(ended))


def _forbid(job: JobDirectory) -> None:
    """Keep a task from beginning that has not begun yet: the order to start it may still be on its way."""
    if not job.forbid():
        return
    deadline = time.monotonic() + LATE_SECONDS
    while os.path.exists(job.path) and time.monotonic() < deadline:
        time.sleep(_LOOK_SECONDS)
    job.remove()


def _find_settled_keeper(job: JobDirectory) -> int | None:
    """Return the process that stands by a task that may be just beginning; None when it is dead."""
    deadline = time.monotonic() + LATE_SECONDS
    keeper = None
    while not keeper and job.read_ended() is None and time.monotonic() < deadline:
        with contextlib.suppress(FileNotFoundError):
            keeper = job.find_keeper()
        time.sleep(0 if keeper else _LOOK_SECONDS)
    return keeper


def _pass_signals_on(keeper: int | None, end: Callable[[int], NoReturn]) -> None:
    """Tell the keeper what tells this process to end: an interrupted play does not go on behind its back."""

    def pass_on(number: int, dummy: FrameType | None) -> NoReturn:
        _tell_to_stop(keeper)
        end(128 + number)

    for number in SIGNALS:
        signal.signal(number, pass_on)
    signal.pthread_sigmask(signal.SIG_UNBLOCK, SIGNALS)


def _tell_to_stop(keeper: int | None) -> None:
    if keeper:
        with contextlib.suppress(ProcessLookupError):
            os.kill(keeper, signal.SIGTERM)


def _end(exit_status: int) -> NoReturn:
    """End the process, and let Ansible clear away what it has unpacked for it."""
    raise SystemExit(exit_status)
