# Copyright: (c) 2026, sandboxops contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The one way in and out of a module: parameters to a task, an outcome or an error to Ansible's result."""

from __future__ import annotations

import os
import time
from collections.abc import Mapping
from typing import Any, Callable

from ansible.module_utils.basic import AnsibleModule

from .._core.errors import MicrosandboxError
from .job import detach_if_asked
from .job_reporter import reporting
from .task import Outcome, Task


def run_module(argument_spec: Mapping[str, Any], work: Callable[[Task], Outcome], **constraints: Any) -> None:
    """Run a module and end the process with its result.

    When the action plugin asks for it, the task goes on in a process of its own once it takes long.

    Args:
        argument_spec: Ansible's argument spec.
        work: Observes, plans and, outside check mode, applies.
        constraints: ``mutually_exclusive`` and the like.
    """
    # A umask that takes from the owner would lock an ordinary user out of the directories made here.
    os.umask(os.umask(0o077) & 0o077)
    job = detach_if_asked()
    module = AnsibleModule(argument_spec=dict(argument_spec), supports_check_mode=True, **constraints)
    task = Task(params=module.params, check_mode=module.check_mode, now_ns=time.time_ns())
    try:
        with reporting(job, task.traffic.meter), task.phase("total"):
            outcome = work(task)
    except MicrosandboxError as exc:
        module.fail_json(msg=exc.message, error={"code": exc.code, "facts": exc.facts}, elapsed=task.elapsed)
    except OSError as exc:
        # A call on a descriptor leaves its number there.
        path = os.fsdecode(exc.filename) if isinstance(exc.filename, (str, bytes)) else None
        facts = {"errno": exc.errno, "path": path}
        where = f"{path}: " if path else ""
        module.fail_json(
            msg=f"{where}{exc.strerror or exc}", error={"code": "os", "facts": facts}, elapsed=task.elapsed
        )
    plan = outcome.plan
    for warning in (*plan.warnings, *task.warnings):
        module.warn(warning)
    module.exit_json(
        changed=bool(plan.steps),
        steps=[str(step) for step in plan.steps],
        diff={"before": dict(plan.before), "after": dict(plan.after)},
        elapsed=task.elapsed,
        bytes=task.traffic.counts,
        **outcome.results,
    )
