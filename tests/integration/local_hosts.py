# Copyright: (c) 2026, sandboxops contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Run the collection's playbooks on hosts that are directories of this machine, and tell what each host reported."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

_CALLBACKS = Path(__file__).parent / "callback_plugins"
_TIMEOUT_SECONDS = 300

Variables = Mapping[str, Any]


class PlaybookRun(NamedTuple):
    """A finished playbook.

    Attributes:
        exit_status: Of Ansible.
        printed: What a person saw.
        results: What the tasks of each host reported, as pairs of the task's name and the result.
        changed: How many tasks reported a change, by host.
    """

    exit_status: int
    printed: str
    results: dict[str, list[tuple[str, dict[str, Any]]]]
    changed: dict[str, int]

    def of(self, host: str, task: str) -> list[dict[str, Any]]:
        """Return what the tasks with a name reported for a host; skipped ones report nothing."""
        return [result for name, result in self.results.get(host, []) if name.endswith(task)]


def run_playbook(
    directory: Path, collections: Path, name: str, hosts: Mapping[str, Variables], *options: str, **variables: Any
) -> PlaybookRun:
    """Run a playbook of the collection.

    Args:
        directory: Where Ansible may write.
        collections: The path that the collection is found on.
        name: The playbook's name, or the path of one.
        hosts: Variables of the hosts by their names. They are local ones unless these say otherwise.
        options: Further options of the command line.
        variables: Variables given on the command line.
    """
    common = {"ansible_connection": "local", "ansible_python_interpreter": sys.executable}
    inventory, results = directory / "inventory.json", directory / "results"
    content = {"all": {"hosts": hosts, "vars": common}}
    inventory.write_text(json.dumps(content, default=str), encoding="utf-8")
    results.unlink(missing_ok=True)
    playbook = name if os.sep in name else f"sandboxops.microsandbox.{name}"
    kept = {key: value for key, value in os.environ.items() if not key.startswith(("ANSIBLE_", "MSB_"))}
    arguments = ["--diff", "--inventory", str(inventory), "--extra-vars", json.dumps(variables, default=str), *options]
    done = subprocess.run(
        [sys.executable, "-m", "ansible", "playbook", playbook, *arguments],
        cwd=directory,
        env=kept
        | {
            "ANSIBLE_CALLBACKS_ENABLED": "results_as_json",
            "ANSIBLE_CALLBACK_PLUGINS": str(_CALLBACKS),
            "ANSIBLE_COLLECTIONS_PATH": str(collections),
            "ANSIBLE_LOCAL_TEMP": str(directory / "controller"),
            "ANSIBLE_NOCOLOR": "true",
            "HOME": str(directory),
            "LC_ALL": "C.UTF-8",
            "TASK_RESULTS": str(results),
        },
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=_TIMEOUT_SECONDS,
        check=False,
    )
    reported: dict[str, list[tuple[str, dict[str, Any]]]] = {}
    for line in results.read_text(encoding="utf-8").splitlines() if results.exists() else []:
        record = json.loads(line)
        reported.setdefault(record["host"], []).append((record["task"], record["result"]))
    recap = re.findall(r"^(\S+) +: ok=\d+ +changed=(\d+)", done.stdout, re.MULTILINE)
    return PlaybookRun(done.returncode, done.stdout, reported, {host: int(count) for host, count in recap})
