# Copyright: (c) 2026, sandboxops contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Python 3.9, the oldest on managed hosts, with and without a zstd library."""

from __future__ import annotations

import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from file_listing import list_tree
from four_runs import run_four_times
from real_ansible import Ansible, Result, task

sys.path.insert(0, str(Path(__file__).parents[1] / "tools"))

from interpreters import find_interpreter

REQUIREMENTS = Path(__file__).parents[1] / "requirements/python-3.9.txt"


@pytest.fixture
def bare_python(machine: Path) -> Iterator[Path]:
    """A Python 3.9 with nothing but its standard library."""
    environment = machine.parent / f"{machine.name}-python"
    subprocess.run([find_interpreter("3.9"), "-m", "venv", "--without-pip", environment], check=True)
    yield environment / "bin/python"
    shutil.rmtree(environment)


def test_the_main_job_needs_no_library(ansible: Ansible, bare_python: Path, machine: Path, home: Path) -> None:
    ansible.use(bare_python)
    info = ansible.run("snapshot_info", home=home, verify=True)
    assert info["home"]["zstd"] is None
    archive = machine / "golden.tar"
    golden = run_four_times(ansible, machine, "snapshot", home=home, name="golden", sandbox="base")["snapshot"]
    export = {"home": home, "state": "exported", "snapshot": "golden", "path": archive}
    run_four_times(ansible, machine, "snapshot_archive", **export)
    other = machine / "other"
    installed = run_four_times(ansible, machine, "snapshot_archive", home=other, path=archive, state="imported")
    assert installed["snapshots"][0]["digest"] == golden["digest"]
    assert installed["snapshots"][0]["upper"]["integrity"]["state"] == "verified"


def test_zstd_without_a_library_is_an_error_that_names_the_package(
    ansible: Ansible, bare_python: Path, machine: Path, home: Path
) -> None:
    archive = machine / "second.tar.zst"
    export = task("snapshot_archive", home=home, state="exported", snapshot="second", path=archive)
    assert ansible.play(export).exit_status == 0
    imports = task("snapshot_archive", home=machine / "other", path=archive, state="imported")
    before = list_tree(archive), list_tree(home)
    ansible.use(bare_python)
    exports = task("snapshot_archive", home=home, state="exported", snapshot="first", path=archive)
    tasks = [{**each, "ignore_errors": True} for each in (exports, imports, {**imports, "check_mode": True})]
    for result in ansible.play(*tasks).results:
        _require_refusal_that_names_the_package(result)
    assert (list_tree(archive), list_tree(home)) == before
    assert sorted(path.name for path in machine.iterdir()) == ["home", "second.tar.zst"]


def test_an_export_without_a_library_is_refused_in_check_mode_too(
    ansible: Ansible, bare_python: Path, machine: Path, home: Path
) -> None:
    ansible.use(bare_python)
    request = {"home": home, "state": "exported", "snapshot": "first", "path": machine / "a.tar.zst"}
    _require_refusal_that_names_the_package(ansible.run("snapshot_archive", check=True, **request))


def _require_refusal_that_names_the_package(result: Result) -> None:
    assert result["failed"], result
    assert result["error"]["code"] == "unsupported"
    assert "zstandard" in result["msg"]


def test_zstd_works_with_the_package(ansible: Ansible, machine: Path, home: Path, tmp_path: Path) -> None:
    subprocess.run([find_interpreter("3.9"), "-m", "venv", tmp_path], check=True)
    python = tmp_path / "bin/python"
    pip = [python, "-m", "pip", "--quiet", "--disable-pip-version-check", "install", "--no-deps"]
    subprocess.run([*pip, "--constraint", REQUIREMENTS, "zstandard"], check=True)
    ansible.use(python)
    archive = machine / "second.tar.zst"
    export = {"home": home, "state": "exported", "snapshot": "second", "path": archive}
    run_four_times(ansible, machine, "snapshot_archive", **export)
    run_four_times(ansible, machine, "snapshot_archive", home=machine / "other", path=archive, state="imported")
    assert ansible.run("snapshot_info", home=home)["home"]["zstd"].startswith("zstandard ")
