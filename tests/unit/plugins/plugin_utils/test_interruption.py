# Copyright: (c) 2026, sandboxops contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What comes from the keyboard ends a process, but not before it has undone what it had begun."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from ansible_collections.sandboxops.microsandbox.plugins.plugin_utils.interruption import undoing_first

_PATIENCE_SECONDS = 20
_MODULE = "ansible_collections.sandboxops.microsandbox.plugins.plugin_utils.interruption"

# Says when it can be interrupted, and takes its time to undo what it has begun.
_PROGRAM = f"""
import signal, sys, time
from {_MODULE} import undoing_first
for number in (signal.SIGINT, signal.SIGTERM):
    signal.signal(number, signal.SIG_DFL)
with undoing_first():
    try:
        print("begun", flush=True)
        time.sleep(60)
    finally:
        print("undoing", flush=True)
        sys.stdin.readline()
        print("undone", flush=True)
"""


@pytest.fixture
def process(collections_path: Path) -> Iterator[subprocess.Popen[str]]:
    with subprocess.Popen(
        [sys.executable, "-c", _PROGRAM],
        env=os.environ | {"PYTHONPATH": str(collections_path)},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as started:
        assert started.stdout is not None
        assert started.stdout.readline() == "begun\n"
        yield started
        started.kill()


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_undoes_first_and_then_does_what_it_does_otherwise(
    process: subprocess.Popen[str], number: signal.Signals
) -> None:
    process.send_signal(number)
    assert process.communicate("\n", timeout=_PATIENCE_SECONDS)[0] == "undoing\nundone\n"
    assert process.returncode == -number


def test_what_comes_later_does_not_disturb_the_undoing(process: subprocess.Popen[str]) -> None:
    assert process.stdout is not None
    process.send_signal(signal.SIGINT)
    assert process.stdout.readline() == "undoing\n"
    process.send_signal(signal.SIGTERM)
    process.send_signal(signal.SIGINT)
    assert process.communicate("\n", timeout=_PATIENCE_SECONDS)[0] == "undone\n"
    assert process.returncode == -signal.SIGINT


def test_without_a_signal_all_is_as_it_was() -> None:
    before = [signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)]
    with undoing_first():
        assert [signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)] != before
    assert [signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)] == before


def test_a_thread_that_gets_no_signals_does_its_work() -> None:
    done: list[bool] = []

    def work() -> None:
        with undoing_first():
            done.append(True)

    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
    assert done == [True]
