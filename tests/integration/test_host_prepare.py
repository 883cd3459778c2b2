# Copyright: (c) 2026, sandboxops contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Preparing hosts, checked, run, checked again and run again: what is missing comes, what is there is left alone."""

from __future__ import annotations

import importlib.metadata
import os
import sys
import venv
import zipfile
from pathlib import Path

import pytest
from file_listing import changes, list_tree
from real_ansible import Ansible, Result
from role_runs import any_changed, run_role, run_role_four_times

ROLE = "host_prepare"

INSTALLED = importlib.metadata.distribution("zstandard")


@pytest.fixture
def bare_python(machine: Path) -> Path:
    """A Python without a zstd library, whose pip finds the tests' own beside it and nothing anywhere else."""
    environment = machine / "python"
    venv.create(environment, with_pip=True)
    wheels = machine / "wheels"
    wheels.mkdir()
    with zipfile.ZipFile(wheels / f"zstandard-{INSTALLED.version}-py3-none-any.whl", "w") as wheel:
        for file in INSTALLED.files or ():
            if file.suffix != ".pyc":
                wheel.write(str(file.locate()), str(file))
    environment.joinpath("pip.conf").write_text(f"[global]\nno-index = true\nfind-links = {wheels}\n", encoding="utf-8")
    return environment / "bin/python"


def report_of(results: list[Result]) -> Result:
    """Return the report, which the last look gave."""
    return [result for result in results if "repairs" in result][-1]


def test_a_host_that_lacks_nothing_is_left_alone(ansible: Ansible, machine: Path, home: Path) -> None:
    runs = run_role_four_times(ansible, machine, ROLE, home=home, changed=False)
    report = report_of(runs[1])
    assert report["missing"] == []
    assert report["host"]["zstd"].startswith("zstandard ")
    assert report["host"]["python"]["version"] == ".".join(map(str, sys.version_info[:3]))
    assert report["summary"].endswith("missing: nothing")
    assert [result["msg"] for result in runs[1] if "assertion" not in result and "msg" in result][-1] == report[
        "summary"
    ]


def test_missing_directories_are_made_for_their_owner(ansible: Ansible, machine: Path) -> None:
    home, spool = machine / "new/home", machine / "spool"
    runs = run_role_four_times(ansible, machine, ROLE, home=home, directories=[spool], owner="nobody", group="nogroup")
    assert [problem["path"] for problem in report_of(runs[0])["missing"]] == [
        f"{home}",
        f"{home}/snapshots",
        f"{home}/cache",
        f"{spool}",
    ]
    for path in (home, home / "snapshots", home / "cache", spool):
        assert (path.owner(), path.group()) == ("nobody", "nogroup")
    assert report_of(runs[1])["missing"] == []


def test_a_wrong_owner_and_mode_are_put_right_and_what_lies_within_is_told(
    ansible: Ansible, machine: Path, home: Path
) -> None:
    os.chown(home, 65534, 65534)
    os.chown(home / "cache", 65534, 65534)
    home.joinpath("snapshots").chmod(0o500)
    runs = run_role_four_times(ansible, machine, ROLE, home=home)
    found = {(problem["what"], problem["path"]) for problem in report_of(runs[0])["missing"]}
    assert ("owner", f"{home}/snapshots") in found
    assert ("mode", f"{home}/snapshots") in found
    assert (home / "snapshots").stat().st_uid == 65534
    assert (home / "snapshots").stat().st_mode & 0o777 == 0o700
    left = report_of(runs[1])["missing"]
    assert {problem["what"] for problem in left} == {"foreign"}
    assert (home / "snapshots/first").stat().st_uid == os.getuid()
    assert f"{home}/snapshots/first" in report_of(runs[1])["summary"]


def test_pip_installs_into_a_virtual_environment(
    ansible: Ansible, machine: Path, home: Path, bare_python: Path
) -> None:
    ansible.use(bare_python)
    before = list_tree(home)
    checked = run_role(ansible, ROLE, check=True, home=home)
    assert any_changed(checked)
    (problem,) = report_of(checked)["missing"]
    assert problem["what"] == "zstd"
    assert problem["reason"].endswith("has no zstd library: pip can install one")
    assert not list(machine.glob("python/lib/*/site-packages/zstandard"))
    applied = run_role(ansible, ROLE, home=home)
    assert any_changed(applied)
    assert report_of(applied)["host"]["zstd"] == f"zstandard {INSTALLED.version}"
    for check in (True, False):
        again = run_role(ansible, ROLE, check=check, home=home)
        assert not any_changed(again)
        assert report_of(again)["missing"] == []
    assert changes(before, list_tree(home)) == []


def test_a_host_may_do_without_zstd(ansible: Ansible, machine: Path, home: Path, bare_python: Path) -> None:
    ansible.use(bare_python)
    results = run_role(ansible, ROLE, home=home, zstd=False)
    assert not results[-1]["failed"]
    assert not any_changed(results)
    assert report_of(results)["host"]["zstd"] is None


def test_what_cannot_be_installed_fails_with_the_report(
    ansible: Ansible, machine: Path, home: Path, bare_python: Path
) -> None:
    ansible.use(bare_python)
    for wheel in machine.glob("wheels/*"):
        wheel.unlink()
    results = run_role(ansible, ROLE, home=home)
    assert results[-1]["failed"]
    assert results[-1]["msg"] == report_of(results)["summary"]
    assert "has no zstd library" in results[-1]["msg"]


def test_a_file_in_the_place_of_a_directory_is_told_and_left(ansible: Ansible, machine: Path) -> None:
    machine.joinpath("home").write_text("mine", encoding="utf-8")
    before = list_tree(machine)
    results = run_role(ansible, ROLE, home=machine / "home")
    assert results[-1]["failed"]
    assert results[-1]["error"]["code"] == "os"
    assert "Not a directory" in results[-1]["msg"]
    assert changes(before, list_tree(machine)) == []


def test_an_unknown_owner_is_an_error(ansible: Ansible, home: Path) -> None:
    results = run_role(ansible, ROLE, home=home, owner="nobody-here")
    assert results[-1]["failed"]
    assert results[-1]["error"] == {"code": "state", "facts": {"owner": "nobody-here"}}
