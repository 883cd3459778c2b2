# Copyright: (c) 2026, sandboxops contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""An error names the disk that it is about: what is read and what is written may lie on two."""

from __future__ import annotations

import re
from typing import Callable, NamedTuple

import pytest
from mounts import Mount
from state import observe_state
from tracing import run_traced, start_apart
from trial import OLD, Bench


class Fault(NamedTuple):
    """An operation that an I/O error hits.

    Attributes:
        operation: Its name.
        injected: As strace takes it, or a call and a part of its text for an error of the operation's last such call.
        path: The file or directory in the world that the error is about.
    """

    operation: str
    injected: tuple[str | tuple[str, str], ...]
    path: str


_NO_REFLINK = "ioctl:error=EOPNOTSUPP"
_SANDBOX = "home/sandboxes/base/upper.ext4"
_SNAPSHOT = "home/snapshots/first/upper.ext4"
_FAULTS = {
    "capture, reading": Fault("capture, new", ("preadv2:error=EIO",), _SANDBOX),
    "capture, looking for holes": Fault("capture, new", (("lseek", _SANDBOX),), _SANDBOX),
    "capture, copying from a bad disk": Fault(
        "capture, new, no integrity", (_NO_REFLINK, "copy_file_range:error=EIO", "preadv2:error=EIO"), _SANDBOX
    ),
    "capture, copying to a bad disk": Fault(
        "capture, new, no integrity", (_NO_REFLINK, "copy_file_range:error=EIO"), "home/snapshots"
    ),
    "capture, writing": Fault("capture, new", (("pwrite64", "staging"),), "home/snapshots"),
    "export, reading": Fault("export, replacing", ("preadv2:error=EIO",), _SNAPSHOT),
    "export, opening": Fault("export, replacing", (("openat", "upper.ext4"),), _SNAPSHOT),
    "export, looking for holes": Fault("export, replacing", (("lseek", _SNAPSHOT),), _SNAPSHOT),
    "export, writing": Fault("export, replacing", (("pwrite64", "staging"),), "archives"),
    "import, reading": Fault("import, single", (("read", "large.tar"),), "archives/large.tar"),
    "import, reading the table of contents": Fault("import, single", (("pread64", "large.tar"),), "archives/large.tar"),
    "import, writing": Fault("import, single", (("pwrite64", "staging"),), "home/snapshots"),
}


@pytest.mark.parametrize("what", _FAULTS)
def test_an_error_names_the_file_that_cannot_be_read_or_the_place_that_cannot_be_written(
    what: str, bench_of: Callable[[str], Bench]
) -> None:
    fault = _FAULTS[what]
    bench = bench_of(fault.operation)
    bench.scene.reset()
    ended = run_traced(bench.operation, bench.scene.world, [_injection(bench, each) for each in fault.injected])

    assert ended.result is not None
    assert ended.result["msg"] == f"{bench.scene.world / fault.path}: Input/output error"
    assert bench.judge_end(what, ended, may_leave=True).state == OLD


@pytest.mark.parametrize("mount", ["tmpfs"], indirect=True)
def test_a_full_directory_for_temporary_files_is_named(mount: Mount, bench_of: Callable[[str], Bench]) -> None:
    bench = bench_of("capture, new")
    bench.scene.reset()
    bench.scene.world.joinpath("tmp").rmdir()
    bench.scene.world.joinpath("tmp").symlink_to(mount.path)
    said = []
    for kib in range(0, 512, 16):
        with mount.filled(kib << 10):
            ended = start_apart(bench.operation, bench.scene.world)()
        assert ended.result is not None, ended
        if not ended.result["failed"]:
            break
        said.append(ended.result["msg"])
        assert observe_state(bench.scene.world).files == bench.old.files

    assert not ended.result["failed"]
    assert said != []
    for message in said:
        assert re.search(rf"({mount.path}|{bench.scene.world}/tmp)/microsandbox-\w+/copy\.db", message), message


def test_a_private_copy_that_sqlite_cannot_read_is_named(bench_of: Callable[[str], Bench]) -> None:
    bench = bench_of("capture, new")
    bench.scene.reset()
    first = next(call for call in bench.calls if call.name == "pread64" and "/copy.db>" in call.text)
    ended = run_traced(bench.operation, bench.scene.world, [f"pread64:error=EIO:when={first.number}"])

    assert ended.result is not None
    assert (ended.result["failed"], ended.result["code"]) == (True, "state")
    assert re.search(r"SQLite cannot use \S+/microsandbox-\w+/copy\.db, a copy of \S+/msb\.db", ended.result["msg"])
    assert bench.judge_end("an error of SQLite", ended, may_leave=True).state == OLD


def _injection(bench: Bench, wanted: str | tuple[str, str]) -> str:
    if isinstance(wanted, str):
        return wanted
    name, part = wanted
    number = [call.number for call in bench.calls if call.name == name and part in call.text][-1]
    return f"{name}:error=EIO:when={number}"
