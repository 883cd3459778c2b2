# Copyright: (c) 2026, sandboxops contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The figures, kept between runs with the day and the machine that each was measured on."""

from __future__ import annotations

import datetime
import json
import os
import platform
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

_CACHE = Path(__file__).resolve().parents[2] / ".cache"  # where everything that is measured lies


class Results:
    """The figures of all sections.

    Args:
        scale: The factor on every size.
        path: Where the figures of earlier runs are, and those of this one go; None to keep them in memory.

    Attributes:
        found: The figures as nested mappings, and in ``origins`` when and where they were measured, by the names of
            the mappings with slashes in between.
    """

    def __init__(self, scale: float, path: Path | None = None) -> None:
        self._path = path
        self.found: dict[str, Any] = json.loads(path.read_text()) if path and path.exists() else {}
        self.found["scale"] = scale
        # Earlier runs kept one day and machine, the last run's, over figures of all of them.
        self.found.pop("machine", None)
        self.found.pop("date", None)

    def keep(self, figures: Any, *names: str) -> None:
        """Keep figures that were measured just now, in the mapping that all names but the last lead to."""
        *outer, last = names
        mapping = self.found
        for name in outer:
            mapping = mapping.setdefault(name, {})
        mapping[last] = figures
        origin = {"date": f"{datetime.date.today():%Y-%m-%d}", "machine": _machine()}
        self.found.setdefault("origins", {})["/".join(names)] = origin
        if self._path:
            self._path.write_text(json.dumps(self.found, indent=1))

    def keeper(self, *outer: str) -> Callable[[str, Any], None]:
        """Return a function that keeps figures under a name, in the mapping that these names lead to."""
        return lambda name, figures: self.keep(figures, *outer, name)


def _machine() -> dict[str, Any]:
    """Return the machine in general terms."""
    model = next(
        (line.split(":")[1].strip() for line in Path("/proc/cpuinfo").read_text().splitlines() if "model name" in line),
        platform.machine(),
    )
    # Not stat: it cannot tell ext4 from ext2.
    findmnt = ["findmnt", "--noheadings", "--output", "FSTYPE", "--target", _CACHE]
    return {
        "cpus": len(os.sched_getaffinity(0)),
        "model": model,
        "memory_gib": round(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / (1 << 30)),
        "kernel": ".".join(platform.release().split(".")[:2]),
        "filesystem": subprocess.run(findmnt, capture_output=True, text=True, check=True).stdout.strip(),
        "python": ".".join(platform.python_version_tuple()[:2]),
    }
