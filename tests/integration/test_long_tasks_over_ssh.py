# Copyright: (c) 2026, sandboxops contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A task that takes long on an SSH host without a terminal: its lines come, and it hears of an interrupt."""

from __future__ import annotations

import contextlib
import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from real_ansible import Ansible, task
from sample_homes import add_sandbox, make_home
from terminal import terminal

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "tools"))
sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "fleet"))

from host import Host
from system_packages import FLEET_PROGRAMS, require_programs

GIB = 1 << 30
_TESTS = Path(__file__).resolve().parents[1]
_CACHE = _TESTS.parent / ".cache"

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="only root can make hosts")


@pytest.fixture
def host(monkeypatch: pytest.MonkeyPatch) -> Iterator[Host]:
    """A host of a fleet that has no other."""
    monkeypatch.setenv("PATH", os.environ["PATH"] + ":/usr/sbin:/sbin")
    monkeypatch.setenv("RUNLEVEL", "1")  # a package that has a service does not start it
    require_programs(FLEET_PROGRAMS)
    _CACHE.mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory(prefix="l-", dir=_CACHE) as directory:
        fleet = [sys.executable, _TESTS / "fleet", "--directory", directory]
        try:
            subprocess.run([*fleet, "up", "h01"], check=True, timeout=600)
            yield Host(Path(directory, "hosts/h01"))
        finally:
            subprocess.run([*fleet, "down"], check=True, timeout=60)


def running(host: Host) -> list[str]:
    """Return what a Python runs on the host."""
    found = []
    for path in host.path("/proc").glob("[0-9]*/cmdline"):
        with contextlib.suppress(FileNotFoundError, ProcessLookupError):
            command = path.read_bytes().replace(b"\0", b" ").decode()
            if "python" in command.partition(" ")[0]:
                found.append(command)
    return found


def test_ctrl_c_stops_the_task_on_a_host_without_a_terminal(ansible: Ansible, host: Host) -> None:
    made = make_home(ansible.home / "home")
    add_sandbox(made, "big", upper_bytes=200 * GIB)
    subprocess.run(["cp", "--archive", made, host.path("/srv")], check=True, timeout=60)
    snapshots, temporary = host.path("/srv/home/snapshots"), host.path("/tmp")
    before = sorted(os.listdir(snapshots))
    play = {
        "hosts": "fleet",
        "gather_facts": False,
        "vars": {"microsandbox_progress_interval": 2},
        "tasks": [task("snapshot", home="/srv/home", name="golden", sandbox="big")],
    }
    playbook = ansible.home / "playbook.yml"
    playbook.write_text(json.dumps([play]), encoding="utf-8")
    inventory = str(host.directory.parents[1] / "inventory.yml")
    command = [sys.executable, "-m", "ansible", "playbook", "--inventory", inventory, str(playbook)]
    environment = ansible._environment() | {
        "ANSIBLE_SSH_CONTROL_PATH_DIR": str(ansible.home / "c"),
        "TASK_RESULTS": os.devnull,
        "TASK_WATCHED": "",
    }
    with terminal(command, ansible.home, environment) as person:
        person.read_until(r"\[h01\] snapshot golden: copying and hashing \d+ % of 200 GiB")
        assert running(host) != []
        person.press_ctrl_c()
        assert person.read_to_the_end() == 99
    assert running(host) == []
    assert sorted(os.listdir(snapshots)) == before
    assert os.listdir(temporary) == []
