# Copyright: (c) 2026, sandboxops contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What clients need to reach the hosts of a fleet: known host keys, an SSH configuration and an inventory."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

from base_root import USER
from host import Host


def write_client_files(directory: Path, hosts: Sequence[Host], key: Path) -> None:
    """Write ``known_hosts``, ``ssh_config`` and ``inventory.yml``.

    Args:
        directory: Where to.
        hosts: The hosts.
        key: Private key of who may log in.
    """
    known = directory / "known_hosts"
    known.write_text("".join(f"[{h.address}]:{h.port} {h.public_key}\n" for h in hosts), encoding="utf-8")
    config = directory / "ssh_config"
    stanzas = [f"Host {h.name}\n  HostName {h.address}\n  Port {h.port}\n" for h in hosts]
    common = {
        "User": USER,
        "IdentityFile": f'"{key}"',
        "IdentitiesOnly": "yes",
        "StrictHostKeyChecking": "yes",
        "UserKnownHostsFile": f'"{known}"',
        "GlobalKnownHostsFile": "/dev/null",
        "LogLevel": "ERROR",
        "ConnectTimeout": "5",
    }
    stanzas.append("Host *\n" + "".join(f"  {name} {value}\n" for name, value in common.items()))
    config.write_text("".join(stanzas), encoding="utf-8")
    inventory = {
        "fleet": {
            "hosts": {
                h.name: {
                    "ansible_host": h.address,
                    "ansible_port": h.port,
                    "ansible_python_interpreter": h.plan.python,
                }
                for h in hosts
            },
            "vars": {
                "ansible_user": USER,
                "ansible_become": True,
                "ansible_ssh_common_args": f"-F '{config}'",
            },
        }
    }
    # JSON is YAML as well.
    directory.joinpath("inventory.yml").write_text(json.dumps(inventory, indent=2) + "\n", encoding="utf-8")
