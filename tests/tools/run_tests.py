# Copyright: (c) 2026, sandboxops contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Set up and run the tests, stage by stage, and end with a verdict.

usage: run_tests.py [STAGE ...]    (default: every stage)

Whatever it makes lies below ``.cache/`` and is used again by the next run. A stage that fails does not stop the others.
Stages that use one processor run beside those that use all; their lines begin with their names.
"""

from __future__ import annotations

import fcntl
import os
import subprocess
import sys
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import BinaryIO

from collection import clean_tree, copy_of_clean_tree, installed_collections, tarball
from docsite import REFERENCE, SITE, SOURCE, lay_out
from environments import CACHE, CHECKOUT, HOME, ensure_environment, link_interpreters
from get_pip_stand_in import ensure_get_pip
from stage import Stage, verdict
from system_packages import FLEET_PROGRAMS, SetupError, require_programs

# The Pythons that managed hosts may have, of those that the unit tests run on.
_TARGET_PYTHONS = ("3.9", "3.11", "3.13")
# The environment that carries an ansible-core, and the pip that its ansible-test starts with.
_SANITY = {"python-3.11": "24.2", "python-3.13": "25.2"}
_FUZZ_SECONDS = "5"  # for each target
# What uses one processor, and mostly waits.
_BESIDE = ("lint", "docs", "docsite", "sanity", "fleet", "bench")
# The tests of a file share what they set up, and the demo's what lies below .cache.
_IN_PARALLEL = ("--numprocesses", "auto", "--dist", "loadfile")
_SLOWEST = ("--durations", "15", "--durations-min", "5")


def lint(stage: Stage) -> None:
    """Style, types, licences."""
    programs, tree = ensure_environment("lint"), clean_tree()
    collections = tree.parents[2]
    scripts = [path.relative_to(tree) for path in (*tree.glob("**/*.sh"), tree / ".ci" / "run")]
    mypy: list[str | Path] = [
        programs / "mypy",
        "--config-file",
        tree / "pyproject.toml",
        "--cache-dir",
        CACHE / "mypy",
    ]
    stage.run([programs / "ruff", "check", "--output-format", "concise"], cwd=tree)
    stage.run([programs / "ruff", "format", "--check"], cwd=tree)
    stage.run([*mypy, "--package", "ansible_collections.sandboxops.microsandbox.plugins"], cwd=collections)
    for tests in ("unit", "tools", "fleet"):
        base = collections if tests == "unit" else tree / "tests" / tests
        stage.run([*mypy, tree.relative_to(collections) / "tests" / tests], cwd=collections, MYPYPATH=base)
    stage.run([programs / "yamllint", "--strict", "."], cwd=tree)
    stage.run(
        [programs / "ansible-lint", "--offline", "--nocolor"],
        cwd=tree,
        programs=programs,
        ANSIBLE_COLLECTIONS_PATH=collections,
    )
    stage.run([programs / "antsibull-changelog", "lint"], cwd=tree, programs=programs)
    stage.run([programs / "reuse", "lint"], cwd=tree)
    stage.run([programs / "shellcheck", *scripts], cwd=tree)


def docs(stage: Stage) -> None:
    """What the documentation and the tarball look like to Galaxy."""
    programs, tree = ensure_environment("lint"), clean_tree()
    lint_docs: list[str | Path] = [programs / "antsibull-docs", "lint-collection-docs", "--plugin-docs"]
    references = ["--validate-collection-refs", "all", "--disallow-unknown-collection-refs"]
    stage.run([*lint_docs, *references, "."], cwd=tree, programs=programs, ANSIBLE_COLLECTIONS_PATH=tree.parents[2])
    importer = ensure_environment("galaxy-importer")
    command: list[str | Path] = [importer / "python", "-m", "galaxy_importer.main", tarball()]
    printed = stage.run(command, cwd=tarball().parent, programs=importer)
    complaints = [line for line in printed.splitlines() if line.startswith(("WARNING", "ERROR"))]
    stage.failures.extend(f"galaxy-importer: {complaint}" for complaint in complaints)


def docsite(stage: Stage) -> None:
    """The documentation as a web site, in which a warning is an error."""
    programs, tree = ensure_environment("docsite"), clean_tree()
    lay_out(tree)
    reference: list[str | Path] = [programs / "antsibull-docs", "collection", "--use-current", "--fail-on-error"]
    reference += ["--squash-hierarchy", "--dest-dir", REFERENCE, "sandboxops.microsandbox"]
    stage.run(reference, programs=programs, ANSIBLE_COLLECTIONS_PATH=tree.parents[2])
    stage.run([programs / "sphinx-build", "--fail-on-warning", "--keep-going", "--quiet", SOURCE, SITE])
    print(f"the site's first page is {SITE}/index.html")


def unit(stage: Stage) -> None:
    """The library on the oldest and the newest Python that it must run on, and what runs on the controller on all."""
    require_programs()
    for version in _TARGET_PYTHONS:
        python = ensure_environment(f"python-{version}") / "python"
        # Every later stage runs the library on this one, and the minute and a half is needed there.
        left_out = ["--ignore", "tests/unit/plugins/module_utils"] if version == "3.11" else []
        stage.run([python, "-m", "pytest", "--numprocesses", "auto", "tests/unit", *left_out])


def sanity(stage: Stage) -> None:
    """Run ansible-test with the oldest and the newest ansible-core that can run here, side by side."""
    targets = [option for version in _TARGET_PYTHONS for option in ("--target-python", version)]

    def run(environment: str, pip: str) -> None:
        programs = ensure_environment(environment)
        home = CACHE / f"home-{environment}"  # ansible-test keeps environments in there
        ensure_get_pip(programs / "python", pip, home)
        command: list[str | Path] = [
            programs / "ansible-test",
            "sanity",
            "--color",
            "no",
            "--controller",
            "origin:python=default",
            *targets,
        ]
        stage.run(command, cwd=copy_of_clean_tree(environment), programs=programs, HOME=home)

    clean_tree()  # here, not in two threads at once
    with ThreadPoolExecutor() as pool:
        for done in [pool.submit(run, *each) for each in _SANITY.items()]:
            done.result()


def interop(stage: Stage) -> None:
    """Both directions between the collection and the real microsandbox."""
    _run_against_installed_collection(stage, "tests/interop", *_IN_PARALLEL, *_SLOWEST)


def playbooks(stage: Stage) -> None:
    """Real playbooks against the installed collection."""
    # Two processes leave two processors idle for more than a third of the time, for plays mostly wait.
    workers = ("--numprocesses", str((os.cpu_count() or 1) + 1), "--dist", "loadfile")
    _run_against_installed_collection(stage, "tests/integration", *workers, *_SLOWEST)


def hostile(stage: Stage) -> None:
    """Archives and homes made to break an import, and a short run of the fuzzers."""
    require_programs()
    python = ensure_environment("python-3.11") / "python"
    stage.run([python, "-m", "pytest", "--numprocesses", "auto", "tests/hostile"])
    stage.run([ensure_environment("fuzz") / "python", "tests/fuzz/run.py", "--seconds", _FUZZ_SECONDS])


def faults(stage: Stage) -> None:
    """Faults, kills, full disks, power cuts and contention."""
    _run_against_installed_collection(stage, "tests/faults", *_IN_PARALLEL, *_SLOWEST)


def fleet(stage: Stage) -> None:
    """SSH hosts of their own, one fault of each kind, and the same hosts mended."""
    if os.geteuid() != 0:
        stage.left_out = "only root can make hosts"
        stage.say(f"left out: {stage.left_out}\n")
        return
    require_programs(FLEET_PROGRAMS)
    ensure_environment("python-3.9")  # for a host
    programs = ensure_environment("molecule")
    paths = {"ANSIBLE_COLLECTIONS_PATH": installed_collections(), "MOLECULE_EPHEMERAL_DIRECTORY": CACHE / "molecule"}
    stage.run([programs / "molecule", "test"], programs=programs, **paths)


def awx(stage: Stage) -> None:
    """Jobs as AWX starts them, through ansible-runner, and the execution environment as ansible-builder sees it."""
    require_programs()
    programs = ensure_environment("awx")
    pytest: list[str | Path] = [programs / "python", "-m", "pytest", "--numprocesses", "auto", "tests/awx"]
    stage.run(pytest, programs=programs, ANSIBLE_COLLECTIONS_PATH=installed_collections(), **_compile_once())


def bench(stage: Stage) -> None:
    """The benchmark on tiny sizes: what it measures has to be right, not quick."""
    require_programs()
    programs = ensure_environment("python-3.11")
    stage.run([programs / "python", "tests/bench/run.py", "--short"], programs=programs)


def _run_against_installed_collection(stage: Stage, tests: str, *options: str) -> None:
    require_programs()
    programs = ensure_environment("python-3.11")
    pytest: list[str | Path] = [programs / "python", "-m", "pytest", *options, tests]
    stage.run(pytest, programs=programs, ANSIBLE_COLLECTIONS_PATH=installed_collections(), **_compile_once())


def _compile_once() -> dict[str, Path]:
    """Return the environment variables by which modules are compiled once, and not in every task."""
    code = CACHE / "compiled"
    code.mkdir(exist_ok=True)
    return {"PYTHONPATH": CHECKOUT / "tests/tools/compile_once", "COMPILED_CODE": code}


_STAGES: dict[str, Callable[[Stage], None]] = {
    function.__name__: function
    for function in (lint, docs, docsite, unit, sanity, hostile, faults, interop, playbooks, awx, fleet, bench)
}


def main() -> int:
    """Run the stages named on the command line, print the verdict and return the exit status."""
    names = sys.argv[1:] or list(_STAGES)
    unknown = [name for name in names if name not in _STAGES]
    if unknown:
        print(f"no such stage: {', '.join(unknown)}; there are: {', '.join(_STAGES)}", file=sys.stderr)
        return 2
    HOME.mkdir(parents=True, exist_ok=True)
    for stream in (sys.stdout, sys.stderr):
        os.set_blocking(stream.fileno(), True)  # Ansible refuses others, and what runs below may inherit these
    with Path(CACHE, "test.lock").open("wb") as lock:
        _wait_for(lock)
        try:
            stages = _run_stages(names)
        except (SetupError, subprocess.CalledProcessError) as exc:
            print(f"FAILED: {exc}")
            return 1
    # Once more at the end: another stage may have printed a lot since, and of a long log often only the end is kept.
    for stage in stages:
        if stage.last_words:
            print(f"\n=== {stage.name} ended with:\n\n{''.join(stage.last_words)}", end="")
    print(f"\n=== verdict\n{verdict(stages)}")
    return 1 if any(stage.failures for stage in stages) else 0


def _wait_for(lock: BinaryIO) -> None:
    """Take the lock: two runs in one checkout would pull the trees from under each other."""
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        print("another run is under way in this checkout, waiting for its end", flush=True)
        fcntl.flock(lock, fcntl.LOCK_EX)


def _run_stages(names: list[str]) -> list[Stage]:
    """Run stages one after the other, or where there are both kinds in two rows at the same time."""
    beside = [name for name in names if name in _BESIDE]
    others = [name for name in names if name not in _BESIDE]
    link_interpreters()
    if not (beside and others):
        return [_run_stage(Stage(name)) for name in names]
    require_programs()
    installed_collections()  # with all that it is made from: what both rows use, neither makes
    with ThreadPoolExecutor(1) as pool:
        row = [pool.submit(_run_stage, Stage(name, prefix=f"{name}: ")) for name in beside]
        stages = [_run_stage(Stage(name)) for name in others]
        return [*(done.result() for done in row), *stages]


def _run_stage(stage: Stage) -> Stage:
    stage.say(f"\n=== {stage.name}: {_STAGES[stage.name].__doc__}\n")
    with stage.under_way():
        try:
            _STAGES[stage.name](stage)
        except (SetupError, subprocess.CalledProcessError) as exc:
            stage.failures.append(str(exc))
    return stage


if __name__ == "__main__":
    sys.exit(main())
