# Copyright: (c) 2026, sandboxops contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the actions that move files have in common: they run their module part by part, and report as one task."""

from __future__ import annotations

import os
import time
from abc import abstractmethod
from collections.abc import Mapping
from typing import Any

from ansible.plugins.action import ActionBase
from ansible_collections.sandboxops.microsandbox.plugins.module_utils._core.errors import (
    MicrosandboxError,
    RequestError,
)
from ansible_collections.sandboxops.microsandbox.plugins.plugin_utils.output import print_line
from ansible_collections.sandboxops.microsandbox.plugins.plugin_utils.transfer_progress import TransferProgress

FIRST_PIECE_BYTES = 8 << 20
_LEAST_PIECE_BYTES = 1 << 20
_PIECE_SECONDS = 3.0
_LONGEST_PIECE_SECONDS = 30.0  # what is lost at most when a connection breaks

Result = dict[str, Any]


class TransferAction(ActionBase):  # type: ignore[misc]  # ansible-core ships no types
    """Runs a module as often as needed, with what it is to do next in its option ``part``.

    Attributes:
        most_piece_bytes: How large a piece of a file may become, as the task wants it.
    """

    _supports_check_mode = True
    _supports_async = False

    def run(self, tmp: str | None = None, task_vars: Mapping[str, Any] | None = None) -> Result:
        """Carry out the task."""
        result: Result = super().run(tmp, task_vars)
        self._began = time.monotonic()
        self._variables = dict(task_vars or {})
        self._first: Result = {}
        self._elapsed: dict[str, float] = {}
        self._bytes: dict[str, int] = {}
        try:
            if self._task.args.get("part") is not None:
                raise RequestError(
                    "part is what this action asks the host for, a task has no use for it", option="part"
                )
            self.most_piece_bytes = piece_limit(self._task.args)
            result.update(self.carry_out(dict(self._task.args)))
        except MicrosandboxError as exc:
            result.update(failed=True, msg=exc.message, error={"code": exc.code, "facts": exc.facts})
        except OSError as exc:
            path = os.fsdecode(exc.filename) if isinstance(exc.filename, (str, bytes)) else None
            message = f"{path or self._task.action} on the controller: {exc.strerror or exc}"
            result.update(failed=True, msg=message, error={"code": "os", "facts": {"errno": exc.errno, "path": path}})
        return result

    @abstractmethod
    def carry_out(self, arguments: Result) -> Result:
        """Carry out the task and return its result.

        Args:
            arguments: The task's options.
        """

    def execute(self, arguments: Result, **part: Any) -> Result:
        """Run the module once, and add up what it took."""
        module_args = {**arguments, "part": part} if part else dict(arguments)
        result: Result = self._execute_module(
            module_name=self._task.action, module_args=module_args, task_vars=self._variables
        )
        return self.add(result)

    def add(self, result: Result) -> Result:
        """Add up what a run of the module took, and return its result."""
        for name, seconds in (result.get("elapsed") or {}).items():
            self._elapsed[name] = round(self._elapsed.get(name, 0.0) + seconds, 4)
        for name, count in (result.get("bytes") or {}).items():
            self._bytes[name] = self._bytes.get(name, 0) + count
        self._first = self._first or result
        return result

    def finish(self, result: Result, received: int, resumed: int) -> Result:
        """Make the last part's result that of the task.

        Args:
            result: That of the last part.
            received: Bytes that moved in this task.
            resumed: Bytes that were there before.
        """
        finished = dict(result)
        transfer = finished.pop("transfer", {})
        if "path" in transfer:
            finished["path"] = transfer["path"]
        if "invocation" in finished:
            finished["invocation"].get("module_args", {}).pop("part", None)
        finished["elapsed"] = {**self._elapsed, "total": round(time.monotonic() - self._began, 4)}
        if not result.get("failed"):
            # The plan is that of the first part; the later ones saw what it had begun.
            finished.update({key: self._first[key] for key in ("steps", "diff", "changed") if key in self._first})
            finished["bytes"] = {"received": received, "resumed": resumed, **self._bytes}
        return finished

    def progress(self, what: str, total_bytes: int | None) -> TransferProgress:
        """Return what says how far the transfer is; a task with no_log names nothing."""
        shown = None if self._task.no_log else f"archive {what}"
        host = str(self._variables.get("inventory_hostname", "host"))
        delegate = self._task.delegate_to
        return TransferProgress(lambda line: print_line(host, delegate, line), shown, total_bytes)

    def remote_piece(self) -> str:
        """Return the path of a piece in the task's temporary directory on the host, which is made if need be."""
        shell = self._connection._shell
        if shell.tmpdir is None:
            self._make_tmp_path()
        path: str = shell.join_path(shell.tmpdir, "piece")
        return path


def next_piece_bytes(length: int, seconds: float, other_seconds: float, most_bytes: int) -> int:
    """Return the size of a piece that moves in a few seconds, but is no more than four times the last one.

    Where the rest of what a piece takes is slow, as with many hosts at a time, it moves four times as long as that:
    more and smaller pieces would only make more of it.

    Args:
        length: Size of the last piece.
        seconds: How long it moved.
        other_seconds: How long all else took: to start the module, and what that did with the piece.
        most_bytes: How large a piece may become.
    """
    wanted_seconds = max(_PIECE_SECONDS, min(4 * other_seconds, _LONGEST_PIECE_SECONDS))
    fitting = int(length * wanted_seconds / max(seconds, 0.001))
    return max(1, min(most_bytes, max(min(fitting, length * 4), _LEAST_PIECE_BYTES)))


def piece_limit(arguments: Mapping[str, Any]) -> int:
    """Return how large a piece may become.

    Raises:
        RequestError: The option is no positive number.
    """
    value = arguments.get("piece_bytes")
    try:
        most_bytes = int(value if value is not None else 64 << 20)
    except (TypeError, ValueError):
        most_bytes = 0
    if most_bytes < 1:
        raise RequestError(f"piece_bytes is {value}, expected 1 or more", option="piece_bytes")
    return most_bytes
