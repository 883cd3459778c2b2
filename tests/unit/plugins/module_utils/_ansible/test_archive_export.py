# Copyright: (c) 2026, sandboxops contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which archives stay as they are: those that are whole, as far as the task wants to know."""

from __future__ import annotations

import hashlib
import os
from pathlib import Path
from typing import Any, Callable

import pytest
from ansible_collections.sandboxops.microsandbox.plugins.module_utils._ansible.archive_export import export_snapshot
from ansible_collections.sandboxops.microsandbox.plugins.module_utils._ansible.task import Outcome, Task

ATTRIBUTE = "user.sandboxops.sha256"

Export = Callable[..., Outcome]


@pytest.fixture(params=["a.tar.zst", "a.tar"])
def path(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    return tmp_path / str(request.param)


@pytest.fixture
def export(
    unpack_home: Callable[[str], Path],
    add_images: Callable[..., Path],
    new_task: Callable[..., Task],
    path: Path,
) -> Export:
    """Run a task that exports a snapshot with its parent and their image to the path."""
    home = unpack_home("0.6.2")
    cache = add_images("images", "tiny") / "cache"

    def run(check_mode: bool = False, **params: Any) -> Outcome:
        params = {"snapshot": "child", "with_parents": True, "cache_dir": cache, "path": path, **params}
        task = new_task(home, check_mode, **params)
        return export_snapshot(task, task.observe_home())

    return run


def sha256(path: Path) -> str:
    return "sha256:" + hashlib.sha256(path.read_bytes()).hexdigest()


def damage(path: Path, offset: int) -> None:
    """Flip the bits of one byte in place, some time after the file was written."""
    content = bytearray(path.read_bytes())
    content[offset] ^= 0xFF
    path.write_bytes(content)
    os.utime(path, (1, 1))


def forget(path: Path) -> None:
    """Remove the record of the export, as a copy over the network would."""
    if ATTRIBUTE in os.listxattr(path):
        os.removexattr(path, ATTRIBUTE)


def test_a_second_export_writes_nothing_and_says_the_same(export: Export) -> None:
    first, second = export(), export()
    assert (len(first.plan.steps), second.plan.steps) == (1, ())
    assert first.results == second.results


@pytest.mark.parametrize("place", [0.0, 0.1, 0.3, 0.5, 0.7, 0.9])
def test_one_flipped_byte_anywhere_is_noticed_and_the_archive_written_anew(
    export: Export, path: Path, place: float
) -> None:
    written = export().results["archive"]["sha256"]
    damage(path, int(path.stat().st_size * place))
    damaged = path.read_bytes()
    predicted = export(check_mode=True)
    assert path.read_bytes() == damaged
    assert "sha256" not in predicted.results["archive"]
    applied = export()
    assert predicted.plan == applied.plan
    assert len(applied.plan.steps) == 1
    assert applied.results["archive"]["sha256"] == sha256(path) == written
    assert export().plan.steps == ()


def test_without_a_record_a_damaged_archive_is_noticed_as_by_an_import(export: Export, path: Path) -> None:
    written = export().results["archive"]["sha256"]
    damage(path, 300)
    forget(path)
    applied = export()
    assert applied.plan.before["state"] == "exists, damaged"
    assert applied.results["archive"]["sha256"] == sha256(path) == written


@pytest.mark.parametrize("path", ["a.tar"], indirect=True)
def test_a_descriptor_that_became_another_is_noticed_without_a_record(export: Export, path: Path) -> None:
    export()
    content = path.read_bytes()
    assert content.count(b'"source_sandbox":"base"')
    path.write_bytes(content.replace(b'"source_sandbox":"base"', b'"source_sandbox":"bath"'))
    forget(path)
    assert export().plan.before["state"] == "exists, damaged"


@pytest.mark.parametrize("verify", [True, False])
def test_a_sound_copy_stays(export: Export, path: Path, verify: bool) -> None:
    written = export().results["archive"]
    os.utime(path, (1, 1))
    touched = export(verify=verify)
    forget(path)
    copied = export(verify=verify)
    assert (touched.plan.steps, copied.plan.steps) == ((), ())
    assert touched.results["archive"] == copied.results["archive"] == written


def test_who_verifies_nothing_is_told_what_the_bytes_are(export: Export, path: Path) -> None:
    export()
    damage(path, 300)
    kept = export(verify=False)
    assert kept.plan.steps == ()
    assert kept.results["archive"]["sha256"] == sha256(path)


def forge(path: Path) -> None:
    """Write a record for the file as it is, as everybody can who may write to it."""
    found = path.stat()
    record = f"sha256:{'0' * 64} {found.st_ino} {found.st_size} {found.st_mtime_ns}"
    os.setxattr(path, ATTRIBUTE, record.encode())


@pytest.mark.parametrize("is_outdated", [False, True])
def test_a_record_that_somebody_else_can_have_written_saves_no_damage(
    export: Export, path: Path, is_outdated: bool
) -> None:
    written = export().results["archive"]["sha256"]
    path.chmod(0o666)
    damage(path, 300)
    if is_outdated:
        os.setxattr(path, ATTRIBUTE, f"{sha256(path)} 1 1 1".encode())
    else:
        forge(path)
    applied = export()
    assert applied.plan.before["state"] == "exists, damaged"
    assert applied.results["archive"]["sha256"] == sha256(path) == written


@pytest.mark.parametrize("verify", [True, False])
@pytest.mark.skipif(os.geteuid() != 0, reason="only root can write for another user")
def test_root_leaves_an_archive_that_belongs_to_another_user_and_tells_its_true_digest(
    export: Export, path: Path, verify: bool
) -> None:
    os.chown(path.parent, 12345, 12345)
    written = export(verify=verify).results["archive"]
    assert path.stat().st_uid == 12345
    second = export(verify=verify)
    forge(path)
    third = export(verify=verify)
    assert (second.plan.steps, third.plan.steps) == ((), ())
    assert second.results["archive"] == third.results["archive"] == written


def test_an_archive_whose_record_counts_is_not_read(export: Export, path: Path) -> None:
    written = export().results["archive"]["sha256"]
    found = path.stat()
    damage(path, 300)
    os.utime(path, ns=(found.st_atime_ns, found.st_mtime_ns))
    kept = export()
    assert kept.plan.steps == ()
    assert kept.results["archive"]["sha256"] == written != sha256(path)
