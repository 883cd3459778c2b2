# Copyright: (c) 2026, sandboxops contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Saying what a host has and lacks: the task of module ``host_info``."""

from __future__ import annotations

import grp
import pwd
from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

from .._core.errors import StateError
from .._disk import zstd
from .._observe.home import Home
from .._observe.host import Directory, Host, group_name, observe_directory, observe_host, user_name
from .._plan.host import (
    Problem,
    WantedOwner,
    directory_problems,
    repairable_directories,
    ways_to_zstd,
    zstd_problem,
)
from .results import place_result
from .task import Task


def inspect_host(task: Task, home: Home) -> dict[str, Any]:
    """Return what the host has, what it lacks, and what would bring that.

    Raises:
        RequestError: One of the further directories is none that can be meant.
        StateError: The host does not know the user or the group.
    """
    with task.phase("observe"):
        host = observe_host()
        paths = [home.path, home.snapshots_dir, home.cache_dir, *task.absolute_paths("directories")]
        directories = [observe_directory(path) for path in dict.fromkeys(paths)]
    owner = _wanted_owner(task, directories[0])
    problems = {directory.path: directory_problems(directory, owner) for directory in directories}
    backend = zstd.backend()
    lacks_zstd = zstd_problem(host, backend)
    missing = [problem for found in problems.values() for problem in found]
    missing += [lacks_zstd] if lacks_zstd is not None else []
    facts = place_result(home)
    return {
        "host": _host_result(host, directories, facts),
        "missing": [asdict(problem) for problem in missing],
        "repairs": {
            "directories": [
                # Only root gives directories away.
                {"path": found.path, **({"owner": owner.user, "group": owner.group} if host.is_root else {})}
                for found in repairable_directories(directories, problems, host)
            ],
            "zstd": [asdict(way) for way in ways_to_zstd(host)] if lacks_zstd is not None else [],
        },
        "summary": _summary(host, facts, missing),
        "check_mode": task.check_mode,
    }


def _wanted_owner(task: Task, home: Directory) -> WantedOwner:
    """Return whose the directories are to be; without a word on it, the home's owner or who would make it.

    Raises:
        StateError: The host does not know the user or the group.
    """
    user, group = task.params["owner"], task.params["group"]
    try:
        uid = home.uid if user is None else int(user) if user.isdecimal() else pwd.getpwnam(user).pw_uid
    except KeyError as exc:
        raise StateError(f"there is no user {user} on this host", owner=user) from exc
    try:
        gid = None if group is None else int(group) if group.isdecimal() else grp.getgrnam(group).gr_gid
    except KeyError as exc:
        raise StateError(f"there is no group {group} on this host", group=group) from exc
    return WantedOwner(uid, gid, user_name(uid), None if gid is None else group_name(gid))


def _host_result(host: Host, directories: Sequence[Directory], facts: dict[str, Any]) -> dict[str, Any]:
    return {
        "python": {
            "executable": host.python.executable,
            "version": host.python.version,
            "virtual": host.python.is_virtual,
            "externally_managed": host.python.is_externally_managed,
            "pip": host.python.has_pip,
        },
        "user": host.user,
        "package_manager": host.package_manager,
        "directories": [
            {
                "path": found.path,
                "kind": found.kind,
                "owner": user_name(found.uid),
                "group": group_name(found.gid),
                "mode": None if found.mode is None else f"{found.mode:04o}",
                "foreign": list(found.foreign),
            }
            for found in directories
        ],
        **facts,
    }


def _summary(host: Host, facts: dict[str, Any], missing: Sequence[Problem]) -> str:
    words = {True: "yes", False: "no", None: "unknown"}
    return (
        f"Python {host.python.version}, zstd: {facts['zstd'] or 'none'}, {facts['free_bytes'] / (1 << 30):.1f} GiB free"
        f" on {facts['filesystem'] or 'an unknown file system'}, holes: {words[facts['supports_holes']]}, reflink:"
        f" {words[facts['supports_reflink']]}, missing: {'; '.join(map(str, missing)) or 'nothing'}"
    )
