# Copyright: (c) 2026, sandboxops contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a program and all that it starts cost: time, memory of all together, bytes on the loopback, temporary space."""

from __future__ import annotations

import ctypes
import fcntl
import os
import socket
import struct
import subprocess
import threading
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

_SAMPLE_SECONDS = 0.5
_CLONE_NEWNET = 0x40000000
_SIOCSIFFLAGS = 0x8914
_IFF_UP = 1


@dataclass(frozen=True)
class TreeCost:
    """What a run cost.

    Attributes:
        seconds: From start to exit.
        peak_bytes: Memory of all its processes together at the peak, shared pages counted once (PSS).
        sent_bytes: What went over the loopback interface meanwhile, in both directions.
        local_temporary_bytes: Most that lay in the temporary directory on the controller.
        remote_temporary_bytes: Most that lay in the temporary directory of one host.
    """

    seconds: float
    peak_bytes: int
    sent_bytes: int
    local_temporary_bytes: int
    remote_temporary_bytes: int


class RunError(Exception):
    """A program that was to be measured ended with an error; the message has its output."""


def measure(
    command: Sequence[str | Path],
    env: Mapping[str, str],
    mark: str,
    local: Path,
    remote: Callable[[], Iterable[Path]],
) -> TreeCost:
    """Run a program to its end, and look twice a second what it and its helpers take.

    Args:
        command: Program and arguments.
        env: Its environment.
        mark: Text in the command lines of helpers that leave the tree of processes, such as SSH masters.
        local: Temporary directory on the controller.
        remote: Returns the temporary directories of the hosts.
    """
    os.sync()
    over = threading.Event()
    peaks = [0, 0, 0]
    began_bytes, began = _loopback_bytes(), time.monotonic()
    with subprocess.Popen(command, env=env, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True) as process:

        def watch() -> None:
            while not over.wait(_SAMPLE_SECONDS):
                now = (_memory(_tree(process.pid, mark)), tree_bytes(local), max(map(tree_bytes, remote()), default=0))
                peaks[:] = map(max, peaks, now)

        watcher = threading.Thread(target=watch)
        watcher.start()
        printed, dummy = process.communicate()
        seconds = time.monotonic() - began
        over.set()
        watcher.join()
    if process.returncode:
        raise RunError(f"{command[0]} ended with {process.returncode}:\n{printed[-4000:]}")
    return TreeCost(seconds, peaks[0], _loopback_bytes() - began_bytes, peaks[1], peaks[2])


def tree_bytes(directory: Path) -> int:
    """Return what the files below a directory take on the disk; those that go meanwhile count nothing."""
    total = 0
    for parent, dummy, names in os.walk(directory):
        for name in names:
            try:
                total += os.lstat(os.path.join(parent, name)).st_blocks * 512
            except FileNotFoundError:
                continue
    return total


def use_own_network() -> None:
    """Give this process, and all that it starts from now on, a network where nobody else sends anything.

    Raises:
        OSError: It may not; only root may.
    """
    if ctypes.CDLL(None, use_errno=True).unshare(_CLONE_NEWNET):
        raise OSError(ctypes.get_errno(), "cannot make a network of its own")
    with socket.socket() as any_socket:
        fcntl.ioctl(any_socket, _SIOCSIFFLAGS, struct.pack("16sH14x", b"lo", _IFF_UP))


def _loopback_bytes() -> int:
    # The files below /sys are those of the network that it was mounted in.
    (lo,) = [line for line in Path("/proc/self/net/dev").read_text("ascii").splitlines() if "lo:" in line.split()]
    return int(lo.split()[9])


def _tree(root: int, mark: str) -> set[int]:
    """Return a process, all that descend from it, and those whose command line has the mark."""
    parents: dict[int, int] = {}
    marked = set()
    for entry in Path("/proc").iterdir():
        if not entry.name.isdecimal():
            continue
        try:
            parents[int(entry.name)] = int(entry.joinpath("stat").read_bytes().rpartition(b")")[2].split()[1])
            if mark.encode() in entry.joinpath("cmdline").read_bytes():
                marked.add(int(entry.name))
        except (FileNotFoundError, ProcessLookupError):
            continue
    found = {root, *marked}
    while new := {pid for pid, parent in parents.items() if parent in found} - found:
        found |= new
    return found


def _memory(pids: Iterable[int]) -> int:
    total = 0
    for pid in pids:
        try:
            lines = Path(f"/proc/{pid}/smaps_rollup").read_text(encoding="ascii").splitlines()
        except (FileNotFoundError, ProcessLookupError):
            continue
        total += sum(int(line.split()[1]) * 1024 for line in lines if line.startswith("Pss:"))
    return total
