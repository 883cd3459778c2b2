# Copyright: (c) 2026, sandboxops contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Make, start, stop and look at a fleet of SSH hosts on this machine, without a container engine. Needs root.

usage: python tests/fleet up 20                       twenty hosts h01 to h20
       python tests/fleet up 5 --no-zstd h02 --disk h03:/srv=xfs:512 --bind h04:/opt/python
       python tests/fleet up builder web db           three hosts of these names
       python tests/fleet kill h03                    the power of h03 is lost, and what its disks had not made durable
       python tests/fleet kill h03 --when '/srv/*/x'  the same, once the host has such a path
       python tests/fleet start h03                   it comes back with the disks that it had
       python tests/fleet status | down
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from pathlib import Path

from base_root import FleetError
from disks import Disk
from fleet import Fleet
from host import Host, Plan

_CACHE = Path(__file__).resolve().parents[2] / ".cache"
_POLL_SECONDS = 0.001


def main() -> int:
    """Carry out one command, and return the exit status."""
    options = _parse_arguments()
    fleet = Fleet(options.directory, options.cache)
    try:
        if options.command == "up":
            began = time.monotonic()
            fleet.up(_plans(options))
            print(f"{len(fleet.hosts)} hosts in {time.monotonic() - began:.2f} s: {fleet.inventory}")
        elif options.command == "down":
            fleet.down()
        elif options.command == "status":
            states = {h.name: "running" if h.is_running else "off" for h in fleet.hosts}
            print(json.dumps(states, indent=2))
        else:
            for host in [fleet.host(name) for name in options.names]:
                if options.command == "start":
                    host.start()
                else:
                    _kill(host, options.when, options.within)
    except FleetError as exc:
        print(f"fleet: {exc}", file=sys.stderr)
        return 1
    return 0


def _kill(host: Host, when: str, seconds: float) -> None:
    """Cut a host's power, at once or when it has a path that matches a pattern."""
    if when:
        root, pattern = host.path("/"), when.lstrip("/")
        deadline = time.monotonic() + seconds
        while next(root.glob(pattern), None) is None:
            if time.monotonic() > deadline:
                raise FleetError(f"{host.name} has had no {when} within {seconds:.0f} s")
            time.sleep(_POLL_SECONDS)
    host.lose_power()


def _plans(options: argparse.Namespace) -> list[Plan]:
    names = options.hosts
    if len(names) == 1 and names[0].isdecimal():
        names = [f"h{number:02d}" for number in range(1, int(names[0]) + 1)]
    asked = {name for name, dummy in (*options.disk, *options.bind, *options.python)} | set(options.no_zstd)
    unknown = sorted(asked - set(names))
    if unknown:
        raise FleetError(f"no such host: {', '.join(unknown)}")
    pythons = dict(options.python)
    return [
        Plan(
            name=name,
            zstd=name not in options.no_zstd,
            disks=tuple(Disk.parse(text) for host, text in options.disk if host == name),
            binds=tuple(path for host, path in options.bind if host == name),
            python=pythons.get(name, Plan.python),
        )
        for name in names
    ]


def _parse_arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="tests/fleet", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--directory", type=Path, default=_CACHE / "fleet", help="of the fleet (default: %(default)s)")
    parser.add_argument("--cache", type=Path, default=_CACHE / "fleet-root", help="of the root that hosts share")
    commands = parser.add_subparsers(dest="command", required=True)
    up = commands.add_parser("up", help="make hosts anew and start them")
    up.add_argument("hosts", nargs="+", help="how many, or their names")
    up.add_argument("--no-zstd", nargs="*", default=[], metavar="HOST")
    up.add_argument("--disk", nargs="*", default=[], type=_of_host, metavar="HOST:PATH=KIND:MEBIBYTES")
    up.add_argument("--bind", nargs="*", default=[], type=_of_host, metavar="HOST:PATH", help="of this machine")
    up.add_argument("--python", nargs="*", default=[], type=_of_host, metavar="HOST:PATH")
    for command, words in (("kill", "cut the power of hosts"), ("start", "switch hosts on")):
        commands.add_parser(command, help=words).add_argument("names", nargs="+")
    kill = commands.choices["kill"]
    kill.add_argument("--when", default="", metavar="PATTERN", help="only once the host has a path that matches")
    kill.add_argument("--within", type=float, default=120.0, metavar="SECONDS")
    commands.add_parser("status", help="say which hosts run")
    commands.add_parser("down", help="end all hosts and remove them")
    return parser.parse_args()


def _of_host(text: str) -> tuple[str, str]:
    host, dummy, value = text.partition(":")
    return host, value


if __name__ == "__main__":
    sys.exit(main())
