# Copyright: (c) 2026, sandboxops contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A file that is to be on the host: the task of module ``archive_transfer``.

The action plugin of the same name runs it as often as needed, each time with the part that it is to do. What it returns
in ``transfer`` is for the action plugin alone.
"""

from __future__ import annotations

import contextlib
import dataclasses
import os
from collections.abc import Iterator
from typing import Any

from .._apply.download import Course, Demand, OpenAt, apply_download
from .._apply.placed_file import apply_piece, apply_removals
from .._core.digests import require_sha256
from .._core.errors import IntegrityError, RequestError
from .._core.urls import shown_url, split_url
from .._disk.directories import make_directories, remove_empty
from .._disk.partial_file import PartialFile, open_partial
from .._disk.partial_names import find_partials, partial_bytes, partial_name, sweep_partials
from .._disk.place import require_space
from .._observe.placed_file import PlacedFile, observe_placed_file
from .._plan.placed_file import PutFile, WantedFile, plan_absence, plan_file
from .._plan.plan import Plan
from .task import Outcome, Task
from .transfer_options import parse_mode, transfer_path

PROBE, APPEND, RECEIVE = "probe", "append", "receive"

_DIRECTORY_MODE = 0o700
_MOST_TIMEOUT = 86400  # seconds; a connection takes no infinite one


def transfer_file(task: Task) -> Outcome:
    """Carry out the task, or the part of it that the action plugin asks for."""
    path = transfer_path(task, "dest")
    if task.params["state"] == "absent":
        return _remove(task, path)
    wanted = _wanted(task, path)
    part = dict(task.params["part"] or {})
    do = part.get("do", RECEIVE)
    if do == APPEND:
        return _append(task, wanted, part)
    source = str(part["source"]) if do == PROBE else shown_url(_bare_url(task))
    plan = Plan((PutFile(wanted, source),)) if part.get("is_planned") else _plan(task, wanted, source)
    if not any(isinstance(step, PutFile) for step in plan.steps):
        if plan.steps and not task.check_mode:
            os.chmod(path, wanted.mode)
        return _outcome(wanted, plan, {"is_done": True})
    have_bytes = partial_bytes(os.path.dirname(path), partial_name(os.path.basename(path), wanted.checksum))
    if wanted.size_bytes is not None:
        _require_space(task, wanted, have_bytes)
    if task.check_mode:
        return _outcome(wanted, plan, {"is_done": True})
    if do == PROBE:
        return _outcome(wanted, plan, {"is_done": False, **_probed(task, wanted, have_bytes)})
    demand = Demand(
        wanted=wanted,
        source=source,
        needs_bytes=task.params["needs_bytes"],
        retries=task.params["retries"],
        slice_seconds=part.get("slice_seconds"),
    )
    return _receive(task, demand, plan, Course(**part.get("course", {})))


def _wanted(task: Task, path: str) -> WantedFile:
    params = task.params
    if params["checksum"] is None:
        raise RequestError("checksum is missing, without it nothing tells whether the file is the right one")
    for option in ("size_bytes", "needs_bytes", "retries"):
        if params[option] is not None and params[option] < 0:
            raise RequestError(f"{option} is {params[option]}, expected 0 or more", option=option)
    if not 0 < params["timeout"] <= _MOST_TIMEOUT:
        raise RequestError(
            f"timeout is {params['timeout']}, expected more than 0 and at most {_MOST_TIMEOUT} seconds",
            option="timeout",
        )
    checksum = require_sha256(params["checksum"], "checksum")
    return WantedFile(path, checksum, params["size_bytes"], parse_mode(params["mode"]))


def _bare_url(task: Task) -> str:
    """Return the URL, which has no secrets in it."""
    params = task.params
    if params["url"] is None:
        raise RequestError("src is a file on the controller, which this module gets only by its action plugin")
    split = split_url(params["url"], "url")
    if split.query or split.username is not None:
        raise RequestError("url has secrets, which belong into url_query, url_username and url_password")
    return split.bare


def _opener(task: Task) -> OpenAt:
    """Return what asks the server for the content."""
    # All that speaks HTTP takes a sixth of what it costs to add a piece, and most of what it costs to change nothing.
    from .http_source import HttpSource  # noqa: PLC0415

    params = task.params
    query = f"?{params['url_query']}" if params["url_query"] else ""
    return HttpSource(
        url=_bare_url(task) + query,
        username=params["url_username"],
        password=params["url_password"],
        headers={str(name): str(value) for name, value in (params["url_headers"] or {}).items()},
        validate_certs=params["validate_certs"],
        ca_path=params["ca_path"],
        timeout=params["timeout"],
    ).open_at


def _plan(task: Task, wanted: WantedFile, source: str) -> Plan:
    with task.phase("observe"):
        return plan_file(wanted, _observe(task, wanted), source)


def _observe(task: Task, wanted: WantedFile) -> PlacedFile | None:
    return observe_placed_file(wanted.path, wanted.size_bytes, task.traffic, is_read=task.params["verify"])


def _require_space(task: Task, wanted: WantedFile, have_bytes: int) -> None:
    """Check for room before the first byte, in check mode too."""
    directory = os.path.dirname(wanted.path)
    while not os.path.isdir(directory):
        directory = os.path.dirname(directory)
    fd = os.open(directory, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        require_space(fd, max(0, (wanted.size_bytes or 0) - have_bytes) + task.params["needs_bytes"])
    finally:
        os.close(fd)


@contextlib.contextmanager
def _opened(task: Task, wanted: WantedFile) -> Iterator[PartialFile]:
    """Hold the partial file of what is wanted, and clear away those of what was wanted before."""
    directory, target = os.path.split(wanted.path)
    name = partial_name(target, wanted.checksum)
    made = make_directories(directory, _DIRECTORY_MODE)
    try:
        with open_partial(directory, name, task.patience, task.traffic) as partial:
            sweep_partials(directory, [other for other in find_partials(directory, target) if other != name])
            try:
                yield partial
            except IntegrityError:
                partial.discard()
                raise
    finally:
        remove_empty(made)


def _is_there(task: Task, wanted: WantedFile, partial: PartialFile) -> bool:
    """Return whether another run has put the file into its place while this one waited for it."""
    if partial.size:
        return False
    found = _observe(task, wanted)
    return found is not None and found.digest == wanted.checksum


def _receive(task: Task, demand: Demand, plan: Plan, course: Course) -> Outcome:
    wanted = demand.wanted
    with task.phase("receive"), _opened(task, wanted) as partial:
        with task.traffic.meter.measure("receiving", course.total_bytes, lambda: partial.size):
            is_done = _is_there(task, wanted, partial) or apply_download(demand, course, partial, _opener(task))
        have_bytes = partial.size
    transfer = {"is_done": is_done, "have_bytes": have_bytes, "course": dataclasses.asdict(course)}
    size_bytes = (have_bytes or wanted.size_bytes) if is_done else course.total_bytes
    return _outcome(dataclasses.replace(wanted, size_bytes=size_bytes), plan, transfer)


def _probed(task: Task, wanted: WantedFile, have_bytes: int) -> dict[str, Any]:
    """Say how much of the file is there, and what it hashes to."""
    if not have_bytes:
        return {"have_bytes": 0, "have_digest": None}
    with _opened(task, wanted) as partial:
        if partial.size > (wanted.size_bytes or 0):
            partial.truncate()
        return {"have_bytes": partial.size, "have_digest": partial.digest()}


def _append(task: Task, wanted: WantedFile, part: dict[str, Any]) -> Outcome:
    """Add a piece that the action plugin has put onto the host."""
    plan = Plan((PutFile(wanted, str(part["source"])),))
    with task.phase("append"), _opened(task, wanted) as partial:
        if part.get("is_anew"):
            partial.truncate()
        is_done = _is_there(task, wanted, partial) or apply_piece(
            partial, wanted, str(part["piece"]), part["offset"], task.params["needs_bytes"]
        )
        have_bytes = partial.size
    return _outcome(wanted, plan, {"is_done": is_done, "have_bytes": have_bytes})


def _remove(task: Task, path: str) -> Outcome:
    plan = seen = _plan_absence(task, path)
    while not task.check_mode and not apply_removals(seen, task.patience):
        # A transfer that was waited for may have put the file into its place.
        seen = _plan_absence(task, path)
        paths = {*plan.before["paths"], *seen.before["paths"]}
        plan = plan_absence(path, path in paths, sorted(paths - {path}))
    return Outcome(plan, {"transfer": {"path": path}})


def _plan_absence(task: Task, path: str) -> Plan:
    directory, target = os.path.split(path)
    with task.phase("observe"):
        # In this order: what a transfer renames in between is seen once at least.
        partials = [os.path.join(directory, name) for name in find_partials(directory, target)]
        exists = observe_placed_file(path, -1, task.traffic) is not None
        return plan_absence(path, exists, partials)


def _outcome(wanted: WantedFile, plan: Plan, transfer: dict[str, Any]) -> Outcome:
    # A result with a path at its top gets what Ansible knows of the file, which check mode cannot predict.
    results: dict[str, Any] = {"checksum": wanted.checksum, "transfer": {"path": wanted.path, **transfer}}
    if wanted.size_bytes is not None:
        results["size_bytes"] = wanted.size_bytes
    return Outcome(plan, results)
