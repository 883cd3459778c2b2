# Copyright: (c) 2026, sandboxops contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The controller's side of a task that may take long: runs the module of its name, and prints a line now and then."""

from __future__ import annotations

import os
import secrets
import threading
import time
from collections.abc import Mapping
from contextlib import ExitStack, suppress
from typing import Any, Callable

from ansible.errors import AnsibleActionFail, AnsibleConnectionFailure, AnsibleError
from ansible.plugins.action import ActionBase

from ..module_utils._ansible.job import VARIABLE
from ..module_utils._ansible.job_answer import PENDING
from ..module_utils._core.errors import FormatError
from ..module_utils._formats.job_progress import JobProgress, parse_progress
from .interruption import undoing_first
from .output import print_line
from .progress_line import STALLED_SECONDS, duration_text, progress_line, secret_line

INTERVAL = "microsandbox_progress_interval"

_INTERVAL_SECONDS = 10.0
_FIRST_ANSWER_SECONDS = 5.0
_STOP_SECONDS = 12  # a little longer than the task gets to clean up
_LEAST_STALLED_SECONDS = 2.0  # a busy host keeps a task waiting that long now and then
_LOST_CONNECTIONS = 5
_RETRY_SECONDS = 3.0
# The options that say best what a task is about, the first that is set.
_SUBJECTS = ("name", "snapshot", "path", "archive", "digest")


class PrintedLines:
    """Prints lines, and when there is none for a while, that there is none: a silent host looks like a dead job.

    Args:
        say: Prints a line.
        interval: How many seconds may pass without one.
    """

    def __init__(self, say: Callable[[str], None], interval: float) -> None:
        self._say = say
        self._interval = interval
        self._lock = threading.Lock()
        self._over = threading.Event()
        self._heard_at = self._said_at = time.monotonic()
        self._thread = threading.Thread(target=self._watch, daemon=True)

    def __enter__(self) -> PrintedLines:
        self._thread.start()
        return self

    def __exit__(self, *dummy: object) -> None:
        self._over.set()
        self._thread.join()

    def add(self, line: str) -> None:
        """Print a line of a host that has answered."""
        with self._lock:
            self._heard_at = self._said_at = time.monotonic()
            self._say(line)

    def _watch(self) -> None:
        left = self._interval
        while not self._over.wait(left):
            with self._lock:
                now = time.monotonic()
                left = self._said_at + self._interval - now
                if left <= 0:
                    self._say(f"no answer from the host for {duration_text(now - self._heard_at)}")
                    self._said_at, left = now, self._interval


class LongTaskAction(ActionBase):  # type: ignore[misc]  # ansible-core ships no types
    """Runs the module of its name as Ansible itself would, and shows how far it is while it takes long."""

    _supports_check_mode = True
    _supports_async = True
    _retry_seconds = _RETRY_SECONDS

    def run(self, tmp: Any = None, task_vars: dict[str, Any] | None = None) -> dict[str, Any]:
        """Run the task."""
        task_vars = task_vars or {}
        if self._task.check_mode:
            # Ansible refuses the two together, and a play that ran yesterday should be one that can be checked.
            self._task.async_val = 0
        result: dict[str, Any] = super().run(tmp, task_vars)
        interval = self._interval(task_vars)
        wrap_async = bool(self._task.async_val) and not self._connection.has_native_async
        if self._task.async_val or not interval:
            result.update(self._execute_module(task_vars=task_vars, wrap_async=wrap_async))
        else:
            result.update(self._run_watched(interval, task_vars))
        if not wrap_async:
            self._remove_tmp_path(self._connection._shell.tmpdir)
        return result

    def _interval(self, task_vars: Mapping[str, Any]) -> float:
        """Return after how many seconds at the latest a line is due; 0 when none is wanted."""
        value = self._templar.template(task_vars.get(INTERVAL, _INTERVAL_SECONDS))
        try:
            interval = float(value)
        except (TypeError, ValueError) as exc:
            raise AnsibleActionFail(f"{INTERVAL} is {value!r}, expected seconds, or 0 for no lines") from exc
        if not 0 <= interval <= 3600:
            raise AnsibleActionFail(f"{INTERVAL} is {value!r}, expected 0 to 3600 seconds")
        return interval

    def _run_watched(self, interval: float, task_vars: dict[str, Any]) -> dict[str, Any]:
        token = secrets.token_hex(16)
        lines = PrintedLines(lambda line: self._say(line, task_vars), interval)
        with undoing_first(), lines, ExitStack() as unless_over:
            # After a timeout of the task or Ctrl-C: who does not wait for the result does not want it either.
            unless_over.callback(self._stop, token, task_vars)
            try:
                answer = self._watch(token, interval, lines, task_vars)
            except AnsibleError:
                unless_over.pop_all()  # a host that cannot be reached cannot be told to stop either
                raise
            unless_over.pop_all()
            return answer

    def _stop(self, token: str, task_vars: dict[str, Any]) -> None:
        with suppress(AnsibleError):
            self._order(f"stop {_STOP_SECONDS} {token}", task_vars)
            self.cleanup()

    def _watch(self, token: str, interval: float, lines: PrintedLines, task_vars: dict[str, Any]) -> dict[str, Any]:
        stalled_after = max(_LEAST_STALLED_SECONDS, min(STALLED_SECONDS, interval / 2))
        before = None
        wait = min(_FIRST_ANSWER_SECONDS, interval / 2)
        asked_at = time.monotonic()
        answer = self._order(f"start {wait:.2f} {token}", task_vars)
        while PENDING in answer:
            now = self._parse(answer[PENDING])
            lines.add(
                secret_line(now, stalled_after) if self._task.no_log else progress_line(now, before, stalled_after)
            )
            before = now
            # What it takes to ask belongs to the interval as well.
            spent = time.monotonic() - asked_at - wait
            wait = min(max(0.9 * interval - spent, 0.1 * interval), 0.8 * interval)
            asked_at = time.monotonic()
            answer = self._ask_again(f"wait {wait:.2f} {token}", lines, task_vars)
        return answer

    def _ask_again(self, order: str, lines: PrintedLines, task_vars: dict[str, Any]) -> dict[str, Any]:
        """Ask how the task is; a connection that is lost meanwhile may come back."""
        for dummy in range(_LOST_CONNECTIONS):
            try:
                return self._order(order, task_vars)
            except AnsibleConnectionFailure:
                lines.add("the connection is lost, trying again")
                time.sleep(self._retry_seconds)
        return self._order(order, task_vars)

    def _order(self, order: str, task_vars: dict[str, Any]) -> dict[str, Any]:
        """Run the module with an order in its environment, as Ansible does with the directory of asynchronous jobs."""
        environment = self._task.environment
        environment.append({VARIABLE: order})
        try:
            answer: dict[str, Any] = self._execute_module(task_vars=task_vars)
        finally:
            environment.pop()
        return answer

    @staticmethod
    def _parse(content: Any) -> JobProgress:
        try:
            return parse_progress(content)
        except FormatError as exc:
            raise AnsibleActionFail(exc.message) from exc

    def _say(self, line: str, task_vars: Mapping[str, Any]) -> None:
        host = str(task_vars.get("inventory_hostname", "?"))
        print_line(host, self._task.delegate_to, f"{self._subject()}: {line}")

    def _subject(self) -> str:
        """Return what the task is about."""
        module = str(self._task.action).rpartition(".")[2]
        if self._task.no_log:
            return module
        value = next((str(self._task.args[name]) for name in _SUBJECTS if self._task.args.get(name)), "")
        shown = "".join(each if each.isprintable() else "?" for each in os.path.basename(value.rstrip("/"))[:80])
        return f"{module} {shown}".rstrip()
