# Copyright: (c) 2026, sandboxops contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Files that the real Ansible takes from a host to the controller."""

from __future__ import annotations

import hashlib
import os
import random
from collections.abc import Callable
from pathlib import Path

import pytest
from file_listing import list_tree
from four_runs import run_four_times
from real_ansible import Ansible, task
from sample_homes import lose_bits

MIB = 1 << 20
CONTENT = random.Random(1).randbytes(3 * MIB + 4321)  # noqa: S311  no secret
CHECKSUM = "sha256:" + hashlib.sha256(CONTENT).hexdigest()
WRONG = "sha256:" + "0" * 64
PARTIAL = ".sandboxops-partial-"


@pytest.fixture
def src(directories: Callable[[], Path]) -> Path:
    """A file on the host."""
    path = directories() / "golden.tar.zst"
    path.write_bytes(CONTENT)
    return path


@pytest.fixture
def dest(machine: Path) -> Path:
    """Where it goes on the controller."""
    return machine / "store/golden.tar.zst"


@pytest.mark.parametrize("options", [{}, {"checksum": CHECKSUM, "piece_bytes": MIB}], ids=["any", "pinned"])
def test_a_file_comes_to_the_controller(
    ansible: Ansible, machine: Path, src: Path, dest: Path, options: dict[str, object]
) -> None:
    result = run_four_times(ansible, machine, "archive_fetch", src=src, dest=dest, mode="0640", **options)
    assert dest.read_bytes() == CONTENT
    assert dest.stat().st_mode & 0o777 == 0o640
    assert (result["dest"], result["checksum"], result["size_bytes"]) == (str(dest), CHECKSUM, len(CONTENT))
    assert (result["bytes"]["received"], result["bytes"]["resumed"]) == (len(CONTENT), 0)
    assert [path.name for path in dest.parent.iterdir()] == [dest.name]


def test_a_controller_that_has_the_file_needs_none_on_the_host(
    ansible: Ansible, machine: Path, src: Path, dest: Path
) -> None:
    ansible.run("archive_fetch", src=src, dest=dest)
    src.unlink()
    result = ansible.run("archive_fetch", src=src, dest=dest, checksum=CHECKSUM)
    assert (result["changed"], result["size_bytes"]) == (False, len(CONTENT))


def test_bits_that_the_controllers_disk_lost_are_found_on_request(ansible: Ansible, src: Path, dest: Path) -> None:
    options = {"src": src, "dest": dest, "checksum": CHECKSUM}
    ansible.run("archive_fetch", **options)
    lose_bits(dest, 0.5)
    assert not ansible.run("archive_fetch", **options)["changed"]
    assert ansible.run("archive_fetch", verify=True, **options)["changed"]
    assert dest.read_bytes() == CONTENT
    assert not ansible.run("archive_fetch", verify=True, **options)["changed"]


@pytest.mark.parametrize("same", [True, False], ids=["the-same", "another"])
def test_what_is_there_is_kept_when_the_file_begins_with_it(
    ansible: Ansible, src: Path, dest: Path, same: bool
) -> None:
    dest.parent.mkdir()
    name = f"{PARTIAL}{hashlib.sha256(dest.name.encode()).hexdigest()[:16]}-{CHECKSUM[7:]}"
    (dest.parent / name).write_bytes(CONTENT[: 2 * MIB] if same else b"x" * MIB)
    result = ansible.run("archive_fetch", src=src, dest=dest)
    assert dest.read_bytes() == CONTENT
    resumed = 2 * MIB if same else 0
    assert (result["bytes"]["received"], result["bytes"]["resumed"]) == (len(CONTENT) - resumed, resumed)
    assert [path.name for path in dest.parent.iterdir()] == [dest.name]


def test_other_content_than_the_wanted_one_leaves_nothing(ansible: Ansible, machine: Path, src: Path) -> None:
    dest = machine / "a"
    dest.write_bytes(b"old")
    result = ansible.run("archive_fetch", src=src, dest=dest, checksum=WRONG)
    assert result["error"] == {
        "code": "integrity",
        "facts": {"actual": CHECKSUM, "expected": WRONG, "path": str(src)},
    }
    assert [(path.name, path.read_bytes()) for path in machine.iterdir()] == [("a", b"old")]


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"dest": "/"}, "expected the path of a file"),
        ({"dest": "DIR/"}, "expected the path of a file"),
        ({"dest": "DIR"}, "no regular file"),
        ({"src": "/missing"}, "there is no file at /missing"),
        ({"src": "/dev/null"}, "no regular file"),
        ({"src": "../x", "home": "/nowhere"}, "leads out of"),
        ({"checksum": "md5:1"}, "checksum is"),
        ({"mode": "rwx"}, "mode is"),
        ({"piece_bytes": 0}, "piece_bytes is"),
        ({"verify": "maybe", "checksum": CHECKSUM}, "verify is 'maybe'"),
        ({"part": {"do": "cut"}}, "a task has no use for it"),
    ],
)
def test_a_task_that_makes_no_sense_is_refused(
    ansible: Ansible, machine: Path, src: Path, options: dict[str, object], words: str
) -> None:
    told = {name: value.replace("DIR", str(machine)) if name == "dest" else value for name, value in options.items()}
    before = list_tree(machine)
    result = ansible.run("archive_fetch", **{"src": src, "dest": machine / "a", **told})
    assert result["failed"]
    assert words in result["msg"]
    assert list_tree(machine) == before


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can become somebody else")
def test_a_file_comes_from_another_user(ansible: Ansible, src: Path, dest: Path) -> None:
    os.chown(src, 65534, 65534)
    src.chmod(0o600)
    ansible.use(Path("/usr/bin/python3"))
    run = ansible.play(
        task("archive_fetch", src=src, dest=dest, piece_bytes=MIB),
        become=True,
        become_user="nobody",
        become_method="su",
        vars={"ansible_become_flags": "-s /bin/sh"},
    )
    assert run.exit_status == 0, run.printed
    assert dest.read_bytes() == CONTENT
    assert run.results[0]["bytes"]["received"] == len(CONTENT)
