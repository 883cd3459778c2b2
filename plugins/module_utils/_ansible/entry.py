# Copyright: (c) 2026, sandboxops contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The one way in and out of a module: parameters to a task, an outcome or an error to Ansible's result."""

from __future__ import annotations

import contextlib
import os
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any, Callable

from ansible.module_utils.basic import AnsibleModule

from .._apply.index import keep_index
from .._core.errors import MicrosandboxError, RequestError, StateError
from .._core.timestamps import index_text_from_ns
from .._disk.locking import locked_directory
from .._disk.sparse_file import Traffic
from .._disk.staging import sweep
from .._observe.artifact import Artifact
from .._observe.home import Home, observe_home
from .._plan.plan import Plan


@dataclass
class Task:
    """One run of a module.

    Attributes:
        params: The module's parameters, checked by its argument spec.
        check_mode: Whether nothing may be changed.
        now_ns: When the task began, nanoseconds since the epoch.
        traffic: What the task moves, in bytes.
        warnings: What the user should know.
        elapsed: Seconds per phase.
    """

    params: Mapping[str, Any]
    check_mode: bool
    now_ns: int
    traffic: Traffic = field(default_factory=Traffic)
    warnings: list[str] = field(default_factory=list)
    elapsed: dict[str, float] = field(default_factory=dict)

    @property
    def now_text(self) -> str:
        """Return when the task began in the form of the database."""
        return index_text_from_ns(self.now_ns)

    @property
    def patience(self) -> float:
        """Return how long to wait for locks, in seconds."""
        return float(self.params["lock_timeout"])

    @contextlib.contextmanager
    def phase(self, name: str) -> Iterator[None]:
        """Time a phase of the task."""
        began = time.monotonic()
        try:
            yield
        finally:
            self.elapsed[name] = round(self.elapsed.get(name, 0.0) + time.monotonic() - began, 4)

    def observe_home(self) -> Home:
        """Find the home that the task works on."""
        params = self.params
        return observe_home(params["home"], params["snapshots_dir"], params["cache_dir"], os.environ)

    @contextlib.contextmanager
    def locked(self, directory: str, create: bool = False) -> Iterator[None]:
        """Hold the lock of a directory of artifacts or archives, and clear away what dead runs left in it.

        Check mode changes nothing and so locks nothing.
        """
        if self.check_mode:
            yield
            return
        with contextlib.ExitStack() as stack:
            with self.phase("lock"):
                stack.enter_context(locked_directory(directory, self.patience, create))
                sweep(directory)
            yield

    def index_new(self, home: Home, artifacts: Sequence[Artifact]) -> None:
        """Index artifacts that this task has made; they are whole without it, so a busy database is no failure."""
        try:
            keep_index(home.database, artifacts, self.now_text, self.patience)
        except StateError as exc:
            self.warnings.append(f"{exc.message}: the index is left as it is, the next run brings it up to date")

    def absolute_path(self, option: str) -> str:
        """Return a path option, absolute and normalised.

        Raises:
            RequestError: It names the root directory, or one that the task's working directory would decide.
        """
        text = str(self.params[option])
        if not os.path.isabs(text) or os.path.normpath(text) == "/":
            raise RequestError(f"{option} is {text}, expected an absolute path below /", option=option, value=text)
        return os.path.normpath(text)


@dataclass(frozen=True)
class Outcome:
    """What a task did, or in check mode would do.

    Attributes:
        plan: The decision; its steps say whether the task changes anything.
        results: Values of the module's own.
    """

    plan: Plan
    results: Mapping[str, Any]


def run_module(argument_spec: Mapping[str, Any], work: Callable[[Task], Outcome], **constraints: Any) -> None:
    """Run a module and end the process with its result.

    Args:
        argument_spec: Ansible's argument spec.
        work: Observes, plans and, outside check mode, applies.
        constraints: ``mutually_exclusive`` and the like.
    """
    module = AnsibleModule(argument_spec=dict(argument_spec), supports_check_mode=True, **constraints)
    task = Task(params=module.params, check_mode=module.check_mode, now_ns=time.time_ns())
    try:
        with task.phase("total"):
            outcome = work(task)
    except MicrosandboxError as exc:
        module.fail_json(msg=exc.message, error={"code": exc.code, "facts": exc.facts}, elapsed=task.elapsed)
    except OSError as exc:
        facts = {"errno": exc.errno, "path": None if exc.filename is None else os.fsdecode(exc.filename)}
        where = f"{facts['path']}: " if facts["path"] else ""
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
        bytes=asdict(task.traffic),
        **outcome.results,
    )
