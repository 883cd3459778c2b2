# Copyright: (c) 2026, sandboxops contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Measure how an archive gets from one machine to many SSH hosts, and write a table for ``docs/transfer.md``.

usage: transfer.py [--hosts N] [--mib SIZE]
       transfer.py --short

Compares ``archive_transfer`` from the controller and from nginx with ``ansible.builtin.copy`` and rsync, on hosts that
``tests/fleet`` makes. Needs root. What every host got is compared with the archive. ``--short`` takes three hosts and
16 MiB and prints instead of writing. It fails on a wrong result, and when ``archive_transfer`` sends much more than one
archive to each host, never on a slow machine.
"""

from __future__ import annotations

import argparse
import contextlib
import hashlib
import importlib.metadata
import json
import os
import platform
import socket
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "tools"))
sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "fleet"))

from base_root import ensure_base_root
from fleet import Fleet
from host import Plan
from system_packages import FLEET_PROGRAMS, require_programs
from transfer_cost import TreeCost, measure, use_own_network

_CHECKOUT = Path(__file__).resolve().parents[2]
_CACHE = _CHECKOUT / ".cache"
_PAGE = _CHECKOUT / "docs/transfer.md"
_BEGIN, _END = "<!-- measured: begin -->", "<!-- measured: end -->"
_DEST = "/srv/archive.tar.zst"
_OURS = "`archive_transfer`"
_PLAIN_SSH = "-o ControlMaster=auto -o ControlPersist=60s"  # Ansible's own arguments without -C
_MOST_SENT = 1.2  # archives per host: what SSH and starting the module add is little, text instead of bytes is a third
_NGINX = """
daemon off; pid {directory}/nginx.pid; error_log {directory}/nginx.log; worker_processes 2; user root;
events {{ worker_connections 256; }}
http {{
  access_log off; sendfile on; client_body_temp_path {directory}; proxy_temp_path {directory};
  fastcgi_temp_path {directory}; uwsgi_temp_path {directory}; scgi_temp_path {directory};
  server {{ listen 127.0.0.1:{port}; root {directory}; }}
}}
"""


@dataclass(frozen=True)
class Scene:
    """What all contenders share.

    Attributes:
        directory: For everything that is made here.
        fleet: The hosts.
        archive: The file.
        checksum: Its digest.
        collections: Where the collection is.
        port: Of nginx.
    """

    directory: Path
    fleet: Fleet
    archive: Path
    checksum: str
    collections: Path
    port: int

    @property
    def environment(self) -> dict[str, str]:
        """Return the environment of Ansible and rsync."""
        kept = {name: value for name, value in os.environ.items() if not name.startswith("ANSIBLE_")}
        return kept | {
            "ANSIBLE_COLLECTIONS_PATH": str(self.collections),
            "ANSIBLE_CONFIG": str(self.directory / "ansible.cfg"),
            "ANSIBLE_FORKS": "20",
            "ANSIBLE_LOCAL_TEMP": str(self.directory / "local"),
            "ANSIBLE_SSH_CONTROL_PATH_DIR": str(self.directory / "c"),
            "ANSIBLE_PIPELINING": "true",
            "HOME": str(self.directory / "home"),
        }

    def play(self, module: str, *, compresses: bool = True, **options: Any) -> list[str | Path]:
        """Return the command that runs one module on all hosts.

        Args:
            module: Its name.
            compresses: Let SSH compress, as it does by Ansible's defaults.
            options: The options of the module.
        """
        name = f"{module}-{'url' if 'url' in options else 'src'}{'' if compresses else '-plain'}"
        playbook = self.directory / f"{name}.json"
        play = {"hosts": "fleet", "gather_facts": False, "tasks": [{module: options}]}
        if not compresses:
            # A directory of its own, for a connection that is still open from an earlier play keeps its compression.
            play["vars"] = {"ansible_ssh_args": _PLAIN_SSH, "ansible_control_path_dir": str(self.directory / "p")}
        playbook.write_text(json.dumps([play]), encoding="utf-8")
        return [sys.executable, "-m", "ansible", "playbook", "--inventory", self.fleet.inventory, playbook]

    def rsync(self) -> list[str | Path]:
        """Return the command that runs rsync for all hosts at once."""
        script = self.directory / "rsync.sh"
        ssh = f"ssh -F {self.fleet.inventory.with_name('ssh_config')}"
        script.write_text(
            f"#!/bin/sh\nexec rsync --whole-file --rsync-path 'sudo rsync' -e '{ssh}' {self.archive} \"$1\":{_DEST}\n",
            encoding="utf-8",
        )
        script.chmod(0o755)
        names = " ".join(host.name for host in self.fleet.hosts)
        return ["sh", "-c", f"echo {names} | xargs -n 1 -P 20 {script}"]


def contenders(scene: Scene) -> dict[str, list[str | Path]]:
    """Return the commands by name."""
    ours = "sandboxops.microsandbox.archive_transfer"
    wanted = {"dest": _DEST, "checksum": scene.checksum}
    src, url = str(scene.archive), f"http://127.0.0.1:{scene.port}/{scene.archive.name}"
    copy = {"src": src, "dest": _DEST, "mode": "0600"}
    return {
        f"{_OURS}, from the controller": scene.play(ours, src=src, **wanted),
        f"{_OURS}, from the controller, SSH without `-C`": scene.play(ours, compresses=False, src=src, **wanted),
        f"{_OURS}, from nginx": scene.play(ours, url=url, **wanted),
        "`ansible.builtin.copy`": scene.play("ansible.builtin.copy", **copy),
        "`ansible.builtin.copy`, SSH without `-C`": scene.play("ansible.builtin.copy", compresses=False, **copy),
        "rsync over SSH, all hosts at once": scene.rsync(),
    }


def measure_all(scene: Scene) -> dict[str, TreeCost]:
    """Measure one contender after the other, and check what each brought to every host.

    Raises:
        SystemExit: A host has something else.
    """
    costs = {}
    for name, command in contenders(scene).items():
        costs[name] = measure(
            command,
            scene.environment,
            str(scene.directory),
            scene.directory / "local",
            lambda: _temporary(scene),
        )
        for host in scene.fleet.hosts:
            found = host.path(_DEST)
            if _digest(found) != scene.checksum:
                raise SystemExit(f"{name}: {host.name} has something else than the archive")
            found.unlink()
        print(f"{name}: {costs[name]}", flush=True)
    return costs


def _temporary(scene: Scene) -> list[Path]:
    # Ansible's directory for temporary files, and where rsync builds a file.
    return [host.path(path) for host in scene.fleet.hosts for path in ("/home/deploy/.ansible", "/root/.ansible")]


def _digest(path: Path) -> str:
    with path.open("rb") as file:
        return "sha256:" + hashlib.file_digest(file, "sha256").hexdigest()


@contextlib.contextmanager
def made_scene(directory: Path, hosts: int, mebibytes: int) -> Iterator[Scene]:
    """Make hosts, an archive that does not compress, and a web server that has it; all of it goes with the block."""
    fleet = Fleet(directory / "fleet", _CACHE / "fleet-root")
    for name in ("home", "local", "web"):
        directory.joinpath(name).mkdir()
    directory.joinpath("ansible.cfg").touch()
    archive = directory / "web/archive.tar.zst"
    subprocess.run(["dd", "if=/dev/urandom", f"of={archive}", "bs=1M", f"count={mebibytes}", "status=none"], check=True)
    namespace = directory / "collections/ansible_collections/sandboxops"
    namespace.mkdir(parents=True)
    namespace.joinpath("microsandbox").symlink_to(_CHECKOUT)
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    configuration = directory / "nginx.conf"
    configuration.write_text(_NGINX.format(directory=directory / "web", port=port), encoding="utf-8")
    told = os.environ.get("ANSIBLE_COLLECTIONS_PATH")
    nginx = subprocess.Popen(["nginx", "-c", configuration])
    try:
        fleet.up([Plan(name=f"h{number:02d}") for number in range(1, hosts + 1)])
        collections = Path(told) if told else namespace.parents[1]
        yield Scene(directory, fleet, archive, _digest(archive), collections, port)
    finally:
        fleet.down()
        nginx.terminate()
        nginx.wait()


def sent(cost: TreeCost, hosts: int, mebibytes: int) -> float:
    """Return what was sent, in archives per host."""
    return cost.sent_bytes / (hosts * mebibytes << 20)


def require_one_copy(costs: dict[str, TreeCost], hosts: int, mebibytes: int) -> None:
    """Check that ours sends little more than the archive to each host.

    Raises:
        SystemExit: It sends more.
    """
    for name, cost in costs.items():
        if name.startswith(_OURS) and sent(cost, hosts, mebibytes) > _MOST_SENT:
            raise SystemExit(
                f"{name}: {sent(cost, hosts, mebibytes):.2f} archives sent per host, expected at most {_MOST_SENT}"
            )


def table(costs: dict[str, TreeCost], hosts: int, mebibytes: int) -> str:
    """Return the figures as Markdown, with the conditions."""
    head = "| | wall time | sent | memory of the controller | temporary, controller | temporary, one host |"
    rows = [
        f"| {name} | {cost.seconds:.0f} s | {sent(cost, hosts, mebibytes):.2f} | "
        + " | ".join(
            f"{size / (1 << 20):.0f} MiB"
            for size in (cost.peak_bytes, cost.local_temporary_bytes, cost.remote_temporary_bytes)
        )
        + " |"
        for name, cost in costs.items()
    ]
    ansible = f"ansible-core {importlib.metadata.version('ansible-core')}"
    conditions = (
        f"{hosts} hosts, an archive of {mebibytes} MiB that does not compress, one run each. {ansible}, 20 forks,"
        f" pipelining, SSH as an ordinary user with `become`. Controller, web server and hosts are one machine with"
        f" {os.cpu_count()} cores ({platform.machine()}, Linux {platform.release()}) and one disk, which is what"
        " limits all of them. *Sent* is what went over the network, in archives per host; *memory* is that of all"
        " processes on the controller together, shared pages counted once."
    )
    return "\n".join([conditions, "", head, "| --- |" + " ---: |" * 5, *rows])


def main() -> None:
    """Measure, and write the page."""
    parser = argparse.ArgumentParser(description="Measure how an archive gets to many hosts.")
    parser.add_argument("--hosts", type=int, default=20)
    parser.add_argument("--mib", type=int, default=1024)
    parser.add_argument("--short", action="store_true", help="3 hosts and 16 MiB, and write nothing")
    options = parser.parse_args()
    hosts, mebibytes = (3, 16) if options.short else (options.hosts, options.mib)
    _CACHE.mkdir(exist_ok=True)
    os.environ["PATH"] += ":/usr/sbin:/sbin"
    os.environ["RUNLEVEL"] = "1"  # a package that has a service does not start it
    require_programs({**FLEET_PROGRAMS, "nginx": "nginx-light", "rsync": "rsync"})
    ensure_base_root(_CACHE / "fleet-root")  # which may need the network
    use_own_network()
    with (
        tempfile.TemporaryDirectory(prefix="t-", dir=_CACHE) as directory,
        made_scene(Path(directory), hosts, mebibytes) as scene,
    ):
        costs = measure_all(scene)
    found = table(costs, hosts, mebibytes)
    if options.short:
        print(found)
    require_one_copy(costs, hosts, mebibytes)
    if options.short:
        return
    page = _PAGE.read_text(encoding="utf-8")
    before, rest = page.split(_BEGIN)
    _PAGE.write_text(f"{before}{_BEGIN}\n\n{found}\n\n{_END}{rest.split(_END)[1]}", encoding="utf-8")


if __name__ == "__main__":
    main()
