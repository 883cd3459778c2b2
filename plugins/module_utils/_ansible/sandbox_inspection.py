# Copyright: (c) 2026, sandboxops contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Saying which sandboxes a home has and which of them can be captured: the task of module ``sandbox_info``."""

from __future__ import annotations

import os
from typing import Any

from .._core.errors import MicrosandboxError
from .._observe.home import Home
from .._observe.sandbox import Sandbox, is_busy, list_sandbox_names, observe_sandbox, require_capturable
from .task import Task


def inspect_sandboxes(task: Task, home: Home) -> dict[str, Any]:
    """Return the sandboxes that the task asks for, and the names that the home does not know."""
    with task.phase("observe"):
        known = list_sandbox_names(home)
        wanted = known if task.params["names"] is None else tuple(dict.fromkeys(task.params["names"]))
        sandboxes = [_sandbox_result(home, name) for name in wanted if name in known]
    missing = [name for name in wanted if name not in known]
    return {"sandboxes": sandboxes, "missing": missing, "check_mode": task.check_mode}


def _sandbox_result(home: Home, name: str) -> dict[str, Any]:
    """Return a sandbox; what keeps it from being read is a result like another."""
    try:
        sandbox = observe_sandbox(home, name)
    except (MicrosandboxError, OSError) as exc:
        obstacle = _told(exc)
        return {"name": name, "status": None, "busy": None, "image": None, "upper": None, "obstacle": obstacle}
    config = sandbox.config
    return {
        "name": name,
        "status": sandbox.status,
        "busy": is_busy(sandbox),
        "image": {"reference": config.image_reference, "manifest_digest": config.image_manifest_digest},
        "upper": _upper_result(sandbox),
        "obstacle": _obstacle(sandbox),
    }


def _upper_result(sandbox: Sandbox) -> dict[str, Any] | None:
    try:
        found = os.lstat(sandbox.upper)
    except OSError:
        # What keeps it from being captured says why.
        return None
    return {"path": sandbox.upper, "apparent_bytes": found.st_size, "allocated_bytes": found.st_blocks * 512}


def _obstacle(sandbox: Sandbox) -> dict[str, str] | None:
    try:
        require_capturable(sandbox)
    except (MicrosandboxError, OSError) as exc:
        return _told(exc)
    return None


def _told(exc: MicrosandboxError | OSError) -> dict[str, str]:
    """Return an error as a result; one of the disk is that of this sandbox alone."""
    if isinstance(exc, MicrosandboxError):
        return {"code": exc.code, "reason": exc.message}
    return {"code": "os", "reason": f"{exc.filename}: {exc.strerror}"}
