# Copyright: (c) 2026, sandboxops contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Measure the library and the modules against what a user would pick instead, and write ``docs/benchmark.md``.

usage: run.py [--scale FACTOR] [--rounds N] [--workloads W1,W2] [--sections jobs,unchanged,listing,images,growth,report]
       run.py --short

Everything that it makes lies below ``.cache/bench/``; at scale 1 that is up to 25 GB. ``--short`` makes small uppers,
runs every contender once, checks what each produced and times nothing: it fails on a wrong result, never on a slow
machine. Sections keep their figures between runs, with when and where each was measured, so that one of them can be
measured again.
"""

from __future__ import annotations

import argparse
import fcntl
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "interop"))

from contenders import Programs, Scene
from growth import measure_growth
from images import measure_images
from jobs import measure_jobs
from report import NO_ORIGIN, report_text, write_report
from results import Results
from setup_envs import ensure_environment, ensure_microsandbox
from stores import measure_listing, measure_unchanged
from workloads import make_image, workloads

_HERE = Path(__file__).resolve().parent
_CHECKOUT = _HERE.parents[1]
_BENCH = _CHECKOUT / ".cache/bench"
_SECTIONS = ("jobs", "unchanged", "listing", "images", "growth", "report")
_SHORT_SCALE = 1 / 128
_IMAGE_LAYER_BYTES = 128 << 20


def main() -> None:
    """Run the benchmark."""
    options = _options()
    _BENCH.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix="bench-") as links, (_BENCH / "lock").open("wb") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        programs = _programs(Path(links))
        if options.short:
            _run_short(programs)
        else:
            _run(options, programs)


def _run_short(programs: Programs) -> None:
    """Run everything small, once, and check the results and that the report can be written."""
    directory = _BENCH / "short"
    shutil.rmtree(directory, ignore_errors=True)
    results = Results(_SHORT_SCALE)
    for workload in workloads(_SHORT_SCALE).values():
        scene = _scene(workload, directory, programs)
        checks = measure_jobs(scene, 1, results.keeper("jobs", workload.name), check=True)
        if workload.name == "W1":
            results.keep(measure_unchanged(scene, artifacts=20, rounds=1), "unchanged", workload.name)
        print(f"{workload.name}: {checks} products are what they must be")
    results.keep({"50": measure_listing(directory / "listing", programs, artifacts=50, rounds=1)}, "listing")
    images = _measure_images(directory, programs, _SHORT_SCALE, 1)
    results.keep(images, "images")
    print(f"images: {images['checked']} products are what they must be")
    text = report_text(results.found)
    if NO_ORIGIN in text:
        raise SystemExit(f"a table does not say when and where it was measured:\n{text}")
    shutil.rmtree(directory)
    print("benchmark: every result is right")


def _run(options: argparse.Namespace, programs: Programs) -> None:
    directory = _BENCH / f"scale-{options.scale:g}"
    directory.mkdir(exist_ok=True)
    results = Results(options.scale, directory / "results.json")
    for name, workload in workloads(options.scale).items():
        if name in options.workloads and {"jobs", "unchanged"} & set(options.sections):
            _run_workload(options, _scene(workload, directory, programs), results)
    whole: dict[str, Callable[[], Any]] = {
        "listing": lambda: {
            str(count): measure_listing(directory / "listing", programs, count, options.rounds)
            for count in (1000, 10_000)
        },
        "images": lambda: _measure_images(directory, programs, options.scale, options.rounds),
        "growth": lambda: measure_growth(directory / "growth", programs, options.scale),
    }
    for section, measure in whole.items():
        if section in options.sections:
            results.keep(measure(), section)
    if "report" in options.sections:
        _report(results.found, directory / "results.json")


def _run_workload(options: argparse.Namespace, scene: Scene, results: Results) -> None:
    """Measure what is measured for each workload, and keep the figures job by job."""
    name = scene.workload.name
    if "jobs" in options.sections:
        measure_jobs(scene, options.rounds, results.keeper("jobs", name), check=False, only=options.job)
    if "unchanged" in options.sections and name in ("W1", "W2"):
        unchanged = measure_unchanged(scene, artifacts=1000, rounds=max(5, options.rounds))
        results.keep(unchanged, "unchanged", name)


def _report(results: dict[str, Any], kept: Path) -> None:
    """Write the tables and draw the plot."""
    write_report(results, _CHECKOUT / "docs/benchmark.md")
    if "growth" in results:
        plotting = ensure_environment("bench-plot", _HERE / "requirements.txt")
        picture = _CHECKOUT / "docs/benchmark.svg"
        subprocess.run([plotting / "bin/python", _HERE / "plot.py", kept, picture], check=True)


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--scale", type=float, default=1.0, help="factor on every size (default: 1)")
    parser.add_argument("--rounds", type=int, default=5, help="how often each contender runs (default: 5)")
    parser.add_argument("--workloads", type=lambda text: text.split(","), default=["W1", "W2", "W3", "W4"])
    parser.add_argument("--job", default="", help="only the jobs whose names begin like this")
    parser.add_argument("--sections", type=lambda text: text.split(","), default=list(_SECTIONS))
    parser.add_argument("--short", action="store_true", help="check results on tiny sizes, time nothing")
    return parser.parse_args()


def _programs(links: Path) -> Programs:
    namespace = links / "ansible_collections/sandboxops"
    namespace.mkdir(parents=True)
    (namespace / "microsandbox").symlink_to(_CHECKOUT)
    # An environment of its own: the tests' is made anew whenever its pins change, perhaps while this measures.
    environment = ensure_environment("bench-ansible", _CHECKOUT / "tests/requirements/python-3.11.txt")
    python = environment / "bin/python"
    return Programs(python, links, ensure_microsandbox("0.6.2"), ensure_microsandbox("0.7.11"))


def _measure_images(directory: Path, programs: Programs, scale: float, rounds: int) -> dict[str, Any]:
    return measure_images(directory / "image-cache", programs, int(_IMAGE_LAYER_BYTES * scale), rounds)


def _scene(workload: Any, directory: Path, programs: Programs) -> Scene:
    print(f"{workload.name}: preparing {workload.apparent_bytes >> 20} MiB apparent", file=sys.stderr, flush=True)
    image = make_image(workload, directory / "images", programs.packages)
    scene = Scene(workload, image, directory / workload.name, programs)
    scene.prepare()
    return scene


if __name__ == "__main__":
    main()
