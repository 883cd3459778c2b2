# Copyright: (c) 2026, sandboxops contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The page with the figures of the benchmark says where they are from, also where they are not all from one machine."""

from __future__ import annotations

import re
import runpy
from pathlib import Path
from typing import Any

import pytest

_CHECKOUT = Path(__file__).resolve().parents[3]
_FIGURES = re.compile(r"<!-- figures: .*? -->\n(.*)<!-- end of the figures -->", re.DOTALL)
# Of everything, or of each part that was measured at another time or elsewhere.
_ORIGIN = re.compile(r"Measured on \d{4}-\d\d-\d\d: .*\n|(\* .+: measured on \d{4}-\d\d-\d\d: .*\n)+")
_STORE = {"seconds": [0.1], "process": [0.2], "peak": [30_000_000]}


@pytest.fixture
def bench(monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return the directory of the benchmark, whose files can be run from there."""
    monkeypatch.syspath_prepend(_CHECKOUT / "tests/interop")
    monkeypatch.syspath_prepend(_CHECKOUT / "tests/bench")
    return _CHECKOUT / "tests/bench"


def test_every_table_says_when_and_on_what_machine_it_was_measured() -> None:
    figures = _FIGURES.search((_CHECKOUT / "docs/benchmark.md").read_text(encoding="utf-8"))
    assert figures is not None
    chapters = [chapter.partition("\n\n") for chapter in figures.group(1).split("\n### ")[1:]]

    assert len(chapters) > 5
    assert [title for title, dummy, text in chapters if not _ORIGIN.match(text)] == []


def test_what_is_measured_later_and_elsewhere_does_not_change_where_the_rest_is_from(bench: Path) -> None:
    unchanged = {workload: {"snapshot_index": _STORE} for workload in ("W1", "W2")}
    results = {"scale": 1.0, "listing": {"1000": _STORE}, "unchanged": unchanged}
    results["origins"] = {
        "listing": _origin("2026-11-20", "Old"),
        "unchanged/W1": _origin("2026-11-20", "Old"),
        "unchanged/W2": _origin("2026-11-21", "New"),
    }

    text = runpy.run_path(str(bench / "report.py"))["report_text"](results)

    told = re.findall(r"(.*easured on \d{4}-\d\d-\d\d): 2 cores \((\w+)\)", text)
    assert told == [
        ("* W1: measured on 2026-11-20", "Old"),
        ("* W2: measured on 2026-11-21", "New"),
        ("Measured on 2026-11-20", "Old"),
    ]


def test_figures_whose_origin_an_earlier_run_did_not_keep_are_not_given_that_of_this_one(
    bench: Path, tmp_path: Path
) -> None:
    kept = tmp_path / "results.json"
    kept.write_text('{"date": "2026-11-20", "machine": {"model": "Old"}, "listing": {}}', encoding="utf-8")

    found = runpy.run_path(str(bench / "results.py"))["Results"](1.0, kept).found

    assert found == {"listing": {}, "scale": 1.0}


def _origin(date: str, model: str) -> dict[str, Any]:
    machine = {"cpus": 2, "model": model, "memory_gib": 24, "kernel": "6.18", "filesystem": "ext4", "python": "3.11"}
    return {"date": date, "machine": machine}
