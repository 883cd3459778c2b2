# Copyright: (c) 2026, sandboxops contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Bring a release to local hosts with homes of their own through the real playbooks, and read what came of each."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

from real_ansible import COLLECTION, Ansible, task
from sample_homes import make_home
from sample_images import TINY, add_image

RELEASE = "golden"

_CALLBACKS = Path(__file__).parent / "callback_plugins"
_TIMEOUT_SECONDS = 600
_POLL_SECONDS = 0.02


class Distribution(NamedTuple):
    """A finished run of a playbook.

    Attributes:
        exit_status: Of Ansible.
        printed: What a person saw.
        recap: The counts of the recap, by host.
        results: What each task reported, with the host's name as ``host`` and the task's as ``task``.
    """

    exit_status: int
    printed: str
    recap: dict[str, dict[str, int]]
    results: list[dict[str, Any]]

    def counts(self, name: str) -> dict[str, int]:
        """Return one count of the recap by host."""
        return {host: counts[name] for host, counts in self.recap.items()}

    def outcomes(self) -> dict[str, dict[str, Any]]:
        """Return what the role said of each host."""
        found = {}
        for result in self.results:
            facts = result.get("ansible_facts") or {}
            if "snapshot_distribute_result" in facts:
                found[result["host"]] = facts["snapshot_distribute_result"]
        return found

    def states(self) -> dict[str, str]:
        """Return the state of each host."""
        return {host: outcome["state"] for host, outcome in self.outcomes().items()}

    def received(self) -> dict[str, int]:
        """Return how many bytes of the archive came to each host."""
        return {host: outcome["received_bytes"] for host, outcome in self.outcomes().items()}

    def summary(self) -> list[str]:
        """Return the lines of the last summary."""
        lines: list[str] = [r["msg"] for r in self.results if r["task"].endswith("Sum up the hosts so far")][-1]
        return lines


class DistributionFleet:
    """Local hosts, each with a home of its own, and a controller that brings releases to them.

    Attributes:
        machine: Directory in which everything lies.
        hosts: Variables of the hosts by their names.
        common: Variables of all hosts.
        environment: Further variables of Ansible's environment.
        controller: Variables of the controller, beyond those; without any it is no host of the inventory.
        others: Variables of further hosts, by their names.

    Args:
        machine: An empty directory.
        collections: The paths that collections are found on.
        hosts: How many there are, ``h1`` and so on.
    """

    def __init__(self, machine: Path, *collections: Path, hosts: int = 1) -> None:
        self.machine = machine
        self.homes = machine / "homes"
        self.homes.mkdir()
        self.machine.joinpath("ansible.cfg").touch()
        self.hosts: dict[str, dict[str, Any]] = {f"h{number}": {} for number in range(1, hosts + 1)}
        self.common: dict[str, Any] = {
            "ansible_connection": "local",
            "ansible_python_interpreter": sys.executable,
            "snapshot_distribute_home": f"{self.homes}/{{{{ inventory_hostname }}}}",
        }
        self.controller: dict[str, Any] = {}
        self.others: dict[str, dict[str, Any]] = {}
        self.environment: dict[str, str] = {}
        self._collections = ":".join(map(str, collections))

    def home(self, host: str) -> Path:
        """Return the home of a host."""
        return self.homes / host

    def run(self, *options: str, playbook: str | Path = "distribute", **variables: Any) -> Distribution:
        """Run a playbook of this collection, or one at a path, to its end; paths in its variables become text."""
        name = str(playbook) if isinstance(playbook, Path) else f"{COLLECTION}.{playbook}"
        with self._process(options, name, variables) as process:
            printed, dummy = process.communicate(timeout=_TIMEOUT_SECONDS)
        return self._finished(process.returncode, printed)

    def run_until(self, sign: Path, **variables: Any) -> str:
        """Run the playbook and kill it, and all that it started, once a file that matches a pattern has content."""
        with self._process((), f"{COLLECTION}.distribute", variables) as process:
            deadline = time.monotonic() + _TIMEOUT_SECONDS
            while not any(path.stat().st_size for path in sign.parent.glob(sign.name)) and process.poll() is None:
                assert time.monotonic() < deadline
                time.sleep(_POLL_SECONDS)
            was_running = process.poll() is None
            for pid in _family(process.pid):
                os.kill(pid, signal.SIGKILL)
            printed, dummy = process.communicate(timeout=_TIMEOUT_SECONDS)
        assert was_running, printed
        return printed

    def _process(self, options: tuple[str, ...], playbook: str, variables: Mapping[str, Any]) -> subprocess.Popen[str]:
        self._results.unlink(missing_ok=True)
        inventory = self.machine / "inventory.json"
        controller = {"localhost": {"ansible_connection": "local"} | self.controller} if self.controller else {}
        content = {
            "all": {
                "hosts": self.others | controller,
                "vars": self.common,
                "children": {"fleet": {"hosts": self.hosts}},
            }
        }
        inventory.write_text(json.dumps(content, default=str), encoding="utf-8")
        given = json.dumps({"distribute_hosts": "fleet"} | variables, default=str)
        arguments = [playbook, "--inventory", str(inventory), "--extra-vars", given, "--diff"]
        return subprocess.Popen(
            [sys.executable, "-m", "ansible", "playbook", *arguments, *options],
            cwd=self.machine,
            env=self._environment(),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            start_new_session=True,
        )

    @property
    def _results(self) -> Path:
        return self.machine / "results"

    def _finished(self, exit_status: int, printed: str) -> Distribution:
        recap = {
            host: {name: int(count) for name, count in re.findall(r"(\w+)=(\d+)", counts)}
            for host, counts in re.findall(r"^(\S+) +: (ok=.*)", printed, re.MULTILINE)
        }
        lines = self._results.read_text(encoding="utf-8").splitlines() if self._results.exists() else []
        records = [json.loads(line) for line in lines]
        results = [{**record["result"], "host": record["host"], "task": record["task"]} for record in records]
        return Distribution(exit_status, printed, recap, results)

    def _environment(self) -> dict[str, str]:
        foreign = ("ANSIBLE_", "AWS_", "MSB_", "PIP_")
        kept = {name: value for name, value in os.environ.items() if not name.startswith(foreign)}
        ours = {
            "ANSIBLE_CALLBACKS_ENABLED": "results_as_json",
            "ANSIBLE_CALLBACK_PLUGINS": str(_CALLBACKS),
            "ANSIBLE_COLLECTIONS_PATH": self._collections,
            "ANSIBLE_CONFIG": str(self.machine / "ansible.cfg"),
            "ANSIBLE_LOCAL_TEMP": str(self.machine / "controller"),
            "ANSIBLE_REMOTE_TEMP": str(self.machine / "remote"),
            "ANSIBLE_NOCOLOR": "true",
            "ANSIBLE_PIPELINING": "true",
            "HOME": str(self.machine),
            "LC_ALL": "C.UTF-8",
            "TASK_RESULTS": str(self._results),
        }
        return kept | ours | self.environment


def _family(pid: int) -> list[int]:
    """Return a process and all that descend from it; Ansible's workers have sessions of their own."""
    children = Path(f"/proc/{pid}/task/{pid}/children").read_text(encoding="utf-8").split()
    return [pid, *(each for child in children for each in _family(int(child)))]


def make_builder(directory: Path) -> Path:
    """Put a home with snapshots and their image into a directory, and return it."""
    home = make_home(directory / "builder")
    add_image(home, TINY)
    return home


def release(ansible: Ansible, home: Path, store: Path, snapshot: str, **options: Any) -> dict[str, Any]:
    """Put a snapshot into a release store that is a directory, and return its record.

    Args:
        ansible: Runs the export.
        home: The builder's.
        store: The store.
        snapshot: Name of the snapshot; the release's is always the same.
        options: Further options of the export.
    """
    exported = ansible.run("snapshot_info", home=home, name=snapshot, strict=True)
    (found,) = exported["snapshots"]
    stem = store / RELEASE / found["digest"][7:]
    record = f"{{{{ exported | {COLLECTION}.release_record('{RELEASE}') }}}}"
    export = task("snapshot_archive", home=home, state="exported", snapshot=snapshot, path=f"{stem}.tar.zst", **options)
    copies = [
        {"ansible.builtin.copy": {"content": record, "dest": str(path), "mode": "0644"}}
        for path in (stem.with_name(f"{stem.name}.json"), store / f"{RELEASE}.json")
    ]
    run = ansible.play({**export, "register": "exported"}, *copies)
    assert run.exit_status == 0, run.printed
    text = (store / f"{RELEASE}.json").read_text(encoding="utf-8")
    made: dict[str, Any] = json.loads(text)
    return made
