# Copyright: (c) 2026, sandboxops contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""One host of a fleet: its own root, processes, mounts and host name, and its own SSH server on the loopback."""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import signal
import socket
import subprocess
import time
from dataclasses import asdict, dataclass
from pathlib import Path

from base_root import UID, USER, BaseRoot, FleetError
from disks import Disk, cut_power, make_image, wait_until_detached

_INIT = Path(__file__).with_name("init.sh")
_START_SECONDS = 30.0
_STOP_SECONDS = 10.0
_SSHD = """\
Port {port}
ListenAddress {address}
HostKey /etc/ssh/ssh_host_ed25519_key
PidFile none
UsePAM no
UseDNS no
PermitRootLogin prohibit-password
PasswordAuthentication no
AuthorizedKeysFile .ssh/authorized_keys
Subsystem sftp internal-sftp
MaxStartups 100:30:200
MaxSessions 100
"""


@dataclass(frozen=True)
class Plan:
    """What a host is to be like.

    Attributes:
        name: Its name.
        zstd: Whether its Python has a zstd library.
        disks: File systems of its own; without one for ``/`` its root lies in a directory of this machine.
        binds: Directories of this machine that it has at the same place, read-only.
        python: Its interpreter for Ansible.
    """

    name: str
    zstd: bool = True
    disks: tuple[Disk, ...] = ()
    binds: tuple[str, ...] = ()
    python: str = "/usr/bin/python3"


class Host:
    """A host, running or not, in a directory that has all that outlives its power.

    Args:
        directory: Its directory; its name is that of the host.
    """

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self.name = directory.name
        facts = json.loads(directory.joinpath("host.json").read_text(encoding="utf-8"))
        self.address: str = facts["address"]
        self.port: int = facts["port"]
        self.plan = Plan(
            name=facts["name"],
            zstd=facts["zstd"],
            disks=tuple(Disk(**disk) for disk in facts["disks"]),
            binds=tuple(facts["binds"]),
            python=facts["python"],
        )

    @classmethod
    def make(cls, directory: Path, plan: Plan, address: str, base: BaseRoot, client_key: Path) -> Host:
        """Make a host that has never run.

        Args:
            directory: Directory to make for it.
            plan: What it is to be like.
            address: Its address on the loopback.
            base: What its root is made of.
            client_key: Private key of who may log in; the public one lies beside it.
        """
        for part in ("root", "disk/upper", "disk/work", "identity"):
            directory.joinpath(part).mkdir(parents=True)
        for name, layer in (("plain", base.plain), ("zstd", base.zstd)):
            directory.joinpath(name).symlink_to(layer)
        port = _free_port(address)
        _write_identity(directory / "identity", plan.name, _SSHD.format(port=port, address=address), client_key)
        for number, disk in enumerate(plan.disks):
            make_image(disk, directory / f"disk-{number}")
        facts = asdict(plan) | {"address": address, "port": port}
        directory.joinpath("host.json").write_text(json.dumps(facts, indent=2), encoding="utf-8")
        return cls(directory)

    @property
    def public_key(self) -> str:
        """Return the public key of its SSH server."""
        return self.directory.joinpath("identity/etc/ssh/ssh_host_ed25519_key.pub").read_text(encoding="utf-8").strip()

    @property
    def log(self) -> Path:
        """Return what it has printed."""
        return self.directory / "log"

    @property
    def is_running(self) -> bool:
        """Return whether its processes live; another process that got its number does not count."""
        pid, born = self._process()
        return pid is not None and _birth(pid) == born

    def path(self, path: str) -> Path:
        """Return where this machine finds a path of the running host."""
        pid, dummy = self._process()
        if pid is None or not self.is_running:
            raise FleetError(f"{self.name} is not running")
        children = Path(f"/proc/{pid}/task/{pid}/children").read_text(encoding="ascii").split()
        return Path(f"/proc/{children[0]}/root", path.lstrip("/"))

    def start(self) -> None:
        """Switch it on, and wait until its SSH server answers; does nothing when it runs.

        Raises:
            FleetError: It does not come up.
        """
        if self.is_running:
            return
        for number in range(len(self.plan.disks)):
            wait_until_detached(self.directory / f"disk-{number}")
        shutil.rmtree(self.directory / "disk/work/work", ignore_errors=True)
        environment = {
            "PATH": os.environ.get("PATH", os.defpath) + ":/usr/sbin:/sbin",
            "HOST_NAME": self.name,
            "LAYERS": "identity:zstd:plain" if self.plan.zstd else "identity:plain",
            "DISKS": "\n".join(f"{n} {disk.path}" for n, disk in enumerate(self.plan.disks)),
            "BINDS": "\n".join(self.plan.binds),
        }
        namespaces = ["unshare", "--mount", "--pid", "--uts", "--ipc", "--fork", "--kill-child=SIGKILL"]
        with self.log.open("ab") as log:
            process = subprocess.Popen(
                [*namespaces, "bash", _INIT],
                cwd=self.directory,
                env=environment,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )
        record = f"{process.pid} {_birth(process.pid)}"
        self.directory.joinpath("process").write_text(record, encoding="ascii")
        deadline = time.monotonic() + _START_SECONDS
        while not self.answers():
            if process.poll() is not None or time.monotonic() > deadline:
                self._kill()
                raise FleetError(f"{self.name} does not come up:\n{self.log.read_text(errors='replace')[-2000:]}")
            time.sleep(0.02)

    def answers(self) -> bool:
        """Return whether its SSH server answers."""
        try:
            with socket.create_connection((self.address, self.port), timeout=2) as connection:
                return connection.recv(4) == b"SSH-"
        except OSError:
            return False

    def lose_power(self) -> None:
        """Cut its power: its disks lose what is not durable, and everything that runs on it is gone."""
        if self.is_running:
            for disk in self.plan.disks:
                cut_power(self.path(disk.seen_at))
        self._kill()

    def _kill(self) -> None:
        """End its processes; the kernel ends all of a namespace whose first process goes."""
        pid, dummy = self._process()
        deadline = time.monotonic() + _STOP_SECONDS
        while pid is not None and self.is_running:
            os.kill(pid, signal.SIGKILL)
            with contextlib.suppress(ChildProcessError):  # another process may have started it
                os.waitpid(pid, os.WNOHANG)
            if time.monotonic() > deadline:
                raise FleetError(f"{self.name} does not end")
            time.sleep(0.01)
        self.directory.joinpath("process").unlink(missing_ok=True)

    def _process(self) -> tuple[int | None, str]:
        try:
            pid, born = self.directory.joinpath("process").read_text(encoding="ascii").split()
        except FileNotFoundError:
            return None, ""
        return int(pid), born


def _write_identity(layer: Path, name: str, sshd: str, client_key: Path) -> None:
    """Write what only this host has, as a layer of its root."""
    ssh = layer / "etc/ssh"
    ssh.mkdir(parents=True)
    make_key(ssh / "ssh_host_ed25519_key", name)
    ssh.joinpath("sshd_fleet").write_text(sshd, encoding="utf-8")
    layer.joinpath("etc/hostname").write_text(f"{name}\n", encoding="utf-8")
    layer.joinpath("etc/hosts").write_text(f"127.0.0.1 localhost {name}\n", encoding="utf-8")
    for home, uid in (("root", 0), (f"home/{USER}", UID)):
        directory = layer / home / ".ssh"
        directory.mkdir(parents=True)
        keys = directory / "authorized_keys"
        keys.write_text(client_key.with_name(f"{client_key.name}.pub").read_text(encoding="utf-8"), encoding="utf-8")
        keys.chmod(0o600)
        for path in (directory.parent, directory, keys):
            os.chown(path, uid, uid)
        for path in (directory.parent, directory):
            path.chmod(0o700)


def make_key(path: Path, comment: str) -> None:
    """Make a pair of SSH keys."""
    subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", comment, "-f", path], check=True)


def _free_port(address: str) -> int:
    with socket.socket() as probe:
        probe.bind((address, 0))
        port: int = probe.getsockname()[1]
        return port


def _birth(pid: int) -> str | None:
    """Return when a living process began, in ticks since the machine did; None when there is none."""
    try:
        stat = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8", errors="replace")
    except OSError:
        return None
    state, *rest = stat.rpartition(")")[2].split()
    return None if state in "ZX" else rest[18]
