# Copyright: (c) 2026, sandboxops contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Whose files come of it: root on another user's home, and users on their own."""

from __future__ import annotations

import errno
import os
import subprocess
import sys
from pathlib import Path
from typing import Callable

import pytest
from file_listing import list_tree
from four_runs import run_four_times
from real_ansible import Ansible, task
from sample_homes import add_sandbox, index_rows

OWNER = 12345

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="only root can act as somebody else")

# Stands in for a Python that an unprivileged user logged in to run.
_AS_OWNER = """#!{python}
import os, sys
os.setgroups([])
os.setgid({owner})
os.setuid({owner})
os.execv({theirs!r}, [{theirs!r}, *sys.argv[1:]])
"""


@pytest.fixture
def owned(machine: Path, home: Path) -> Path:
    """A home that belongs, with the directory around it, to an unprivileged user."""
    for name in ("base", "crashed"):
        home.joinpath("sandboxes", name, "upper.ext4").chmod(0o600)
    _give(machine, OWNER)
    return home


@pytest.fixture
def python_of_owner(directories: Callable[[], Path]) -> Path:
    """An interpreter that gives up root's rights before it becomes a Python that the owner can run."""
    wrapper = directories() / "python"
    for python in (sys._base_executable, "/usr/bin/python3", "/usr/local/bin/python3"):
        wrapper.write_text(_AS_OWNER.format(python=sys.executable, owner=OWNER, theirs=python), encoding="utf-8")
        wrapper.chmod(0o755)
        if subprocess.run([wrapper, "-c", "import sqlite3"], check=False, capture_output=True).returncode == 0:
            return wrapper
    pytest.fail("no Python here can be run by an unprivileged user")


def test_what_root_makes_in_a_home_belongs_to_its_owner(ansible: Ansible, machine: Path, owned: Path) -> None:
    archive = machine / "new/deep/a.tar.zst"
    second = machine / "second-home"
    tasks = [
        task("snapshot", home=owned, name="golden", sandbox="base"),
        task("snapshot", home=owned, name="golden", sandbox="base", labels={"a": "1"}, force=True),
        task("snapshot", home=owned, path=machine / "elsewhere/deep/golden", sandbox="crashed"),
        task("snapshot_archive", home=owned, snapshot="golden", path=archive, state="exported"),
        task("snapshot_archive", home=second, path=archive, state="imported"),
        task("snapshot", home=owned, name="first", state="absent", force=True),
        task("snapshot_index", home=owned, prune=True),
    ]
    run = ansible.play(*tasks, watch=machine)
    assert run.exit_status == 0, run.printed
    locks = owned / "run/locks"
    assert [path.suffix for path in locks.iterdir()] == [".lock", ".lock"]
    for listing in run.listings:
        assert {path: (entry.uid, entry.gid) for path, entry in listing.items() if entry.uid != OWNER} == {}
        assert {path for path, entry in listing.items() if entry.gid != OWNER} == set()
    listing = list_tree(machine)
    for path in (owned / "snapshots/golden/upper.ext4", archive):
        assert listing[str(path)].mode == "rw-------"


def test_a_user_works_on_a_home_of_his_own(ansible: Ansible, python_of_owner: Path, machine: Path, owned: Path) -> None:
    ansible.use(python_of_owner)
    archive = machine / "a.tar"
    capture = run_four_times(ansible, machine, "snapshot", home=owned, name="golden", sandbox="base")
    assert index_rows(owned)["golden"] == capture["snapshot"]["digest"]
    run_four_times(ansible, machine, "snapshot_archive", home=owned, snapshot="golden", path=archive, state="exported")
    second = machine / "second-home"
    run_four_times(ansible, machine, "snapshot_archive", home=second, path=archive, state="imported")
    assert {entry.uid for entry in list_tree(machine).values()} == {OWNER}


def test_what_a_user_may_not_read_is_an_error_with_the_path(
    ansible: Ansible, python_of_owner: Path, machine: Path, owned: Path
) -> None:
    ansible.use(python_of_owner)
    upper = add_sandbox(owned, "private")
    upper.chmod(0o600)
    result = ansible.run("snapshot", home=owned, path=machine / "golden", sandbox="private")
    assert result["error"] == {"code": "os", "facts": {"errno": errno.EACCES, "path": str(upper)}}
    assert result["msg"] == f"{upper}: Permission denied"
    assert not (machine / "golden").exists()


def test_what_a_user_may_not_write_is_an_error_with_the_path(
    ansible: Ansible, python_of_owner: Path, owned: Path
) -> None:
    ansible.use(python_of_owner)
    os.chown(owned / "snapshots", 0, 0)
    result = ansible.run("snapshot", home=owned, name="golden", sandbox="base")
    assert result["error"]["code"] == "os"
    assert result["msg"].startswith(f"{owned}/snapshots")


def _give(directory: Path, owner: int) -> None:
    for path in list_tree(directory):
        os.chown(path, owner, owner, follow_symlinks=False)
