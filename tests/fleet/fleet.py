# Copyright: (c) 2026, sandboxops contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A fleet of SSH hosts on this machine, without a container engine."""

from __future__ import annotations

import concurrent.futures
import os
import shutil
from collections.abc import Sequence
from pathlib import Path

from base_root import FleetError, ensure_base_root
from client_files import write_client_files
from host import Host, Plan, make_key

_PROGRAMS = ("losetup", "mkfs.ext4", "mkfs.xfs", "mmdebstrap", "ssh", "ssh-keygen", "unshare")
_MOST_HOSTS = 250


class Fleet:
    """The hosts below a directory; other runs find them there again.

    Attributes:
        inventory: For Ansible: all hosts, as an ordinary user that may become root.

    Args:
        directory: Where everything lies that hosts have and clients need.
        cache: Where the root that hosts share is kept.
    """

    def __init__(self, directory: Path, cache: Path) -> None:
        self.inventory = directory / "inventory.yml"
        self._directory = directory.absolute()
        self._cache = cache.absolute()

    @property
    def hosts(self) -> list[Host]:
        """Return all hosts, by name."""
        return [Host(facts.parent) for facts in sorted(self._directory.glob("hosts/*/host.json"))]

    def host(self, name: str) -> Host:
        """Return the host of that name.

        Raises:
            FleetError: There is none.
        """
        for host in self.hosts:
            if host.name == name:
                return host
        raise FleetError(f"{self._directory} has no host {name}; it has: {', '.join(h.name for h in self.hosts)}")

    def up(self, plans: Sequence[Plan]) -> None:
        """Make hosts anew and start them; what an earlier run has left below the directory goes.

        Args:
            plans: What they are to be like.

        Raises:
            FleetError: The machine cannot carry them, or one does not come up.
        """
        _require(plans)
        self.down()
        base = ensure_base_root(self._cache)
        self._directory.mkdir(parents=True, exist_ok=True)
        key = self._directory / "id_ed25519"
        make_key(key, "fleet")
        directory = self._directory / "hosts"
        hosts = [
            Host.make(directory / plan.name, plan, f"127.0.0.{number}", base, key)
            for number, plan in enumerate(plans, start=2)
        ]
        write_client_files(self._directory, hosts, key)
        with concurrent.futures.ThreadPoolExecutor(os.cpu_count()) as pool:
            list(pool.map(Host.start, hosts))

    def down(self) -> None:
        """End all hosts and remove what they have; the root that they share stays."""
        for host in self.hosts:
            host.lose_power()
        shutil.rmtree(self._directory / "hosts", ignore_errors=True)
        for name in ("id_ed25519", "id_ed25519.pub", "inventory.yml", "known_hosts", "ssh_config"):
            self._directory.joinpath(name).unlink(missing_ok=True)


def _require(plans: Sequence[Plan]) -> None:
    if os.geteuid() != 0:
        raise FleetError("hosts need namespaces and mounts, which only root can make")
    path = os.pathsep.join([os.environ.get("PATH", os.defpath), "/usr/sbin", "/sbin"])
    missing = [name for name in _PROGRAMS if not shutil.which(name, path=path)]
    if missing:
        raise FleetError(f"programs are missing: {', '.join(missing)}")
    if not 0 < len(plans) <= _MOST_HOSTS or len({plan.name for plan in plans}) != len(plans):
        raise FleetError(f"a fleet has 1 to {_MOST_HOSTS} hosts, each with a name of its own")
