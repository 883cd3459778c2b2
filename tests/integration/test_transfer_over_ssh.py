# Copyright: (c) 2026, sandboxops contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Archives on their way to SSH hosts, as the benchmark of transfers moves and compares them."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

_BENCHMARK = Path(__file__).resolve().parents[1] / "bench/transfer.py"


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can make hosts")
def test_every_way_brings_the_same_archive_to_every_host() -> None:
    done = subprocess.run(
        [sys.executable, _BENCHMARK, "--short"], capture_output=True, text=True, check=False, timeout=900
    )
    assert done.returncode == 0, done.stdout + done.stderr
    rows = [line for line in done.stdout.splitlines() if line.startswith("| ") and " MiB |" in line]
    assert [row.split("|")[1].strip() for row in rows] == [
        "`archive_transfer`, from the controller",
        "`archive_transfer`, from the controller, SSH without `-C`",
        "`archive_transfer`, from nginx",
        "`ansible.builtin.copy`",
        "`ansible.builtin.copy`, SSH without `-C`",
        "rsync over SSH, all hosts at once",
    ]
    sent = [float(row.split("|")[3]) for row in rows if row.startswith("| `archive_transfer`")]
    assert len(sent) == 3
    assert all(1 <= archives <= 1.2 for archives in sent), done.stdout
