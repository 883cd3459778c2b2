# Copyright: (c) 2026, sandboxops contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Preparing hosts, checked, run, checked again and run again: what is missing comes, what is there is left alone."""

from __future__ import annotations

import importlib.metadata
import os
import re
import subprocess
import sys
import venv
import zipfile
from pathlib import Path
from typing import Callable

import pytest
from file_listing import changes, list_tree
from real_ansible import Ansible, Result
from role_runs import any_changed, run_role, run_role_four_times

ROLE = "host_prepare"

INSTALLED = importlib.metadata.distribution("zstandard")
OWNER = 12345
SYSTEM_PYTHON = Path("/usr/bin/python3")

# Becomes the system's Python in a mount namespace where the package manager and the mark of PEP 668 are the test's.
_SYSTEM_PYTHON = """#!/bin/sh
exec unshare --mount sh -ec '
mount -t tmpfs tmpfs /mnt
mkdir /mnt/upper /mnt/work
mount -t overlay overlay -o lowerdir={stdlib},upperdir=/mnt/upper,workdir=/mnt/work {stdlib}
{mark} {stdlib}/EXTERNALLY-MANAGED
for file in /usr/lib/python3/dist-packages/zstandard/__init__.py; do
    [ ! -e "$file" ] || mount --bind {directory}/hidden.py "$file"
done
mount --bind {directory}/apt-get /usr/bin/apt-get
exec "$@"' sh {user} env PYTHONPATH={directory}/site {python} "$@"
"""
_PACKAGE_MANAGER = """#!/bin/sh
echo "apt-get $*" >> {directory}/log
[ "$1" != install ] || {install}
"""
_PIP = """
import shutil, sys
with open("{directory}/log", "a") as log:
    print("pip", *sys.argv[1:], file=log)
shutil.copytree("{directory}/zstandard", "{directory}/site/zstandard")
"""
# All that the library asks of a package before it is used.
_LIBRARY = """
__version__ = "0.99.0"

def __getattr__(name):
    return type(name, (Exception,), {})
"""
needs_namespaces = pytest.mark.skipif(
    os.geteuid() != 0 or not Path("/usr/bin/apt-get").exists(), reason="only root mounts over Debian's package manager"
)


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


class SystemPython:
    """The system's Python, as root or another user, with a package manager and a pip that only write down their calls.

    Args:
        directory: Where its parts lie.
        managed: Whether the system forbids pip to touch it.
        has_package: Whether the package manager has the library.
        user: Program and options that make it another user's.
    """

    def __init__(self, directory: Path, *, managed: bool, has_package: bool = True, user: str = "") -> None:
        self._log = directory / "log"
        self.program = directory / "python"
        command = [SYSTEM_PYTHON, "-c", "import sysconfig; print(sysconfig.get_path('stdlib'))"]
        stdlib = subprocess.run(command, check=True, capture_output=True, text=True).stdout.strip()
        install = f"cp -r {directory}/zstandard {directory}/site/" if has_package else "exit 100"
        parts = {
            "python": _SYSTEM_PYTHON.format(
                stdlib=stdlib,
                mark="touch" if managed else "rm -f",
                directory=directory,
                user=user,
                python=SYSTEM_PYTHON,
            ),
            "apt-get": _PACKAGE_MANAGER.format(directory=directory, install=install),
            "hidden.py": "raise ImportError('hidden by the test')\n",
            "site/pip/__init__.py": "",
            "site/pip/__main__.py": _PIP.format(directory=directory),
            "zstandard/__init__.py": _LIBRARY,
        }
        for name, content in parts.items():
            path = directory / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(content, encoding="utf-8")
            path.chmod(0o755)

    @property
    def calls(self) -> list[str]:
        """Return the calls of the package manager and of pip."""
        return self._log.read_text(encoding="utf-8").splitlines() if self._log.exists() else []


def report_of(results: list[Result]) -> Result:
    """Return the report, which the last look gave."""
    return [result for result in results if "repairs" in result][-1]


def test_a_host_that_lacks_nothing_is_left_alone(ansible: Ansible, machine: Path, home: Path) -> None:
    runs = run_role_four_times(ansible, machine, ROLE, home=home, changed=False)
    report = report_of(runs[1])
    assert report["missing"] == []
    assert report["host"]["zstd"].startswith("zstandard ")
    assert report["host"]["read_only"] is False
    assert report["host"]["python"]["version"] == ".".join(map(str, sys.version_info[:3]))
    assert report["summary"].endswith("missing: nothing")
    assert [result["msg"] for result in runs[1] if "assertion" not in result and "msg" in result][-1] == report[
        "summary"
    ]


def test_missing_directories_are_made_for_their_owner(ansible: Ansible, machine: Path) -> None:
    home, spool = machine / "new/home", machine / "spool"
    # As a survey gives it, which is not to be a word on the directory that the task works in.
    directories = f"\n{spool}, \n"
    runs = run_role_four_times(
        ansible, machine, ROLE, home=home, directories=directories, owner="nobody", group="nogroup"
    )
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


@needs_namespaces
def test_the_systems_package_serves_the_systems_python(
    ansible: Ansible, directories: Callable[[], Path], home: Path
) -> None:
    python = SystemPython(directories(), managed=True)
    ansible.use(python.program)
    checked = run_role(ansible, ROLE, check=True, home=home)
    assert any_changed(checked)
    assert report_of(checked)["missing"][0]["reason"].endswith("has no zstd library: package can install one")
    assert python.calls == []
    applied = run_role(ansible, ROLE, home=home)
    assert any_changed(applied)
    assert report_of(applied)["host"]["zstd"] == "zstandard 0.99.0"
    calls = ["apt-get update", "apt-get install --yes --no-install-recommends python3-zstandard"]
    assert python.calls == calls
    for check in (True, False):
        assert not any_changed(run_role(ansible, ROLE, check=check, home=home))
    assert python.calls == calls


@needs_namespaces
def test_pip_never_touches_a_managed_python(ansible: Ansible, directories: Callable[[], Path], home: Path) -> None:
    python = SystemPython(directories(), managed=True, has_package=False)
    ansible.use(python.program)
    results = run_role(ansible, ROLE, home=home)
    assert results[-1]["failed"]
    assert results[-1]["msg"] == report_of(results)["summary"]
    assert [call.split()[0] for call in python.calls] == ["apt-get", "apt-get"]


@needs_namespaces
def test_pip_comes_to_the_aid_of_a_python_that_is_not_managed(
    ansible: Ansible, directories: Callable[[], Path], home: Path
) -> None:
    python = SystemPython(directories(), managed=False, has_package=False)
    ansible.use(python.program)
    results = run_role(ansible, ROLE, home=home)
    assert not results[-1]["failed"]
    assert report_of(results)["host"]["zstd"] == "zstandard 0.99.0"
    assert python.calls[-1] == "pip install --no-input --disable-pip-version-check zstandard"


@needs_namespaces
def test_without_root_directories_are_made_and_the_rest_is_told(
    ansible: Ansible, directories: Callable[[], Path], machine: Path
) -> None:
    user = f"setpriv --reuid {OWNER} --regid {OWNER} --clear-groups"
    python = SystemPython(directories(), managed=True, user=user)
    ansible.use(python.program)
    os.chown(machine, OWNER, OWNER)
    home = machine / "home"
    results = run_role(ansible, ROLE, home=home)
    assert results[-1]["failed"]
    assert results[-1]["msg"].endswith("has no zstd library: its package python3-zstandard needs root")
    assert python.calls == []
    assert {path.stat().st_uid for path in (home, home / "snapshots", home / "cache")} == {OWNER}
    assert not run_role(ansible, ROLE, home=home, zstd=False)[-1]["failed"]


@needs_namespaces
def test_without_root_somebody_elses_home_is_told_and_left(
    ansible: Ansible, directories: Callable[[], Path], machine: Path
) -> None:
    python = SystemPython(directories(), managed=True, user=f"setpriv --reuid {OWNER} --regid {OWNER} --clear-groups")
    ansible.use(python.program)
    home = machine / "home"
    for directory in ("snapshots", "cache"):
        home.joinpath(directory).mkdir(parents=True)
    before = list_tree(machine)
    results = run_role(ansible, ROLE, home=home, zstd=False, owner=str(OWNER))
    assert results[-1]["failed"]
    assert f"{home} belongs to uid 0, not to {OWNER}" in results[-1]["msg"]
    assert changes(before, list_tree(machine)) == []


@needs_namespaces
def test_without_root_a_home_below_a_directory_of_root_is_told_and_not_promised(
    ansible: Ansible, directories: Callable[[], Path], machine: Path
) -> None:
    python = SystemPython(directories(), managed=True, user=f"setpriv --reuid {OWNER} --regid {OWNER} --clear-groups")
    ansible.use(python.program)
    before = list_tree(machine)
    home = machine / "home"
    checked = run_role(ansible, ROLE, check=True, home=home, zstd=False)
    assert not checked[-1]["failed"]
    assert not any_changed(checked)
    results = run_role(ansible, ROLE, home=home, zstd=False)
    assert results[-1]["failed"]
    assert results[-1]["msg"] == report_of(results)["summary"]
    assert f"{home} is absent, and the task's user may make nothing in {machine}" in results[-1]["msg"]
    assert changes(before, list_tree(machine)) == []


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
    checked = run_role(ansible, ROLE, check=True, home=machine / "home")
    assert not checked[-1]["failed"]
    assert not any_changed(checked)
    results = run_role(ansible, ROLE, home=machine / "home")
    assert results[-1]["failed"]
    assert results[-1]["msg"] == report_of(results)["summary"]
    found, predicted = (re.sub(r"[\d.]+ [KMGT]iB free", "", run[-1]["msg"]) for run in (results, checked))
    assert found == predicted
    assert f"{machine}/home is no directory" in found
    assert changes(before, list_tree(machine)) == []


def test_an_unknown_owner_is_an_error(ansible: Ansible, home: Path) -> None:
    results = run_role(ansible, ROLE, home=home, owner="nobody-here")
    assert results[-1]["failed"]
    assert results[-1]["error"] == {"code": "state", "facts": {"owner": "nobody-here"}}
