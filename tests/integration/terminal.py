# Copyright: (c) 2026, sandboxops contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A command in a terminal of its own, as a person runs it: with what it prints, and with keys to press."""

from __future__ import annotations

import contextlib
import os
import pty
import re
import select
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

_PATIENCE_SECONDS = 60  # for a play on a busy machine
_CTRL_C = b"\x03"

# Whoever starts the tests in the background has them ignore what the keyboard sends.
_LAUNCHER = """
import fcntl, os, signal, sys, termios
signal.signal(signal.SIGINT, signal.SIG_DFL)
fcntl.ioctl(0, termios.TIOCSCTTY, 0)
os.execv(sys.argv[1], sys.argv[1:])
"""


class Terminal:
    """A terminal and what runs in it.

    Attributes:
        process: What runs in it.
        printed: What it printed as far as it was read.

    Args:
        process: What runs in it.
        fd: The other end of the terminal.
    """

    def __init__(self, process: subprocess.Popen[bytes], fd: int) -> None:
        self.process = process
        self.printed = ""
        self._fd = fd

    def read_until(self, pattern: str) -> None:
        """Read until a pattern was printed."""
        while not re.search(pattern, self.printed):
            assert self._read(), f"ended without {pattern}: {self.printed}"

    def press_ctrl_c(self) -> None:
        """Interrupt what runs, as the terminal does it."""
        os.write(self._fd, _CTRL_C)

    def read_to_the_end(self) -> int:
        """Read until it ends, and return its exit status."""
        while self._read():
            pass
        return self.process.wait(_PATIENCE_SECONDS)

    def _read(self) -> bool:
        readable, *dummy = select.select([self._fd], [], [], _PATIENCE_SECONDS)
        assert readable, f"nothing for {_PATIENCE_SECONDS} s after: {self.printed}"
        try:
            content = os.read(self._fd, 4096)
        except OSError:  # what a terminal has for its end
            return False
        self.printed += content.decode(errors="replace").replace("\r\n", "\n")
        return bool(content)


@contextlib.contextmanager
def terminal(command: Sequence[str], directory: Path, environment: Mapping[str, str]) -> Iterator[Terminal]:
    """Run a command in a terminal of its own, and end it with the block if it has not ended."""
    fd, inner = pty.openpty()
    try:
        process = subprocess.Popen(
            [sys.executable, "-c", _LAUNCHER, *command],
            cwd=directory,
            env=dict(environment),
            stdin=inner,
            stdout=inner,
            stderr=inner,
            start_new_session=True,
        )
        os.close(inner)
        try:
            yield Terminal(process, fd)
        finally:
            _end(process)
    finally:
        os.close(fd)


def _end(process: subprocess.Popen[bytes]) -> None:
    deadline = time.monotonic() + 1
    while process.poll() is None and time.monotonic() < deadline:
        time.sleep(0.05)
    process.kill()
    process.wait()
