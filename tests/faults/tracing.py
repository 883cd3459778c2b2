# Copyright: (c) 2026, sandboxops contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Operations under strace: the system calls that they make in their world, and faults put into single calls.

The operation runs in a fork of this process, where everything is imported already, and strace attaches to it before it
begins: so the numbers of its calls, by which faults are placed, are the same in every run.
"""

from __future__ import annotations

import json
import os
import re
import select
import shutil
import signal
import subprocess
import tempfile
import time
import traceback
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Callable, NoReturn

from worlds import Operation

# The C library makes preadv2 and pwritev2 of what Python calls preadv and pwritev.
_CHANGING = (
    "openat,write,pwrite64,copy_file_range,ioctl,ftruncate,fallocate,fsync,fdatasync,rename,renameat,renameat2,linkat,"
    "unlink,unlinkat,mkdir,mkdirat,rmdir,fchmod,fchown,fchownat,lchown,fsetxattr,flock,fcntl"
)
_READING_DATA = ("readv", "preadv2")
_READING = (*_READING_DATA, "read", "pread64", "lseek", "getdents64")
_OPENS_FOR_WRITING = re.compile(r"O_(WRONLY|RDWR|CREAT)")
_LOCKS_OR_CLONES = re.compile(r"F_(OFD_)?SETLK|FICLONE")
# What a failed call has not read is shown as an address.
_BUFFER = re.compile(r"\"\"(\.\.\.)?(?=[,}])|0x[0-9a-f]{6,}|\[\{iov_base=[^]]*\]")
_ENTRIES = re.compile(r" /\* \d+ entries \*/")
_RANDOM = re.compile(r"(?<=staging-)[0-9a-f]{16}|(?<=/tmp/)(microsandbox-)?\w{8}|\b\d+(?=<)")


@dataclass(frozen=True)
class Call:
    """A system call of the operation in its world.

    Attributes:
        name: The system call.
        number: How many calls of that name its thread has made by then, this one included; on the same file when it is
            not the main thread.
        text: The call with its arguments, without what differs from run to run.
        only_on: The file, in the world, on which alone calls are numbered and given faults, so that a thread's are told
            from those of the main thread, which makes fewer; None for the main thread's.
    """

    name: str
    number: int
    text: str
    only_on: str | None = None

    @property
    def is_reading(self) -> bool:
        """Return whether the call changes nothing."""
        return self.name in _READING or (self.name == "openat" and not _OPENS_FOR_WRITING.search(self.text))

    @property
    def reads_data(self) -> bool:
        """Return whether it reads what uppers and files of the image cache consist of, or an archive."""
        return self.name in _READING_DATA or (self.name == "read" and "</archives/" in self.text)

    @property
    def is_private(self) -> bool:
        """Return whether it works on a private copy of the database in the world's TMPDIR."""
        return bool(re.search(r'[<"]/tmp/', self.text))


@dataclass(frozen=True)
class Ended:
    """How a run under strace ended.

    Attributes:
        result: What it returned, or None when it did not get that far.
        is_killed: Whether it died of SIGKILL.
        crash: The traceback of an exception that no module reports.
        calls: The calls that it made in its world.
        hit: The calls that a fault was put into, by its injection into calls that exist.
    """

    result: dict[str, Any] | None
    is_killed: bool
    crash: str
    calls: tuple[Call, ...]
    hit: tuple[Call, ...]

    def was_hit_at(self, call: Call) -> bool:
        """Return whether the fault was put into this call, or into another thread's call of this name and number."""
        return any((other.name, other.number) == (call.name, call.number) for other in self.hit)


def run_traced(operation: Operation, world: Path, faults: Sequence[str] = (), only_on: str | None = None) -> Ended:
    """Run an operation in a process of its own.

    Args:
        operation: What to run.
        world: Where.
        faults: What to put into its calls, as strace's ``inject`` takes it.
        only_on: The file, in the world, on which alone calls are traced and given faults.
    """
    missing = [f"{name}:error=ENOSYS" for name in operation.without]
    with tempfile.TemporaryDirectory(prefix="trace-") as directory:
        printed = Path(directory, "printed")
        child, start = _fork_waiting(operation, world, printed)
        options = [f"--inject={fault}" for fault in [*missing, *faults]]
        options += [] if only_on is None else [f"--trace-path={world}{only_on}"]
        try:
            tracer = _attach(child, Path(directory, "calls"), options)
            os.write(start, b"!")
        finally:
            os.close(start)
            dummy, status = os.waitpid(child, 0)
        tracer.communicate()
        # The first is the main thread's.
        files = sorted(Path(directory).glob("calls.*"), key=lambda path: path.suffix != f".{child}")
        reached: Counter[tuple[str, str]] = Counter()
        calls: list[Call] = []
        hit: list[Call] = []
        for file in files:
            _parse(file.read_text(encoding="utf-8"), world, reached, calls, hit)
        return _read_end(printed, status, tuple(calls), tuple(hit))


def start_apart(operation: Operation, world: Path) -> Callable[[], Ended]:
    """Start an operation in a process of its own, and return what waits for its end."""
    directory = tempfile.TemporaryDirectory(prefix="run-")
    printed = Path(directory.name, "printed")
    child, start = _fork_waiting(operation, world, printed)
    os.write(start, b"!")
    os.close(start)

    def wait() -> Ended:
        dummy, status = os.waitpid(child, 0)
        with directory:
            return _read_end(printed, status, (), ())

    return wait


def run_for(operation: Operation, world: Path, seconds: float | None, stop: Callable[[], object]) -> Ended:
    """Run an operation in a process of its own, and kill it as soon as it was stopped from outside.

    Args:
        operation: What to run.
        world: Where.
        seconds: When to stop it; it may have ended by then. None: as soon as it has ended.
        stop: What stops it.
    """
    with tempfile.TemporaryDirectory(prefix="run-") as directory:
        printed = Path(directory, "printed")
        child, start = _fork_waiting(operation, world, printed)
        os.write(start, b"!")
        os.close(start)
        if seconds is None:
            os.waitid(os.P_PID, child, os.WEXITED | os.WNOWAIT)
        else:
            time.sleep(seconds)
        stop()
        os.kill(child, signal.SIGKILL)
        dummy, status = os.waitpid(child, 0)
        return _read_end(printed, status, (), ())


def _read_end(printed: Path, status: int, calls: tuple[Call, ...], hit: tuple[Call, ...]) -> Ended:
    text = printed.read_text(encoding="utf-8")
    is_crash = text.startswith("Traceback")
    result = json.loads(text) if text and not is_crash else None
    is_killed = os.WIFSIGNALED(status) and os.WTERMSIG(status) == signal.SIGKILL
    return Ended(result, is_killed and result is None, text if is_crash else "", calls, hit)


def _fork_waiting(operation: Operation, world: Path, printed: Path) -> tuple[int, int]:
    """Start a process that runs the operation once it is sent a byte; return its id and where to write that byte."""
    reader, writer = os.pipe()
    # Opened before the faults begin, which may be in every later call.
    result = os.open(printed, os.O_WRONLY | os.O_CREAT, 0o600)
    child = os.fork()
    if child == 0:
        os.close(writer)
        _run_child(operation, world, result, reader)
    os.close(reader)
    os.close(result)
    return child, writer


def _run_child(operation: Operation, world: Path, result: int, reader: int) -> NoReturn:
    """Run the operation and end the process: a fork must never return into the caller's frames."""
    text = ""
    try:
        os.chdir("/")
        tempfile.tempdir = str(world / "tmp")
        # No call that is counted: strace may or may not see it begin.
        waiting = select.poll()
        waiting.register(reader, select.POLLIN)
        if waiting.poll()[0][1] & select.POLLIN:
            text = json.dumps(operation.run(world))
    except BaseException:  # noqa: BLE001
        text = traceback.format_exc()
    finally:
        # By a call that no fault is put into.
        os.pwritev(result, [text.encode()], 0)
        os._exit(0)


def _attach(process: int, trace: Path, options: Sequence[str]) -> subprocess.Popen[str]:
    # One file for each thread, so that no line is torn. Each counts its own calls, and so does strace for its faults.
    command = ["strace", "--follow-forks", "--output-separately", "--decode-fds=path", "--string-limit=0"]
    command += ["--signal=none", f"--trace={_CHANGING},{','.join(_READING)}", f"--output={trace}"]
    command += [*options, f"--attach={process}"]
    tracer = subprocess.Popen(command, stderr=subprocess.PIPE, text=True)
    assert tracer.stderr is not None
    line = tracer.stderr.readline()
    if "attached" not in line:
        raise AssertionError(f"strace does not attach: {line}{tracer.communicate()[1]}")
    return tracer


def _parse(trace: str, world: Path, reached: Counter[tuple[str, str]], calls: list[Call], hit: list[Call]) -> None:
    """Add a thread's calls in the world, and those of them that a fault was put into.

    Args:
        trace: What strace wrote of the thread.
        world: The world.
        reached: How many calls of a name the threads before this one made on a file; nothing for the main thread. A
            fault with a number that they reach is theirs.
        calls: Where calls are added.
        hit: Where calls with a fault are added.
    """
    is_main = not calls
    made: Counter[str] = Counter()
    made_on: Counter[tuple[str, str]] = Counter()
    place = re.compile(rf'[<"]{re.escape(str(world))}(?=[/>"])([^>"]*)')
    for line in trace.splitlines():
        name, bracket, arguments = line.partition("(")
        if not bracket:
            continue
        made[name] += 1
        found = place.search(arguments)
        if found is None or (name in ("fcntl", "ioctl") and not _LOCKS_OR_CLONES.search(arguments)):
            continue
        path = found.group(1)
        made_on[name, path] += 1
        if not is_main and made_on[name, path] <= reached[name, path]:
            continue
        text = f"{name}({arguments.rpartition(' = ')[0].rstrip()}".replace(str(world), "")
        text = _RANDOM.sub("*", _BUFFER.sub("*", _ENTRIES.sub("", text)))
        calls.append(Call(name, made[name], text) if is_main else Call(name, made_on[name, path], text, path))
        # A killed call has no result; strace marks the others.
        if arguments.endswith("= ?") or ("(INJECTED)" in arguments and "ENOSYS" not in arguments):
            hit.append(calls[-1])
    reached |= made_on


def why_not_here() -> str | None:
    """Return why faults cannot be put into calls here, or None when they can."""
    if shutil.which("strace") is None:
        return "strace is not installed"
    probe = subprocess.run(["strace", "-qq", "-e", "trace=none", "true"], capture_output=True, check=False)
    return None if probe.returncode == 0 else f"strace may not trace here: {probe.stderr.decode()}"
