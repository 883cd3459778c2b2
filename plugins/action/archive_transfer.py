# Copyright: (c) 2026, sandboxops contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The controller's side of ``archive_transfer``: cuts a file into pieces or lets a download go on, and says how far."""

from __future__ import annotations

import os
import time
from collections.abc import Mapping
from typing import Any

from ansible import constants
from ansible.errors import AnsibleFileNotFound
from ansible.plugins.action import ActionBase
from ansible.utils.display import Display
from ansible_collections.sandboxops.microsandbox.plugins.module_utils._core.errors import (
    MicrosandboxError,
    RequestError,
    StateError,
)
from ansible_collections.sandboxops.microsandbox.plugins.module_utils._core.urls import split_url
from ansible_collections.sandboxops.microsandbox.plugins.plugin_utils.source_file import (
    SourceFile,
    open_source,
    require_source,
    temporary_piece,
)
from ansible_collections.sandboxops.microsandbox.plugins.plugin_utils.transfer_progress import TransferProgress

display = Display()

_SLICE_SECONDS = 6.0
_FIRST_PIECE_BYTES = 8 << 20
_LEAST_PIECE_BYTES = 1 << 20
_PIECE_SECONDS = 3.0
_MOST_DROPPED = 8  # pieces that another run's came before

Result = dict[str, Any]


class ActionModule(ActionBase):  # type: ignore[misc]  # ansible-core ships no types
    """Runs the module of the same name, part by part."""

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
            result.update(self._run_task())
        except MicrosandboxError as exc:
            result.update(failed=True, msg=exc.message, error={"code": exc.code, "facts": exc.facts})
        except OSError as exc:
            path = os.fsdecode(exc.filename) if isinstance(exc.filename, (str, bytes)) else None
            message = f"{path or self._task.action} on the controller: {exc.strerror or exc}"
            result.update(failed=True, msg=message, error={"code": "os", "facts": {"errno": exc.errno, "path": path}})
        return result

    def _run_task(self) -> Result:
        arguments = dict(self._task.args)
        if arguments.get("part") is not None:
            raise RequestError("part is what this action asks the host for, a task has no use for it", option="part")
        if arguments.get("state", "present") != "present" or not (arguments.get("src") or arguments.get("url")):
            return self._finish(self._execute(arguments), 0, 0)
        if arguments.get("url") and not arguments.get("src"):
            return self._download(_without_secrets(arguments))
        if arguments.get("url"):
            return self._execute(arguments)  # says that they exclude each other
        return self._send_file(arguments)

    def _execute(self, arguments: Result, **part: Any) -> Result:
        """Run the module once, and add up what it took."""
        module_args = {**arguments, "part": part} if part else dict(arguments)
        result: Result = self._execute_module(
            module_name=self._task.action, module_args=module_args, task_vars=self._variables
        )
        for name, seconds in (result.get("elapsed") or {}).items():
            self._elapsed[name] = round(self._elapsed.get(name, 0.0) + seconds, 4)
        for name, count in (result.get("bytes") or {}).items():
            self._bytes[name] = self._bytes.get(name, 0) + count
        self._first = self._first or result
        return result

    def _finish(self, result: Result, received: int, resumed: int) -> Result:
        """Make the last part's result that of the task."""
        finished = dict(result)
        finished.pop("transfer", None)
        if "invocation" in finished:
            finished["invocation"]["module_args"].pop("part", None)
        finished["elapsed"] = {**self._elapsed, "total": round(time.monotonic() - self._began, 4)}
        if result.get("failed"):
            return finished
        # The plan is that of the first part; the later ones saw what it had begun.
        finished.update({key: self._first[key] for key in ("steps", "diff", "changed") if key in self._first})
        finished["bytes"] = {"received": received, "resumed": resumed, **self._bytes}
        return finished

    def _progress(self, what: str, total_bytes: int | None) -> TransferProgress:
        shown = "archive" if self._task.no_log else f"archive {what}"
        host = self._variables.get("inventory_hostname", "host")
        return TransferProgress(lambda line: display.display(f"[{host}] {line}"), shown, total_bytes)

    def _download(self, arguments: Result) -> Result:
        """Let the host receive from a server, a few seconds at a time, until it has all."""
        course: Result = {}
        name = os.path.basename(str(arguments["dest"]))
        with self._progress(name, None) as progress:
            while True:
                going_on = {"course": course, "is_planned": True} if course else {}
                result = self._execute(arguments, do="receive", slice_seconds=_SLICE_SECONDS, **going_on)
                transfer = result.get("transfer") or {}
                course = transfer.get("course") or {}
                if result.get("failed") or transfer.get("is_done"):
                    return self._finish(result, course.get("received_bytes", 0), course.get("resumed_bytes", 0))
                progress.total_bytes = course.get("total_bytes")
                progress.moved(transfer["have_bytes"])

    def _send_file(self, arguments: Result) -> Result:
        """Send a file of the controller."""
        named = str(arguments["src"])
        try:
            path = self._find_needle("files", named)
        except AnsibleFileNotFound:
            if not self._task.check_mode:
                raise StateError(f"there is no file {named} on the controller", path=named) from None
            display.warning(f"there is no {named} yet; without it this task fails outside check mode")
            return self._finish(self._execute(arguments, do="probe", source=named), 0, 0)
        with open_source(path, constants.DEFAULT_LOCAL_TMP) as source:
            arguments = {**arguments, "src": path}
            if arguments.get("size_bytes") is None:
                arguments["size_bytes"] = source.size
            probed = self._execute(arguments, do="probe", source=path)
            if probed.get("failed") or not any(map(_is_bringing, probed["steps"])):
                return self._finish(probed, 0, 0)
            require_source(source, str(arguments["checksum"]), int(arguments["size_bytes"]))
            if self._task.check_mode:
                return self._finish(probed, 0, 0)
            return self._send(arguments, source, probed["transfer"])

    def _send(self, arguments: Result, source: SourceFile, have: Result) -> Result:
        """Send pieces until the host has all, beginning behind what it has already."""
        resumed = have["have_bytes"]
        is_anew = bool(resumed) and source.prefix_digest(resumed) != have["have_digest"]
        resumed = 0 if is_anew else resumed
        offset, sent, dropped = resumed, 0, 0
        most_bytes = max(int(arguments.get("piece_bytes") or 64 << 20), 1)
        piece_bytes = min(_FIRST_PIECE_BYTES, most_bytes)
        with (
            self._progress(os.path.basename(source.path), source.size) as progress,
            temporary_piece(constants.DEFAULT_LOCAL_TMP) as (piece_fd, piece_path),
        ):
            progress.moved(offset)
            while True:
                began = time.monotonic()
                length = min(piece_bytes, source.size - offset)
                is_all = length == source.size
                if not is_all:
                    source.cut(offset, length, piece_fd)
                piece = self._put(source.path if is_all else piece_path)
                result = self._execute(
                    arguments, do="append", piece=piece, offset=offset, source=source.path, is_anew=is_anew
                )
                is_anew = False
                transfer = result.get("transfer") or {}
                if result.get("failed"):
                    return self._finish(result, sent, resumed)
                sent += length
                if transfer["is_done"]:
                    return self._finish(result, sent, resumed)
                dropped = dropped + 1 if transfer["have_bytes"] != offset + length else 0
                if dropped > _MOST_DROPPED:
                    raise StateError("another run keeps changing what this one has sent", path=arguments["dest"])
                offset = transfer["have_bytes"]
                progress.moved(offset)
                piece_bytes = _next_piece_bytes(length, time.monotonic() - began, most_bytes)

    def _put(self, path: str) -> str:
        """Put a file into the task's temporary directory on the host, for the module's user to read."""
        shell = self._connection._shell
        if shell.tmpdir is None:
            self._make_tmp_path()
        piece: str = shell.join_path(shell.tmpdir, "piece")
        self._transfer_file(path, piece)
        if self._is_become_unprivileged():
            self._fixup_perms2((shell.tmpdir, piece))
        return piece


def _is_bringing(step: str) -> bool:
    return step.startswith("bring ")


def _without_secrets(arguments: Result) -> Result:
    """Move the secrets of a URL into options that are not logged."""
    split = split_url(str(arguments["url"]), "url")
    moved = {"url_query": split.query or None, "url_username": split.username, "url_password": split.password}
    for name, value in moved.items():
        if value is not None and arguments.get(name) is not None:
            raise RequestError(f"{name} and url both have the same, one of them is enough", option=name)
    return {**arguments, "url": split.bare, **{name: value for name, value in moved.items() if value is not None}}


def _next_piece_bytes(length: int, seconds: float, most_bytes: int) -> int:
    """Return the size of a piece that takes a few seconds, but no more than four times the last one."""
    fitting = int(length * _PIECE_SECONDS / max(seconds, 0.001))
    return max(1, min(most_bytes, max(min(fitting, length * 4), _LEAST_PIECE_BYTES)))
