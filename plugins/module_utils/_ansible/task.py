# Copyright: (c) 2026, sandboxops contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""One run of a module: what it was asked for, what it may do, and what came of it."""

from __future__ import annotations

import contextlib
import math
import os
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

from .._apply.index import keep_index
from .._core.errors import RequestError, StateError
from .._core.timestamps import index_text_from_ns
from .._disk.dead_staging import sweep
from .._disk.directories import require_makeable
from .._disk.locking import locked_directory
from .._disk.sparse_file import Traffic
from .._observe.archive_limits import ArchiveLimits
from .._observe.artifact import Artifact
from .._observe.home import Home, absolute_path, locate_home, observe_home
from .._plan.plan import Plan

_DOING = {
    "total": "starting",
    "lock": "waiting for a lock",
    "observe": "observing",
    "verify": "verifying",
    "unpack": "unpacking",
    "apply": "applying",
}


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
        """Return how long to wait for locks, in seconds.

        Raises:
            RequestError: It is negative or no number.
        """
        patience = float(self.params["lock_timeout"])
        if not 0 <= patience < math.inf:
            raise RequestError(f"lock_timeout is {patience}, expected 0 or more seconds", option="lock_timeout")
        return patience

    @contextlib.contextmanager
    def phase(self, name: str) -> Iterator[None]:
        """Time a phase of the task."""
        began = time.monotonic()
        try:
            with self.traffic.meter.doing(_DOING.get(name, name)):
                yield
        finally:
            self.elapsed[name] = round(self.elapsed.get(name, 0.0) + time.monotonic() - began, 4)

    def observe_home(self) -> Home:
        """Find the home that the task works on."""
        params = self.params
        return observe_home(params["home"], params["snapshots_dir"], params["cache_dir"], os.environ)

    def locate_home(self) -> Home:
        """Find the home that the task is about, without a look into it."""
        params = self.params
        return locate_home(params["home"], params["snapshots_dir"], params["cache_dir"], os.environ)

    @contextlib.contextmanager
    def locked(self, directory: str, create: bool = False) -> Iterator[None]:
        """Hold the lock of a directory of artifacts or archives, and clear away what dead runs left in it.

        Check mode changes nothing and so locks nothing, but fails where there can be no such directory.
        """
        if self.check_mode:
            if create:
                require_makeable(directory)
            yield
            return
        with contextlib.ExitStack() as stack:
            with self.phase("lock"), self.traffic.meter.doing(f"waiting for the lock of {directory}"):
                stack.enter_context(locked_directory(directory, self.patience, create))
                try:
                    sweep(directory)
                except OSError as exc:
                    # What cannot be cleared away is in nobody's way.
                    self.warnings.append(f"{directory} keeps what a dead run left: {exc.strerror}")
            yield

    def index_new(self, home: Home, artifacts: Sequence[Artifact]) -> None:
        """Index artifacts that this task has made; they are whole without it, so a busy database is no failure."""
        try:
            with self.traffic.meter.doing("updating the index"):
                keep_index(home.database, artifacts, self.now_text, self.patience)
        except StateError as exc:
            self.warnings.append(f"{exc.message}: the index is left as it is, the next run brings it up to date")

    @property
    def limits(self) -> ArchiveLimits:
        """Return what an archive may demand.

        Raises:
            RequestError: A limit is not positive, or more than is ever read.
        """
        limits = ArchiveLimits(**(self.params["limits"] or {}))
        for name, value in asdict(limits).items():
            most = getattr(ArchiveLimits, name) if name in ("manifest_bytes", "window_bytes") else None
            if value < 1 or (most is not None and value > most):
                raise RequestError(f"limits.{name} is {value}, expected 1 to {most or 'any number'}", option=name)
        return limits

    def absolute_path(self, option: str) -> str:
        """Return a path option, absolute and normalised.

        Raises:
            RequestError: It names the root directory, or one that the task's working directory would decide.
        """
        return _require_absolute(str(self.params[option]), option)

    def absolute_paths(self, option: str) -> list[str]:
        """Return the paths of a list option, each absolute and normalised; those that are empty name nothing.

        Raises:
            RequestError: One of them names the root directory, or one that the task's working directory would decide.
        """
        return [_require_absolute(text, option) for text in map(str, self.params[option]) if text]


@dataclass(frozen=True)
class Outcome:
    """What a task did, or in check mode would do.

    Attributes:
        plan: The decision; its steps say whether the task changes anything.
        results: Values of the module's own.
    """

    plan: Plan
    results: Mapping[str, Any]


def _require_absolute(text: str, option: str) -> str:
    path = absolute_path(text)
    if not os.path.isabs(text) or path == "/":
        raise RequestError(f"{option} is {text}, expected an absolute path below /", option=option, value=text)
    return path
