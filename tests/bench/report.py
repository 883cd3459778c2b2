# Copyright: (c) 2026, sandboxops contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The tables of ``docs/benchmark.md``: targets with verdicts, and every figure."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from statistics import median
from typing import Any, NamedTuple

from contenders import (
    ANSIBLE,
    BSDTAR,
    CAPTURE,
    CAPTURE_HASHED,
    CP,
    EXPORT_DENSE,
    EXPORT_SPARSE,
    HASHLIB,
    IMPORT_DENSE,
    IMPORT_SPARSE,
    IMPORT_SPARSE_VERIFY,
    IMPORT_VERIFY,
    MODULE,
    OURS,
    SDK062,
    TAR,
    VERIFY,
)

NO_ORIGIN = "When and where this was measured was not kept."

_BEGIN, _END = "<!-- figures: written by tests/bench/run.py -->", "<!-- end of the figures -->"
_MB = 1_000_000
_UNCHANGED_SECONDS = 0.030
_LISTING_SECONDS = 1.0
_ALLOCATED_FACTOR = 1.02
_QUIET_LOAD = 2.5  # what the contenders themselves make of two cores


class _Target(NamedTuple):
    """The library is to take at most ``factor`` times what another takes, and ``seconds`` on top."""

    job: str
    workload: str
    factor: float
    who: str
    seconds: float = 0.0

    @property
    def text(self) -> str:
        relative = f"{self.factor:g} x {self.who}" if self.factor else ""
        absolute = f"{self.seconds * 1000:.0f} ms" if self.seconds else ""
        return " + ".join(part for part in (relative, absolute) if part)


_TARGETS = (
    _Target(CAPTURE, "W1", 1.0, CP, 0.040),
    _Target(CAPTURE, "W2", 0.9, CP),
    _Target(CAPTURE_HASHED, "W1", 1.04, HASHLIB),
    _Target(CAPTURE_HASHED, "W2", 1.04, HASHLIB),
    _Target(VERIFY, "W1", 1.03, HASHLIB),
    _Target(VERIFY, "W2", 1.03, HASHLIB),
    _Target(EXPORT_SPARSE, "W1", 0, TAR, 0.060),
    _Target(EXPORT_SPARSE, "W2", 0.6, TAR),
    _Target(EXPORT_DENSE, "W1", 0, TAR, 0.5),
    _Target(EXPORT_DENSE, "W2", 0.7, TAR),
    _Target(IMPORT_SPARSE, "W1", 0, BSDTAR, 0.060),
    _Target(IMPORT_SPARSE, "W2", 0.8, BSDTAR),
    _Target(IMPORT_DENSE, "W1", 0, SDK062, 0.3),
    _Target(IMPORT_DENSE, "W2", 0.35, SDK062),
    _Target(IMPORT_VERIFY, "W1", 1.04, HASHLIB),
    _Target(IMPORT_VERIFY, "W2", 1.2, HASHLIB),
    _Target(IMPORT_SPARSE_VERIFY, "W1", 1.04, HASHLIB),
    _Target(IMPORT_SPARSE_VERIFY, "W2", 1.2, HASHLIB),
)


def write_report(results: dict[str, Any], path: Path) -> None:
    """Replace the figures in a Markdown file, or print them first to standard output where it has no place for them."""
    figures = report_text(results)
    print(figures)
    text = path.read_text(encoding="utf-8")
    before, rest = text.split(_BEGIN)
    dummy, after = rest.split(_END)
    path.write_text(f"{before}{_BEGIN}\n\n{figures}\n\n{_END}{after}", encoding="utf-8")


def report_text(results: dict[str, Any]) -> str:
    """Return all tables, each with when and where its figures were measured."""
    return "\n\n".join(_sections(results))


def _sections(results: dict[str, Any]) -> Iterable[str]:
    jobs = results.get("jobs", {})
    yield f"All sizes are at scale {results['scale']:g}."
    if jobs:
        yield "### Targets of the library"
        yield _origins(results, *(f"jobs/{target.workload}" for target in _TARGETS))
        yield _targets(jobs)
        yield "### Disk after an import or capture"
        yield _origins(results, "jobs")
        yield _allocated(jobs)
    yield from _stores(results)
    for name, found in jobs.items():
        yield from _workload(results, name, found)
    if results.get("images"):
        yield from _images(results)
    if results.get("growth"):
        yield "### How cost grows with apparent size and with data"
        yield _origins(results, "growth")
        yield "![Seconds of each job over the apparent size, and over the data](benchmark.svg)"
    if "W1" in jobs:
        yield "### What Ansible itself costs (W1)"
        yield _origins(results, "jobs/W1")
        yield _ansible(jobs["W1"])


def _stores(results: dict[str, Any]) -> Iterable[str]:
    if results.get("unchanged"):
        yield f"### Unchanged second run with 1000 artifacts in the store (target {_ms(_UNCHANGED_SECONDS)})"
        yield _origins(results, "unchanged")
        yield _unchanged(results["unchanged"])
    if results.get("listing"):
        yield f"### `snapshot_info` over a whole store (target {_LISTING_SECONDS:g} s for 10 000 artifacts)"
        yield _origins(results, "listing")
        yield _listing(results["listing"])


def _workload(results: dict[str, Any], name: str, found: dict[str, Any]) -> Iterable[str]:
    source = found["source"]
    yield f"### {name}: {source['apparent'] / (1 << 30):g} GiB apparent, {source['allocated'] / _MB:.1f} MB on disk"
    yield _origins(results, f"jobs/{name}")
    rivals = {job: who for job, who in found.items() if job != "source"}
    yield from _load_warning(rivals)
    yield _everything(rivals, OURS)


def _origins(results: dict[str, Any], *sections: str) -> str:
    """Say when and on what machine the figures of these sections were measured: of each part, where that differs."""
    parts: dict[str, list[str]] = {}
    for key, origin in results.get("origins", {}).items():
        if any(f"{key}/".startswith(f"{section}/") for section in sections) and not key.endswith("/source"):
            parts.setdefault(_origin(origin), []).append(" ".join(key.split("/")[1:]))
    if not parts:
        return NO_ORIGIN
    if len(parts) == 1:
        return f"Measured on {next(iter(parts))}."
    return "\n".join(f"* {'; '.join(names)}: measured on {origin}." for origin, names in parts.items())


def _origin(origin: dict[str, Any]) -> str:
    machine = origin["machine"]
    return (
        f"{origin['date']}: {machine['cpus']} cores ({machine['model']}), {machine['memory_gib']} GiB of memory,"
        f" Linux {machine['kernel']}, {machine['filesystem']}, Python {machine['python']}"
    )


def _targets(jobs: dict[str, Any]) -> str:
    return _table(
        ("job", "workload", "target", "library", "the other", "share of the target", "verdict"),
        (_target_row(target, jobs) for target in _TARGETS if target.job in jobs.get(target.workload, ())),
    )


def _target_row(target: _Target, jobs: dict[str, Any]) -> tuple[str, ...]:
    job = jobs[target.workload][target.job]
    ours = job[OURS]["seconds"]
    other = job[target.who]["seconds"] if target.who in job else [0.0] * len(ours)
    shares = [mine / (target.factor * theirs + target.seconds) for mine, theirs in zip(ours, other)]
    shown = f"{_s(median(other))}" if target.factor else "-"
    spread = f"{median(shares):.2f} ({min(shares):.2f} to {max(shares):.2f})"
    return target.job, target.workload, target.text, _s(median(ours)), shown, spread, _verdict(median(shares) <= 1)


def _allocated(jobs: dict[str, Any]) -> str:
    rows = []
    for name, found in jobs.items():
        source = found["source"]["allocated"]
        for job, rivals in found.items():
            if not job.startswith(("capture", "import")):
                continue
            taken = {who: figures["allocated"] / source for who, figures in rivals.items() if figures["allocated"]}
            others = ", ".join(
                f"{who} {share:.2f}" for who, share in taken.items() if who not in (OURS, MODULE, ANSIBLE)
            )
            rows.append((job, name, f"{taken[OURS]:.3f}", others, _verdict(taken[OURS] <= _ALLOCATED_FACTOR)))
    return _table(("job", "workload", "library / source", "others / source", "at most 1.02"), rows)


def _unchanged(found: dict[str, Any]) -> str:
    rows = [
        (
            task,
            name,
            _spread(figures["seconds"]),
            _ms(median(figures["process"])),
            _verdict(_is_fast(figures["seconds"])),
        )
        for name, tasks in found.items()
        for task, figures in tasks.items()
    ]
    return _table(("task", "workload", "in-module time", "whole process", "verdict"), rows)


def _is_fast(seconds: list[float]) -> bool:
    return median(seconds) <= _UNCHANGED_SECONDS


def _listing(found: dict[str, Any]) -> str:
    rows = []
    for count, figures in found.items():
        seconds, peak = figures["seconds"], max(figures["peak"])
        verdict = _verdict(median(seconds) <= _LISTING_SECONDS) if count == "10000" else ""
        rows.append((count, _spread(seconds), _ms(median(figures["process"])), f"{peak / _MB:.0f} MB", verdict))
    return _table(("artifacts", "in-module time", "whole process", "peak memory", "verdict"), rows)


def _images(results: dict[str, Any]) -> Iterable[str]:
    found = results["images"]
    yield f"### Image cache: {found['layers']} layers and their merged tree, {found['bytes'] / _MB:.1f} MB"
    yield _origins(results, "images")
    yield from _load_warning(found["jobs"])
    yield _everything(found["jobs"], MODULE)
    yield "### What a target with most layers is spared"
    yield _origins(results, "images")
    whole, *dummy = found["spared"].values()
    rows = [
        (
            target,
            f"{counts['bundle']:,}",
            f"{counts['bundle'] / whole['bundle']:.3f}",
            f"{counts['written']:,}",
            f"{counts['written'] / whole['written']:.3f}",
        )
        for target, counts in found["spared"].items()
    ]
    yield _table(("target has", "bytes of the bundle", "share", "bytes written on the target", "share"), rows)


def _load_warning(jobs: dict[str, Any]) -> Iterable[str]:
    load = max(max(figures["load"]) for rivals in jobs.values() for figures in rivals.values())
    if load > _QUIET_LOAD:
        yield (
            f"The load average reached {load:.1f}, of which the contenders themselves make about two. What is more, the"
            " writing of pages or other programs, makes times longer and ratios uncertain, those of jobs with several"
            " threads most."
        )


def _everything(jobs: dict[str, Any], reference: str) -> str:
    rows = []
    for job, rivals in jobs.items():
        ours = rivals[reference]["seconds"]
        for who, figures in rivals.items():
            if who == ANSIBLE:
                continue
            seconds = figures["seconds"]
            shares = [theirs / mine for theirs, mine in zip(seconds, ours)]
            rows.append(
                (
                    job,
                    who,
                    f"{_s(median(seconds))} ({_s(min(seconds))} to {_s(max(seconds))})",
                    f"{median(shares):.2f}",
                    _s(median(figures["cpu"])),
                    f"{max(figures['peak']) / _MB:.0f} MB",
                    f"{figures['allocated'] / _MB:.1f} MB" if figures["allocated"] else "-",
                )
            )
    return _table(
        ("job", "who", "time (spread)", f"x {reference}", "CPU of the process", "peak memory", "on disk"), rows
    )


def _ansible(jobs: dict[str, Any]) -> str:
    rows = []
    for job, rivals in jobs.items():
        if ANSIBLE not in rivals:
            continue
        library, module, ansible = rivals[OURS]["seconds"], rivals[MODULE], rivals[ANSIBLE]
        rows.append(
            (
                job,
                _ms(median(library)),
                _ms(median(module["seconds"])),
                _ms(median(module["process"])),
                _ms(median(ansible["process"])),
            )
        )
    return _table(("job", "library", "module, in-module time", "module, whole process", "through `ansible`"), rows)


def _table(head: tuple[str, ...], rows: Iterable[tuple[str, ...]]) -> str:
    lines = [head, tuple("---" for dummy in head), *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def _spread(seconds: list[float]) -> str:
    return f"{_ms(median(seconds))} ({_ms(min(seconds))} to {_ms(max(seconds))})"


def _verdict(is_met: bool) -> str:
    return "met" if is_met else "**missed**"


def _s(seconds: float) -> str:
    return f"{seconds:.3f} s" if seconds < 1 else f"{seconds:.2f} s"


def _ms(seconds: float) -> str:
    return f"{seconds * 1000:.1f} ms" if seconds < 0.1 else f"{seconds * 1000:.0f} ms"
