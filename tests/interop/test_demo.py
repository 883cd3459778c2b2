# Copyright: (c) 2026, sandboxops contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The demo runs to a good verdict, and its verdict is a bad one where a run is not as promised."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

_CHECKOUT = Path(__file__).resolve().parents[2]
_JUDGE = _CHECKOUT / "tests/demo/compare_runs.py"

_CHANGED = """
TASK [Capture the sandbox] *****
changed: [builder]

TASK [Import the archive] *****
changed: [host2] => (item=one)
changed: [host1]

PLAY RECAP *****
builder                    : ok=2    changed=1    unreachable=0    failed=0    skipped=0    rescued=0    ignored=0
host1                      : ok=2    changed=1    unreachable=0    failed=0    skipped=0    rescued=0    ignored=0
host2                      : ok=2    changed=1    unreachable=0    failed=0    skipped=0    rescued=0    ignored=0
"""
_UNCHANGED = _CHANGED.replace("changed: [", "ok: [").replace("changed=1", "changed=0")


def _judge(directory: Path, predicted: str, first: str, second: str) -> subprocess.CompletedProcess[str]:
    logs = []
    for name, text in (("predicted", predicted), ("first", first), ("second", second)):
        logs.append(directory / name)
        logs[-1].write_text(text, encoding="utf-8")
    return subprocess.run([sys.executable, _JUDGE, *logs], capture_output=True, text=True, check=False)


def test_the_demo_runs_to_a_good_verdict() -> None:
    done = subprocess.run([_CHECKOUT / "demo.sh"], capture_output=True, text=True, check=False)

    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stdout.splitlines()[-1].startswith("demo: OK")


def test_runs_as_promised_are_judged_good(tmp_path: Path) -> None:
    done = _judge(tmp_path, _CHANGED, _CHANGED, _UNCHANGED)

    assert (done.returncode, done.stdout[:8]) == (0, "demo: OK")


@pytest.mark.parametrize(
    ("predicted", "first", "second", "sentence"),
    [
        (
            _CHANGED.replace("changed: [host1]", "ok: [host1]"),
            _CHANGED,
            _UNCHANGED,
            "check mode did not predict: Import the archive on host1",
        ),
        (
            _CHANGED,
            _CHANGED.replace("changed: [host1]", "ok: [host1]"),
            _UNCHANGED,
            "check mode predicted in vain: Import the archive on host1",
        ),
        (_CHANGED, _CHANGED, _CHANGED, "the second run changed 1 on builder"),
        (_UNCHANGED, _UNCHANGED, _UNCHANGED, "the first run changed nothing on builder"),
    ],
)
def test_a_run_that_breaks_the_promise_is_named(
    tmp_path: Path, predicted: str, first: str, second: str, sentence: str
) -> None:
    done = _judge(tmp_path, predicted, first, second)

    assert done.returncode == 1
    assert sentence in done.stdout.splitlines()


@pytest.mark.parametrize("output", ["", _CHANGED.replace("failed=0", "failed=1"), _CHANGED.partition("PLAY")[0]])
def test_a_run_that_failed_or_did_not_end_is_judged_bad(tmp_path: Path, output: str) -> None:
    assert _judge(tmp_path, _CHANGED, _CHANGED, output).returncode != 0
