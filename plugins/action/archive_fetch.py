# Copyright: (c) 2026, sandboxops contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The controller's side of ``archive_fetch``: takes pieces from the host and puts the file together."""

from __future__ import annotations

import os
import time
from typing import Any

from ansible import constants
from ansible.module_utils.parsing.convert_bool import boolean
from ansible_collections.sandboxops.microsandbox.plugins.module_utils._ansible.transfer_options import parse_mode
from ansible_collections.sandboxops.microsandbox.plugins.module_utils._core.digests import require_sha256
from ansible_collections.sandboxops.microsandbox.plugins.module_utils._core.errors import (
    IntegrityError,
    RequestError,
)
from ansible_collections.sandboxops.microsandbox.plugins.module_utils._disk.directories import (
    make_directories,
    remove_empty,
)
from ansible_collections.sandboxops.microsandbox.plugins.module_utils._disk.partial_file import (
    PartialFile,
    open_partial,
)
from ansible_collections.sandboxops.microsandbox.plugins.module_utils._disk.partial_names import (
    find_partials,
    partial_bytes,
    partial_name,
    sweep_partials,
)
from ansible_collections.sandboxops.microsandbox.plugins.module_utils._disk.place import require_space_below
from ansible_collections.sandboxops.microsandbox.plugins.module_utils._disk.sparse_file import Traffic
from ansible_collections.sandboxops.microsandbox.plugins.module_utils._observe.placed_file import observe_placed_file
from ansible_collections.sandboxops.microsandbox.plugins.module_utils._plan.placed_file import (
    PutFile,
    SetMode,
    WantedFile,
    plan_file,
)
from ansible_collections.sandboxops.microsandbox.plugins.module_utils._plan.plan import Plan
from ansible_collections.sandboxops.microsandbox.plugins.plugin_utils.fetched_part import (
    append_piece,
    parse_inline_piece,
    parse_probe,
    prefix_digest,
)
from ansible_collections.sandboxops.microsandbox.plugins.plugin_utils.source_file import temporary_piece
from ansible_collections.sandboxops.microsandbox.plugins.plugin_utils.transfer_action import (
    FIRST_PIECE_BYTES,
    TransferAction,
    next_piece_bytes,
)

_INLINE_PIECE_BYTES = 4 << 20
_PATIENCE_SECONDS = 60.0

Result = dict[str, Any]


class ActionModule(TransferAction):
    """Runs the module of the same name, part by part."""

    def carry_out(self, arguments: Result) -> Result:
        """Carry out the task and return its result."""
        dest = self._dest(arguments)
        mode = parse_mode(arguments.get("mode") if arguments.get("mode") is not None else "0600")
        checksum = None
        if arguments.get("checksum") is not None:
            checksum = require_sha256(str(arguments["checksum"]), "checksum")
            plan = self._plan(arguments, WantedFile(dest, checksum, None, mode), str(arguments.get("src")))
            if not plan.steps:
                # What is here is what is wanted, whether or not the host still has it.
                result = {"dest": dest, "checksum": checksum, "size_bytes": os.path.getsize(dest), "changed": False}
                return self.finish({**result, **_shown(plan)}, 0, 0)
        probed = self.execute(arguments, do="probe")
        if probed.get("failed"):
            return self.finish(probed, 0, 0)
        found = parse_probe(probed)
        wanted = WantedFile(dest, checksum or found.checksum, found.size_bytes, mode)
        plan = self._plan(arguments, wanted, str(probed.get("src", arguments["src"])))
        # The plan is made here, and the module's own says nothing.
        self._first = _shown(plan)
        received = resumed = 0
        for step in plan.steps:
            if self._task.check_mode:
                if isinstance(step, PutFile):
                    _require_room(wanted)
            elif isinstance(step, SetMode):
                os.chmod(step.path, step.mode)
            elif isinstance(step, PutFile):
                failed, received, resumed = self._fetch(arguments, wanted)
                if failed:
                    return self.finish(failed, received, resumed)
        return self.finish({**probed, "checksum": wanted.checksum, "dest": dest}, received, resumed)

    def _dest(self, arguments: Result) -> str:
        """Return the path on the controller; a relative one begins at the playbook."""
        text = str(arguments.get("dest") or "")
        path = os.path.normpath(str(self._loader.path_dwim(text))) if text else "/"
        if path == "/" or text.endswith("/"):
            raise RequestError(f"dest is {text!r}, expected the path of a file", option="dest", value=text)
        return path

    def _plan(self, arguments: Result, wanted: WantedFile, source: str) -> Plan:
        host = self._variables.get("inventory_hostname", "the host")
        found = observe_placed_file(wanted.path, wanted.size_bytes, Traffic(), is_read=_is_to_verify(arguments))
        return plan_file(wanted, found, f"{host}:{source}")

    def _fetch(self, arguments: Result, wanted: WantedFile) -> tuple[Result, int, int]:
        """Fetch the file, and return a failed part if one has failed, and how many bytes came and were there."""
        directory, target = os.path.split(wanted.path)
        name = partial_name(target, wanted.checksum)
        made = make_directories(directory)
        try:
            with open_partial(directory, name, _PATIENCE_SECONDS, Traffic()) as partial:
                sweep_partials(directory, [other for other in find_partials(directory, target) if other != name])
                failed = self._resume(arguments, partial, wanted)
                resumed = partial.size
                failed = failed or self._take_pieces(arguments, partial, wanted)
                if not failed:
                    _place(partial, wanted, str(arguments["src"]))
                return failed, partial.size - resumed, resumed
        finally:
            remove_empty(made)

    def _resume(self, arguments: Result, partial: PartialFile, wanted: WantedFile) -> Result:
        """Keep what is there when the file on the host begins with it, and return the part that failed, if one has."""
        if partial.size > (wanted.size_bytes or 0):
            partial.truncate()
        if not partial.size:
            return {}
        asked = self.execute(arguments, do="prefix", length=partial.size)
        if asked.get("failed"):
            return asked
        if prefix_digest(asked) != partial.digest():
            partial.truncate()
        return {}

    def _take_pieces(self, arguments: Result, partial: PartialFile, wanted: WantedFile) -> Result:
        """Take piece after piece, and return the part that failed, if one has."""
        size_bytes = wanted.size_bytes or 0
        partial.require_space(size_bytes - partial.size)
        remote, is_made = self._piece_to_write()
        most_bytes = min(self.most_piece_bytes, size_bytes if remote else _INLINE_PIECE_BYTES)
        length = min(FIRST_PIECE_BYTES, most_bytes)
        name = os.path.basename(wanted.path)
        with self.progress(name, size_bytes) as progress, temporary_piece(constants.DEFAULT_LOCAL_TMP) as own:
            while partial.size < size_bytes:
                progress.moved(partial.size)
                length = min(length, size_bytes - partial.size)
                taken_up = time.monotonic()
                result = self.execute(
                    arguments, do="cut", offset=partial.size, length=length, to=remote, is_made=is_made
                )
                if result.get("failed"):
                    return result
                began = time.monotonic()
                if remote is None:
                    partial.append(parse_inline_piece(result, length))
                else:
                    self._connection.fetch_file(remote, own.path)
                    append_piece(own, length, partial)
                now = time.monotonic()
                length = next_piece_bytes(length, now - began, began - taken_up, most_bytes)
        return {}

    def _piece_to_write(self) -> tuple[str | None, bool]:
        """Return where on the host a piece may be written so that only the connection's user can read it.

        Returns:
            The path, or None where there is no such place, and whether the file is there already.
        """
        if not self._is_become_unprivileged():
            return self.remote_piece(), False
        piece = self.remote_piece()
        with temporary_piece(constants.DEFAULT_LOCAL_TMP) as empty:
            self._transfer_file(empty.path, piece)
        user = self.get_become_option("become_user")
        self._remote_chmod([piece], "0600")
        if self._remote_set_user_facl([piece], user, "rw")["rc"] == 0 or self._remote_chown([piece], user)["rc"] == 0:
            self._fixup_perms2((self._connection._shell.tmpdir,))
            return piece, True
        return None, False


def _is_to_verify(arguments: Result) -> bool:
    """Return whether a file that is there is read whatever is recorded of it.

    Raises:
        RequestError: The option is neither true nor false.
    """
    value = arguments.get("verify")
    try:
        return value is not None and boolean(value)
    except TypeError:
        raise RequestError(f"verify is {value!r}, expected true or false", option="verify") from None


def _require_room(wanted: WantedFile) -> None:
    """Check for room, as a run does before the first byte.

    Raises:
        StateError: There is not enough.
    """
    directory, target = os.path.split(wanted.path)
    size_bytes = wanted.size_bytes or 0
    have_bytes = partial_bytes(directory, partial_name(target, wanted.checksum))
    # More than all of it is none of it.
    require_space_below(directory, size_bytes - have_bytes if have_bytes <= size_bytes else size_bytes)


def _place(partial: PartialFile, wanted: WantedFile, source: str) -> None:
    """Put the file into its place if it is the wanted one.

    Raises:
        IntegrityError: It is another one; nothing of it stays.
    """
    digest = partial.digest()
    if digest != wanted.checksum:
        partial.discard()
        raise IntegrityError(
            f"{source} has the checksum {digest}, wanted {wanted.checksum}",
            path=source,
            expected=wanted.checksum,
            actual=digest,
        )
    partial.place(os.path.basename(wanted.path), wanted.mode, digest)


def _shown(plan: Plan) -> Result:
    """Return the plan as a task's result shows it."""
    return {
        "changed": bool(plan.steps),
        "steps": [str(step) for step in plan.steps],
        "diff": {"before": dict(plan.before), "after": dict(plan.after)},
    }
