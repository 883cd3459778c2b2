# Copyright: (c) 2026, sandboxops contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Jobs as AWX starts them: by ansible-runner, with a survey's answers, here or through its stream to an executor."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

CHECKOUT = Path(__file__).resolve().parents[2]
_PROGRAMS = Path(sys.executable).parent  # not resolved: the programs stand beside the link in the environment
_TIMEOUT_SECONDS = 300
_IDENT = "job"

Event = dict[str, Any]


class Job(NamedTuple):
    """A finished job, as AWX sees it.

    Attributes:
        exit_status: Of Ansible.
        status: ``successful`` or ``failed``.
        printed: What a person sees.
        events: What happened, in order.
        directory: Where ansible-runner has left all of that.
    """

    exit_status: int
    status: str
    printed: str
    events: list[Event]
    directory: Path

    @property
    def stats(self) -> Event:
        """Return the numbers at the end."""
        (event,) = [event for event in self.events if event["event"] == "playbook_on_stats"]
        found: Event = event["event_data"]
        return found

    @property
    def changed(self) -> dict[str, int]:
        """Return how many tasks have changed something, by host; hosts without one are not listed."""
        return dict(self.stats["changed"])

    def said(self, host: str, task: str) -> list[Any]:
        """Return the messages of a task for a host."""
        data = [event["event_data"] for event in self.events if event["event"] == "runner_on_ok"]
        return [each["res"].get("msg") for each in data if each["host"] == host and each["task"].endswith(task)]


class JobTemplate:
    """A job template with the survey that lies beside a playbook.

    Attributes:
        printed_so_far: What the latest job, which may still run, has printed.

    Args:
        directory: Where it may write.
        collections: The path that the collection is found on.
        playbook: Name of the playbook.
        hosts: Variables of the hosts by their names.
        common: Variables of all hosts.
    """

    def __init__(
        self, directory: Path, collections: Path, playbook: str, hosts: Mapping[str, Any], **common: Any
    ) -> None:
        self._directory = directory
        self._playbook = playbook
        self._runs = 0
        survey = CHECKOUT / f"playbooks/{playbook}.survey.json"
        self._questions = json.loads(survey.read_text(encoding="utf-8"))["spec"]
        local = {"ansible_connection": "local", "ansible_python_interpreter": sys.executable}
        content = {"all": {"hosts": hosts, "vars": {**local, **common}}}
        kept = {key: value for key, value in os.environ.items() if not key.startswith(("ANSIBLE_", "MSB_"))}
        self._environment = kept | {
            "PATH": f"{_PROGRAMS}{os.pathsep}{os.environ['PATH']}",
            "HOME": str(directory),
            "LC_ALL": "C.UTF-8",
        }
        private = directory / "private"
        files = {
            # A project is a directory of playbooks, and one line takes in one of a collection's.
            f"project/{playbook}.yml": json.dumps(
                [{"ansible.builtin.import_playbook": f"sandboxops.microsandbox.{playbook}"}]
            ),
            "inventory/hosts.json": json.dumps(content, default=str),
            "env/envvars": json.dumps({"ANSIBLE_COLLECTIONS_PATH": str(collections), "ANSIBLE_NOCOLOR": "true"}),
        }
        for name, text in files.items():
            path = private / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text, encoding="utf-8")

    @property
    def printed_so_far(self) -> str:
        path = self._directory / f"artifacts-{self._runs}" / _IDENT / "stdout"
        return path.read_text(encoding="utf-8") if path.exists() else ""

    def launch(self, *options: str, remote: bool = False, **answers: Any) -> Job:
        """Launch a job, and wait for its end.

        Args:
            options: Of the command line, such as ``--check``.
            remote: Whether the job goes to an executor as a stream and comes back as one, as in AWX.
            answers: Those to the survey that are not its defaults, as text, and what an earlier job has handed on.
        """
        self._runs += 1
        private = self._directory / "private"
        known = {question["variable"]: str(question.get("default", "")) for question in self._questions}
        lines = [_line_of_variable(name, value) for name, value in {**known, **answers}.items()]
        (private / "env/extravars").write_text("\n".join(["---", *lines, ""]), encoding="utf-8")
        (private / "env/cmdline").write_text(" ".join(options), encoding="utf-8")
        artifacts = self._directory / f"artifacts-{self._runs}"
        target = ["--ident", _IDENT]
        if remote:
            work = self._directory / f"executor-{self._runs}"
            work.mkdir()
            sent = self._runner("transmit", private, *target, "--playbook", f"{self._playbook}.yml")
            done = self._runner("worker", "--private-data-dir", work, given=sent)
            self._runner("process", artifacts, *target, given=done)
            found = artifacts / "artifacts" / _IDENT
        else:
            target += ["--artifact-dir", str(artifacts)]
            self._runner("run", private, *target, "--playbook", f"{self._playbook}.yml", checked=False)
            found = artifacts / _IDENT
        return _read_job(found)

    def _runner(self, command: str, *arguments: str | Path, given: bytes = b"", checked: bool = True) -> bytes:
        done = subprocess.run(
            [_PROGRAMS / "ansible-runner", command, *arguments],
            cwd=self._directory,
            env=self._environment,
            input=given,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            timeout=_TIMEOUT_SECONDS,
            check=False,
        )
        assert not checked or done.returncode == 0, done.stdout.decode(errors="replace")
        return done.stdout


def _line_of_variable(name: str, value: Any) -> str:
    # AWX marks what people enter, so that Ansible does not take it for a template. JSON is YAML too.
    return f"{name}: {'!unsafe ' if isinstance(value, str) else ''}{json.dumps(value)}"


def _read_job(directory: Path) -> Job:
    events = [json.loads(path.read_text(encoding="utf-8")) for path in directory.glob("job_events/*.json")]
    return Job(
        exit_status=int((directory / "rc").read_text(encoding="utf-8")),
        status=(directory / "status").read_text(encoding="utf-8"),
        printed=(directory / "stdout").read_text(encoding="utf-8"),
        events=sorted(events, key=lambda event: event["counter"]),
        directory=directory,
    )
