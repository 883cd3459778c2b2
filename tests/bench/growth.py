# Copyright: (c) 2026, sandboxops contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""How the library's cost grows with apparent size and with data."""

from __future__ import annotations

import shutil
import sys
from pathlib import Path
from statistics import median
from typing import Any

from contenders import LEVEL, Programs, link_sandbox
from measured import run
from real_062 import Sdk062
from workloads import write_pattern

_MIB = 1 << 20
_APPARENT_MIB = (1024, 4096, 16384, 65536)  # with the least data
_DATA_MIB = (1, 16, 128, 1024, 4096, 8192)  # in the apparent size below
_FILLED_MIB = 16384
_QUICK_SECONDS = 1.0
_TIMES = 3


def measure_growth(directory: Path, programs: Programs, scale: float) -> list[dict[str, Any]]:
    """Return what each job costs at each size: first with the least data, then with more and more in one size."""
    points = [(apparent, _DATA_MIB[0]) for apparent in _APPARENT_MIB] + [(_FILLED_MIB, data) for data in _DATA_MIB[1:]]
    found = []
    for apparent, data in points:
        apparent, data = max(16, int(apparent * scale)), max(1, int(data * scale))
        print(f"growth: {apparent} MiB apparent, {data} MiB of data", file=sys.stderr, flush=True)
        shutil.rmtree(directory, ignore_errors=True)
        directory.mkdir(parents=True)
        costs = _measure_point(directory, programs, apparent * _MIB, data)
        found.append({"apparent_mib": apparent, "data_mib": data, "seconds": costs})
    shutil.rmtree(directory)
    return found


def _measure_point(directory: Path, programs: Programs, apparent_bytes: int, data_mib: int) -> dict[str, float]:
    """Return the seconds of each job; at no time are there more than two copies of the data."""
    image, home = directory / "image.ext4", directory / "home"
    image.touch()
    write_pattern(image, apparent_bytes, _MIB, apparent_bytes // data_mib)
    home.mkdir()
    link_sandbox(Sdk062(programs.environment_062, home), image)
    plain = home / "snapshots/plain"
    costs = {}

    def measure(name: str, product: Path, job: str, **arguments: object) -> None:
        seconds: list[float] = []
        while not seconds or (max(seconds) < _QUICK_SECONDS and len(seconds) < _TIMES):
            _remove(product)
            seconds.append(run(programs.library(job, **arguments), programs.env).seconds)
        costs[name] = median(seconds)

    capture = {"home": home, "sandbox": "base", "path": plain}
    measure("capture with integrity", plain, "capture", **capture, integrity=True)
    measure("capture", plain, "capture", **capture, integrity=False)
    archives = {layout: directory / f"{layout}.tar.zst" for layout in ("sparse", "dense")}
    for layout, archive in archives.items():
        measure(f"export, {layout}", archive, "export", path=plain, out=archive, layout=layout, level=LEVEL)
    _remove(plain)
    installed = directory / "installed"
    for layout, archive in archives.items():
        measure(f"import, {layout}", installed, "import", archive=archive, path=installed, verify=False)
    return costs


def _remove(product: Path) -> None:
    if product.is_dir():
        shutil.rmtree(product)
    else:
        product.unlink(missing_ok=True)
