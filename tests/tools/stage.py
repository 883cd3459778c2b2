# Copyright: (c) 2026, sandboxops contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A stage of the tests: it runs commands, and remembers which of them failed; and the verdict on several."""

from __future__ import annotations

import contextlib
import hashlib
import os
import shlex
import shutil
import subprocess
import tempfile
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from environments import CHECKOUT, plain_environment

_CHECKOUT_ID = hashlib.sha256(os.fsencode(CHECKOUT)).hexdigest()[:8]  # one run at a time is at work in a checkout
_LAST_LINES = 60


@dataclass
class Stage:
    """The commands of one stage: runs them all and remembers which failed.

    Attributes:
        name: Its name.
        prefix: What stands before each line that it prints, to tell it from another one that runs at the same time.
        failures: What failed.
        left_out: Why nothing was tested, if so.
        last_words: The end of what failed commands printed.
        seconds: How long it took.
    """

    name: str
    prefix: str = ""
    failures: list[str] = field(default_factory=list)
    left_out: str = ""
    last_words: list[str] = field(default_factory=list)
    seconds: float = 0.0

    @property
    def outcome(self) -> str:
        """Return ``FAILED``, ``left out`` or ``passed``."""
        if self.failures:
            return "FAILED"
        return "left out" if self.left_out else "passed"

    @property
    def temporary(self) -> Path:
        """Return the directory for pytest's temporary files, which no other stage and no other checkout has.

        pytest clears away what earlier sessions left, and where it cannot, the tests of this one would have failed.
        """
        return Path(tempfile.gettempdir(), f"{self.name}-{_CHECKOUT_ID}")

    @contextlib.contextmanager
    def under_way(self) -> Iterator[None]:
        """Take the time, and have the directory for temporary files, empty, as long as the stage runs."""
        shutil.rmtree(self.temporary, ignore_errors=True)  # a run that was killed may have left it
        self.temporary.mkdir(mode=0o700)
        started = time.monotonic()
        try:
            yield
        finally:
            self.seconds = time.monotonic() - started
            shutil.rmtree(self.temporary, ignore_errors=True)

    def say(self, text: str) -> None:
        """Print whole lines."""
        print("".join(f"{self.prefix}{line}" for line in text.splitlines(keepends=True)), end="", flush=True)

    def run(self, command: list[str | Path], cwd: Path = CHECKOUT, programs: Path | None = None, **env: Path) -> str:
        """Run a command to its end, show what it prints as it comes, and return that.

        Args:
            command: Program and arguments.
            cwd: Where it runs.
            programs: Directory to put first on PATH.
            env: Environment variables on top of the common ones.
        """
        shown = shlex.join(str(part) for part in command).replace(f"{CHECKOUT}/", "")
        self.say(f"\n$ {shown}\n")
        env["PYTEST_DEBUG_TEMPROOT"] = self.temporary
        environment = plain_environment(programs) | {name: str(value) for name, value in env.items()}
        printed = []
        with subprocess.Popen(
            command,
            cwd=cwd,
            env=environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            errors="replace",
        ) as process:
            assert process.stdout is not None
            for line in process.stdout:
                self.say(line)
                printed.append(line)
        if process.returncode != 0:
            self.failures.append(f"{shown} (exit status {process.returncode})")
            self.last_words += printed[-_LAST_LINES:]
        return "".join(printed)


def verdict(stages: Sequence[Stage]) -> str:
    """Return what came of each stage, and the sum of it in the last line."""
    lines = []
    for stage in stages:
        lines.append(f"{stage.outcome:8}  {stage.seconds:6.1f} s  {stage.name}")
        lines += [f"            {line}" for line in (stage.failures or filter(None, [stage.left_out]))]
    names = {
        outcome: ", ".join(stage.name for stage in stages if stage.outcome == outcome)
        for outcome in ("FAILED", "passed", "left out")
    }
    if names["FAILED"]:
        del names["passed"]
    return "\n".join([*lines, "; ".join(f"{outcome}: {which}" for outcome, which in names.items() if which)])
