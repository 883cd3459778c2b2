# Copyright: (c) 2026, sandboxops contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Audit local hosts with homes of their own through the real playbook, and read what it reports."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple


class Audit(NamedTuple):
    """A finished audit.

    Attributes:
        exit_status: Of Ansible.
        printed: What a person saw.
        changed: How many tasks reported a change, by host.
        report: The report as JSON.
        page: The report as a page.
    """

    exit_status: int
    printed: str
    changed: dict[str, int]
    report: dict[str, Any]
    page: Path


class Fleet:
    """Local hosts, each with a home of its own.

    Attributes:
        homes: Directory of their homes, by the names of the hosts.

    Args:
        directory: Where everything lies.
        collections: The path that the collection is found on.
        desired: The snapshots that every host must have.
    """

    def __init__(self, directory: Path, collections: Path, desired: list[dict[str, str]]) -> None:
        self.homes = directory / "homes"
        self.homes.mkdir()
        self._directory = directory
        self._collections = collections
        self._desired = desired

    def audit(
        self, hosts: Mapping[str, Any], *options: str, playbook: str = "sandboxops.microsandbox.audit", **variables: Any
    ) -> Audit:
        """Run a playbook on hosts, each with variables of its own, and return what came of it."""
        report = Path(variables.get("snapshot_audit_report_dir", self._directory / "report"))
        common = {
            "ansible_connection": "local",
            "ansible_python_interpreter": sys.executable,
            "snapshot_audit_home": f"{self.homes}/{{{{ inventory_hostname }}}}",
            "snapshot_audit_report_dir": str(report),
            "snapshot_audit_min_free_bytes": 0,
            "snapshot_audit_desired": self._desired,
        }
        inventory = self._directory / "inventory.json"
        inventory.write_text(json.dumps({"all": {"hosts": hosts, "vars": common | variables}}), encoding="utf-8")
        kept = {name: value for name, value in os.environ.items() if not name.startswith(("ANSIBLE_", "MSB_"))}
        paths = {"ANSIBLE_COLLECTIONS_PATH": str(self._collections), "HOME": str(self._directory)}
        done = subprocess.run(
            [sys.executable, "-m", "ansible", "playbook", playbook, "--inventory", str(inventory), *options],
            cwd=self._directory,
            env=kept | paths | {"ANSIBLE_NOCOLOR": "true", "LC_ALL": "C.UTF-8"},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            check=False,
        )
        recap = re.findall(r"^(\S+) +: ok=\d+ +changed=(\d+)", done.stdout, re.MULTILINE)
        written = report / "fleet-report.json"
        content = json.loads(written.read_text(encoding="utf-8")) if written.exists() else {}
        changed = {host: int(count) for host, count in recap}
        return Audit(done.returncode, done.stdout, changed, content, report / "fleet-report.html")
