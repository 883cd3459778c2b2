# Copyright: (c) 2026, sandboxops contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""How the library's cost grows with apparent size and with data."""

from __future__ import annotations

import shutil
import sys
from pathlib import Path
from typing import Any

from contenders import LEVEL, Programs, link_sandbox
from measured import run
from real_062 import Sdk062
from workloads import write_pattern

_MIB = 1 << 20
_APPARENT_MIB = (1024, 4096, 16384, 65536)
_DATA_MIB = (1, 16, 128, 1024, 4096, 8192)


def measure_growth(directory: Path, programs: Programs, scale: float) -> list[dict[str, Any]]:
    """Return what each job costs at each size: first with 1 MiB of data, then at the largest apparent size."""
    largest = _APPARENT_MIB[-1]
    points = [(apparent, 1) for apparent in _APPARENT_MIB] + [(largest, data) for data in _DATA_MIB[1:]]
    found = []
    for apparent, data in points:
        apparent, data = max(16, int(apparent * scale)), max(1, int(data * scale))
        print(f"growth: {apparent} MiB apparent, {data} MiB of data", file=sys.stderr, flush=True)
        shutil.rmtree(directory, ignore_errors=True)
        directory.mkdir()
        costs = _measure_point(directory, programs, apparent * _MIB, data)
        found.append({"apparent_mib": apparent, "data_mib": data, "seconds": costs})
    shutil.rmtree(directory)
    return found


def _measure_point(directory: Path, programs: Programs, apparent_bytes: int, data_mib: int) -> dict[str, float]:

    image, home = directory / "image.ext4", directory / "home"
    image.touch()
    write_pattern(image, apparent_bytes, _MIB, apparent_bytes // data_mib)
    home.mkdir()
    link_sandbox(Sdk062(programs.environment_062, home), image)
    plain = home / "snapshots/plain"
    costs = {}

    def measure(name: str, job: str, **arguments: object) -> None:
        costs[name] = run(programs.library(job, **arguments), programs.env).seconds

    for attempt in range(2):  # the second has everything in the page cache and its figures stay
        shutil.rmtree(plain, ignore_errors=True)
        measure("capture", "capture", home=home, sandbox="base", path=plain, integrity=False)
        for layout in ("sparse", "dense"):
            archive = directory / f"{layout}.tar.zst"
            installed = directory / f"installed-{layout}"
            measure(f"export, {layout}", "export", path=plain, out=archive, layout=layout, level=LEVEL)
            measure(f"import, {layout}", "import", archive=archive, path=installed, verify=False)
            shutil.rmtree(installed)
        if attempt == 1:
            shutil.rmtree(plain)
            measure("capture with integrity", "capture", home=home, sandbox="base", path=plain, integrity=True)
    return costs
