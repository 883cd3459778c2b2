# Copyright: (c) 2026, sandboxops contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Run modules through the real Ansible, in a process of its own, and return what they reported."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from file_listing import Entry, Listing

COLLECTION = "sandboxops.microsandbox"
ACTION_GROUP = f"group/{COLLECTION}.microsandbox"

_CALLBACKS = Path(__file__).parent / "callback_plugins"
_TIMEOUT_SECONDS = 900  # for a play of a hundred tasks on a busy machine

Result = dict[str, Any]


def task(module: str, **options: Any) -> dict[str, Any]:
    """Return a task of a module of this collection; paths become text."""
    return {f"{COLLECTION}.{module}": json.loads(json.dumps(options, default=str))}


@dataclass(frozen=True)
class Run:
    """A finished run of Ansible.

    Attributes:
        results: What each task reported, in order.
        listings: What the watched directory looked like after each task.
        printed: What a person saw.
        exit_status: Of the process.
    """

    results: tuple[Result, ...]
    listings: tuple[Listing, ...]
    printed: str
    exit_status: int


class Ansible:
    """The Ansible of the Python that runs the tests, away from the user's configuration.

    Attributes:
        home: The home directory of the user that it runs as.

    Args:
        directory: Where it may write.
        collections: The path that the collection is found on.
    """

    def __init__(self, directory: Path, collections: Path) -> None:
        self.home = directory / "user"
        self._python = Path(sys.executable)
        self._directory = directory
        self._collections = collections
        self._configuration = directory / "ansible.cfg"
        self._configuration.touch()
        self.home.mkdir()

    def use(self, python: Path) -> None:
        """Run modules with another Python than the tests' own."""
        self._python = python

    def run(self, module: str, *, check: bool = False, **options: Any) -> Result:
        """Run one module as the only task of a play, and return its result, be it a failure or not."""
        run = self.play(task(module, **options), check=check)
        (result,) = run.results
        assert (run.exit_status != 0) == result["failed"], run.printed
        return result

    def play(self, *tasks: Mapping[str, Any], check: bool = False, watch: Path | None = None, **keywords: Any) -> Run:
        """Run tasks as a play on this host, with ``--diff``.

        Args:
            tasks: In the form of a playbook.
            check: Whether with ``--check``.
            watch: Directory to list after each task.
            keywords: Further keywords of the play.
        """
        play = {"name": "Test", "hosts": "localhost", "gather_facts": False, **keywords, "tasks": tasks}
        with tempfile.TemporaryDirectory(dir=self._directory, prefix="run-") as directory:
            playbook = Path(directory, "playbook.yml")
            playbook.write_text(json.dumps([play]), encoding="utf-8")
            arguments = ["playbook", "--diff", *(["--check"] if check else []), str(playbook)]
            return self._ansible(arguments, Path(directory), watch)

    def playbook(
        self, name: str, *, check: bool = False, watch: Path | None = None, hosts: str = "localhost", **variables: Any
    ) -> Run:
        """Run a playbook of this collection on this host, with ``--diff``.

        Args:
            name: Its name.
            check: Whether with ``--check``.
            watch: Directory to list after each task.
            hosts: Names of hosts, with commas between, which are all this one.
            variables: Its variables; paths become text.
        """
        arguments = ["playbook", "--diff", *(["--check"] if check else []), f"{COLLECTION}.{name}"]
        arguments += ["--extra-vars", json.dumps(variables, default=str)]
        with tempfile.TemporaryDirectory(dir=self._directory, prefix="run-") as directory:
            return self._ansible(arguments, Path(directory), watch, hosts)

    def ad_hoc(self, module: str, **options: Any) -> Run:
        """Run one module with the command ``ansible``."""
        arguments = ["adhoc", "localhost", "--module-name", f"{COLLECTION}.{module}"]
        arguments += ["--args", json.dumps(options, default=str)]
        with tempfile.TemporaryDirectory(dir=self._directory, prefix="run-") as directory:
            return self._ansible(arguments, Path(directory))

    @contextlib.contextmanager
    def started(self, *tasks: Mapping[str, Any], **keywords: Any) -> Iterator[subprocess.Popen[bytes]]:
        """Start tasks as a play on this host, in a session of its own, which is killed when the block ends."""
        play = {"name": "Test", "hosts": "localhost", "gather_facts": False, **keywords, "tasks": tasks}
        with tempfile.TemporaryDirectory(dir=self._directory, prefix="run-") as directory:
            playbook = Path(directory, "playbook.yml")
            playbook.write_text(json.dumps([play]), encoding="utf-8")
            command = [sys.executable, "-m", "ansible", "playbook", str(playbook), *self._common()]
            names = {"TASK_RESULTS": str(Path(directory, "results")), "TASK_WATCHED": ""}
            process = subprocess.Popen(
                command,
                cwd=directory,
                env=self._environment() | names,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
                start_new_session=True,
            )
            try:
                yield process
            finally:
                with contextlib.suppress(ProcessLookupError):
                    os.killpg(process.pid, signal.SIGKILL)
                process.wait()

    def _common(self, hosts: str = "localhost") -> list[str]:
        common = ["--inventory", f"{hosts},", "--connection", "local"]
        return [*common, "--extra-vars", json.dumps({"ansible_python_interpreter": str(self._python)})]

    def _ansible(
        self, arguments: list[str], directory: Path, watch: Path | None = None, hosts: str = "localhost"
    ) -> Run:
        results = directory / "results"
        done = subprocess.run(
            [sys.executable, "-m", "ansible", *arguments, *self._common(hosts)],
            cwd=directory,
            env=self._environment() | {"TASK_RESULTS": str(results), "TASK_WATCHED": str(watch or "")},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=_TIMEOUT_SECONDS,
            check=False,
        )
        lines = results.read_text(encoding="utf-8").splitlines() if results.exists() else []
        assert lines, done.stdout
        records = [json.loads(line) for line in lines]
        return Run(
            results=tuple(record["result"] for record in records),
            listings=tuple({path: Entry(*e) for path, e in record["listing"].items()} for record in records),
            printed=done.stdout,
            exit_status=done.returncode,
        )

    def _environment(self) -> dict[str, str]:
        foreign = ("ANSIBLE_", "MSB_", "PIP_")
        kept = {name: value for name, value in os.environ.items() if not name.startswith(foreign)}
        return kept | {
            "ANSIBLE_CALLBACKS_ENABLED": "results_as_json",
            "ANSIBLE_CALLBACK_PLUGINS": str(_CALLBACKS),
            "ANSIBLE_COLLECTIONS_PATH": str(self._collections),
            "ANSIBLE_CONFIG": str(self._configuration),
            "ANSIBLE_INJECT_INVOCATION": "true",  # the default before ansible-core 2.21
            "ANSIBLE_LOAD_CALLBACK_PLUGINS": "true",
            "ANSIBLE_LOCAL_TEMP": str(self._directory / "controller"),
            "ANSIBLE_NOCOLOR": "true",
            "ANSIBLE_PIPELINING": "true",
            "HOME": str(self.home),
            "LC_ALL": "C.UTF-8",
        }
