# Copyright: (c) 2026, sandboxops contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The controller's side of ``archive_transfer``: cuts a file into pieces or lets a download go on, and says how far."""

from __future__ import annotations

import os
import time
from typing import Any

from ansible import constants
from ansible.errors import AnsibleFileNotFound
from ansible.utils.display import Display
from ansible_collections.sandboxops.microsandbox.plugins.module_utils._core.errors import RequestError, StateError
from ansible_collections.sandboxops.microsandbox.plugins.module_utils._core.urls import split_url
from ansible_collections.sandboxops.microsandbox.plugins.plugin_utils.long_task import LongTaskAction
from ansible_collections.sandboxops.microsandbox.plugins.plugin_utils.source_file import (
    SourceFile,
    open_source,
    require_source,
    temporary_piece,
)
from ansible_collections.sandboxops.microsandbox.plugins.plugin_utils.transfer_action import (
    FIRST_PIECE_BYTES,
    TransferAction,
    next_piece_bytes,
)

_SLICE_SECONDS = 6.0
_MOST_DROPPED = 8  # pieces that another run's came before

Result = dict[str, Any]


class _Reception(LongTaskAction):
    """One run of the module that takes as long as a server needs to send all."""

    def result_of(self, module_args: Result, task_vars: Result) -> Result:
        """Run the module, and print how far it is."""
        self._module_args = module_args
        interval = self._interval(task_vars)
        return self._run_watched(interval, task_vars) if interval else self._execute_module(task_vars=task_vars)

    def _execute_module(self, *, task_vars: Result) -> Result:
        result: Result = super()._execute_module(module_args=self._module_args, task_vars=task_vars)
        return result

    def _subject(self) -> str:
        name = os.path.basename(str(self._module_args["dest"]))
        return super()._subject() if self._task.no_log else f"archive {name}"


class ActionModule(TransferAction):
    """Runs the module of the same name, part by part."""

    def carry_out(self, arguments: Result) -> Result:
        """Carry out the task and return its result."""
        if arguments.get("url"):
            arguments = _without_secrets(arguments)
        sources = [name for name in ("src", "url") if arguments.get(name)]
        if arguments.get("state", "present") != "present" or len(sources) != 1:
            return self.finish(self.execute(arguments), 0, 0)
        return self._send_file(arguments) if sources == ["src"] else self._download(arguments)

    def _download(self, arguments: Result) -> Result:
        """Let the host receive from a server, a few seconds at a time, until it has all or the server starts over."""
        course: Result = {}
        with self.progress(os.path.basename(str(arguments.get("dest"))), None) as progress:
            while not course.get("starts_over"):
                going_on = {"course": course, "is_planned": True} if course else {}
                result = self.execute(arguments, do="receive", slice_seconds=_SLICE_SECONDS, **going_on)
                transfer = result.get("transfer") or {}
                course = transfer.get("course") or {}
                if result.get("failed") or transfer.get("is_done"):
                    return self._finish_download(result)
                progress.total_bytes = course.get("total_bytes")
                progress.began_with(course.get("resumed_bytes", 0))
                progress.moved(transfer["have_bytes"])
        return self._finish_download(self._receive_in_one_go(arguments, course))

    def _receive_in_one_go(self, arguments: Result, course: Result) -> Result:
        """Let the host receive all from a server that would start over after each pause."""
        part = {"do": "receive", "course": course, "is_planned": True}
        reception = _Reception(
            self._task, self._connection, self._play_context, self._loader, self._templar, self._shared_loader_obj
        )
        return self.add(reception.result_of({**arguments, "part": part}, self._variables))

    def _finish_download(self, result: Result) -> Result:
        course = (result.get("transfer") or {}).get("course") or {}
        return self.finish(result, course.get("received_bytes", 0), course.get("resumed_bytes", 0))

    def _send_file(self, arguments: Result) -> Result:
        """Send a file of the controller."""
        named = str(arguments["src"])
        try:
            path = self._find_needle("files", named)
        except AnsibleFileNotFound:
            if not self._task.check_mode:
                raise StateError(f"there is no file {named} on the controller", path=named) from None
            Display().warning(f"there is no {named} yet; without it this task fails outside check mode")
            return self.finish(self.execute(arguments, do="probe", source=named), 0, 0)
        with open_source(path, constants.DEFAULT_LOCAL_TMP) as source:
            arguments = {**arguments, "src": path}
            if arguments.get("size_bytes") is None:
                arguments["size_bytes"] = source.size
            probed = self.execute(arguments, do="probe", source=path)
            if probed.get("failed") or not any(step.startswith("bring ") for step in probed["steps"]):
                return self.finish(probed, 0, 0)
            require_source(source, str(arguments["checksum"]), int(arguments["size_bytes"]))
            if self._task.check_mode:
                return self.finish(probed, 0, 0)
            return self._send(arguments, source, probed["transfer"])

    def _send(self, arguments: Result, source: SourceFile, have: Result) -> Result:
        """Send pieces until the host has all, beginning behind what it has already."""
        resumed = have["have_bytes"]
        is_anew = bool(resumed) and source.prefix_digest(resumed) != have["have_digest"]
        resumed = 0 if is_anew else resumed
        offset, sent, dropped = resumed, 0, 0
        length = min(FIRST_PIECE_BYTES, self.most_piece_bytes)
        name = os.path.basename(source.path)
        with self.progress(name, source.size) as progress, temporary_piece(constants.DEFAULT_LOCAL_TMP) as own:
            while True:
                progress.moved(offset)
                length = min(length, source.size - offset)
                taken_up = time.monotonic()
                piece_path = source.piece(offset, length, own)
                began = time.monotonic()
                piece = self._put(piece_path)
                moving_seconds = time.monotonic() - began
                result = self.execute(
                    arguments, do="append", piece=piece, offset=offset, source=source.path, is_anew=is_anew
                )
                is_anew = False
                if result.get("failed"):
                    return self.finish(result, sent, resumed)
                sent += length
                if result["transfer"]["is_done"]:
                    return self.finish(result, sent, resumed)
                dropped = 0 if result["transfer"]["have_bytes"] == offset + length else dropped + 1
                if dropped > _MOST_DROPPED:
                    raise StateError("another run keeps changing what this one has sent", path=arguments["dest"])
                offset = result["transfer"]["have_bytes"]
                other_seconds = time.monotonic() - taken_up - moving_seconds
                length = next_piece_bytes(length, moving_seconds, other_seconds, self.most_piece_bytes)

    def _put(self, path: str) -> str:
        """Put a file into the task's temporary directory on the host, for the module's user to read."""
        piece = self.remote_piece()
        self._transfer_file(path, piece)
        if self._is_become_unprivileged():
            self._fixup_perms2((self._connection._shell.tmpdir, piece))
        return piece


def _without_secrets(arguments: Result) -> Result:
    """Move the secrets of a URL into options that are not logged."""
    split = split_url(str(arguments["url"]), "url")
    moved = {"url_query": split.query or None, "url_username": split.username, "url_password": split.password}
    for name, value in moved.items():
        if value is not None and arguments.get(name) is not None:
            raise RequestError(f"{name} and url both have the same, one of them is enough", option=name)
    return {**arguments, "url": split.bare, **{name: value for name, value in moved.items() if value is not None}}
