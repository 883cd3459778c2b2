# Copyright: (c) 2026, sandboxops contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""One run of a module's work, without Ansible around it."""

from __future__ import annotations

import importlib
import os
from collections.abc import Mapping
from typing import Any

import checkout  # noqa: F401  pylint: disable=unused-import  # makes the collection importable

_COLLECTION = "ansible_collections.sandboxops.microsandbox.plugins"


def run_operation(module: str, parameters: Mapping[str, Any], now_ns: int) -> dict[str, Any]:
    """Run a module's work as Ansible's entry does, and return what counts of its result.

    Args:
        module: The module's name.
        parameters: Options; the others have their defaults.
        now_ns: What the task takes for the current time, so that the same run gives the same bytes.
    """
    errors = importlib.import_module(f"{_COLLECTION}.module_utils._core.errors")
    task_module = importlib.import_module(f"{_COLLECTION}.module_utils._ansible.task")
    code = importlib.import_module(f"{_COLLECTION}.modules.{module}")
    params = {name: option.get("default") for name, option in code.ARGUMENT_SPEC.items()} | dict(parameters)
    task = task_module.Task(params=params, check_mode=False, now_ns=now_ns)
    try:
        outcome = code.work(task)
    except errors.MicrosandboxError as exc:
        return {"failed": True, "code": exc.code, "msg": exc.message}
    except OSError as exc:
        where = "" if exc.filename is None else f"{os.fsdecode(exc.filename)}: "
        return {"failed": True, "code": "os", "msg": f"{where}{exc.strerror or exc}"}
    return {
        "failed": False,
        "changed": bool(outcome.plan.steps),
        "warnings": [*outcome.plan.warnings, *task.warnings],
        "results": outcome.results,
    }
