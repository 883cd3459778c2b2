# Copyright: (c) 2026, sandboxops contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Draw how cost grows with apparent size and with data; runs in the environment that has matplotlib.

usage: plot.py RESULTS.json PICTURE.svg
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

from matplotlib import pyplot, rcParams


def main() -> None:
    """Draw both panels."""
    rcParams["svg.hashsalt"] = "benchmark"  # the same picture for the same figures
    points = json.loads(Path(sys.argv[1]).read_text(encoding="utf-8"))["growth"]
    least = min(point["data_mib"] for point in points)
    filled = max(points, key=lambda point: point["data_mib"])["apparent_mib"]
    figure, (left, right) = pyplot.subplots(1, 2, figsize=(11, 5), sharey=True, layout="constrained")
    panels = (
        (left, "apparent_mib", [p for p in points if p["data_mib"] == least], f"{least} MiB of data"),
        (right, "data_mib", [p for p in points if p["apparent_mib"] == filled], f"{filled / 1024:g} GiB apparent"),
    )
    for axes, size, chosen, title in panels:
        for job in points[0]["seconds"]:
            xs = [point[size] for point in chosen]
            ys = [point["seconds"][job] for point in chosen]
            axes.plot(xs, ys, marker="o", label=job)
        axes.set(xscale="log", yscale="log", title=title, xlabel=f"{size.split('_', maxsplit=1)[0]} size, MiB")
        axes.set_xticks([point[size] for point in chosen], [str(point[size]) for point in chosen])
        axes.minorticks_off()
        axes.grid(alpha=0.3)
    left.set_ylabel("seconds")
    handles, labels = left.get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside lower center", ncols=len(labels), frameon=False)
    figure.savefig(sys.argv[2], metadata={"Date": None})


if __name__ == "__main__":
    main()
