# Copyright: (c) 2026, sandboxops contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Run programs that download: one broken connection among hundreds of packages is no reason to fail."""

from __future__ import annotations

import subprocess
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

_PAUSES = (5, 20)  # seconds before the second and the third attempt


def run_patiently(command: Sequence[str | Path], env: Mapping[str, str] | None = None) -> None:
    """Run a program to its end, up to three times until it succeeds.

    Args:
        command: Program and arguments.
        env: Its environment variables, if not those of this process.

    Raises:
        subprocess.CalledProcessError: The last attempt failed.
    """
    for pause in _PAUSES:
        if subprocess.run(command, env=env, check=False).returncode == 0:
            return
        print(f"{Path(command[0]).name} failed, once more in {pause} s", flush=True)
        time.sleep(pause)
    subprocess.run(command, env=env, check=True)
