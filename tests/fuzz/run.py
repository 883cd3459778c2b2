# Copyright: (c) 2026, sandboxops contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Fuzz the readers of foreign bytes, as many targets at once as there are processors, and end with a table.

usage: run.py [--seconds N] [--keep DIRECTORY] [TARGET ...]

Needs what requirements.txt beside it names. With ``--keep``, corpora stay in a directory and are grown by the next run.
What breaks a target is written to a file whose name is printed; ``fuzz_one.py TARGET FILE`` runs it again.
"""

from __future__ import annotations

import argparse
import os
import re
import subprocess
import sys
import tempfile
from concurrent.futures import ThreadPoolExecutor, as_completed
from pathlib import Path
from typing import NamedTuple

_HERE = Path(__file__).resolve().parent
# Above what a target may take: an input that needs more memory (MiB) or time (seconds) than this is a finding.
_MEMORY_MIB = 1024
_SECONDS_AN_INPUT = 10


class Outcome(NamedTuple):
    """What fuzzing a target gave."""

    target: str
    executions: int
    edges: int
    corpus: int
    peak_mib: int
    finding: str


def main() -> int:
    """Fuzz the targets named on the command line, or all."""
    parser = argparse.ArgumentParser(description="Fuzz the readers of foreign bytes.")
    parser.add_argument("--seconds", type=int, default=60, help="for each target (default: 60)")
    parser.add_argument("--keep", type=Path, help="directory of the corpora (default: a temporary one)")
    parser.add_argument("targets", nargs="*", metavar="TARGET", help="default: all")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="fuzz-") as temporary:
        _make_importable(Path(temporary, "collections"))
        from seeds import write_seeds  # noqa: PLC0415 - importable only now
        from targets import TARGETS  # noqa: PLC0415

        unknown = set(options.targets) - set(TARGETS)
        if unknown:
            parser.error(f"there is no target {', '.join(sorted(unknown))}; there are {', '.join(TARGETS)}")
        seeds = Path(temporary, "seeds")
        seeds.mkdir()
        write_seeds(seeds)
        keep = options.keep or Path(temporary, "corpora")
        outcomes = []
        with ThreadPoolExecutor(max_workers=len(os.sched_getaffinity(0))) as pool:
            running = [
                pool.submit(_fuzz, target, options.seconds, keep.resolve(), seeds)
                for target in options.targets or TARGETS
            ]
            for done in as_completed(running):
                outcomes.append(done.result())
                print(_row(*outcomes[-1]), flush=True)
    print("\n" + _row(*Outcome._fields))
    for outcome in sorted(outcomes):
        print(_row(*outcome))
    return 1 if any(outcome.finding for outcome in outcomes) else 0


def _make_importable(collections: Path) -> None:
    namespace = collections / "ansible_collections/sandboxops"
    namespace.mkdir(parents=True)
    namespace.joinpath("microsandbox").symlink_to(_HERE.parents[1], target_is_directory=True)
    paths = [str(path) for path in (collections, _HERE, _HERE.parent / "hostile")]
    sys.path[:0] = paths
    os.environ["PYTHONPATH"] = os.pathsep.join(paths)


def _fuzz(target: str, seconds: int, keep: Path, seeds: Path) -> Outcome:
    """Run one target in a process of its own."""
    corpus, findings = keep / target, keep / "findings"
    corpus.mkdir(parents=True, exist_ok=True)
    findings.mkdir(exist_ok=True)
    options = {
        "max_total_time": seconds,
        "timeout": _SECONDS_AN_INPUT,
        "rss_limit_mb": _MEMORY_MIB,
        "max_len": 1 << 15,
        "print_final_stats": 1,
        "artifact_prefix": f"{findings}/{target}-",
    }
    command = [sys.executable, str(_HERE / "fuzz_one.py"), target]
    command += [f"-{name}={value}" for name, value in options.items()]
    with tempfile.TemporaryDirectory(prefix="fuzz-") as directory:
        done = subprocess.run(
            [*command, str(corpus), str(seeds / target)],
            env={**os.environ, "FUZZ_DIRECTORY": directory},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            errors="replace",
            check=False,
        )
    found = re.findall(r"Test unit written to (.*)", done.stdout)
    if done.returncode and not found:
        found = ["ended early"]
    if found:
        print(done.stdout[-4000:], file=sys.stderr)
    return Outcome(
        target=target,
        executions=_last(r"stat::number_of_executed_units:\s*(\d+)", done.stdout),
        edges=_last(r"cov: (\d+)", done.stdout),
        corpus=len(list(corpus.iterdir())),
        peak_mib=_last(r"stat::peak_rss_mb:\s*(\d+)", done.stdout),
        finding=" ".join(found),
    )


def _last(pattern: str, text: str) -> int:
    found = re.findall(pattern, text)
    return int(found[-1]) if found else 0


def _row(*values: object) -> str:
    return "  ".join(f"{value!s:>17}" for value in values)


if __name__ == "__main__":
    sys.exit(main())
