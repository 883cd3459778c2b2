# Copyright: (c) 2026, sandboxops contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Every hostile archive against a home that has something to lose."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tarfile
from pathlib import Path
from typing import Any

import pytest
from all_cases import CASES
from ansible_collections.sandboxops.microsandbox.plugins.module_utils._ansible.task import Outcome
from ansible_collections.sandboxops.microsandbox.plugins.module_utils._core.errors import MicrosandboxError
from ansible_collections.sandboxops.microsandbox.plugins.module_utils._observe.artifact import observe_artifact
from case import ACCEPT, POLICY, Case
from cases_paths import OUTSIDE
from image_samples import disk_text
from importing import Entry, at_rest, import_archive, listing, make_home, set_up

_MODULE = "ansible_collections.sandboxops.microsandbox.plugins.modules.snapshot_archive"
_LONGEST_MESSAGE = 600
# One of each group, and those that speak of names.
_SAMPLE = (
    "ok-plain.tar",
    "path-dotdot.tar",
    "path-control-chars.tar",
    "path-non-utf8.tar",
    "path-tag-characters.tar",
    "path-pax-traversal.tar",
    "pax-huge-key.tar",
    "type-symlink-dir-then-file.tar",
    "sparse-real-size-2-to-the-63-less-1.tar",
    "number-size-negative.tar",
    "damage-zstd-truncated.tar.zst",
    "zstd-window-2-to-the-28.tar.zst",
    "table-name-is-a-path.tar",
    "manifest-integrity-wrong.tar",
    "manifest-half-surrogate.tar",
    "manifest-tricky-labels.tar",
    "parents-two-heads.tar",
    "target-symlink-dangling.tar",
    "cache-conflict.tar",
    "cache-raw-config-mismatch.tar",
    "image-40-layers.tar",
    "image-disk-crlf.tar",
    "image-json-half-surrogate.tar",
    "image-target-metadata-fifo.tar",
    "bomb-zstd-longname-256MiB.tar.zst",
)


def by_id(cases: tuple[Case, ...]) -> list[Any]:
    return [pytest.param(case, id=case.id) for case in cases]


def require_refusal(error: MicrosandboxError, case: Case) -> None:
    assert (error.code, case.says in error.message) == (case.code, True), f"{error.code}: {error.message}"
    assert error.message.isprintable(), "a message is one line and has no escapes for a terminal"
    assert len(error.message) <= _LONGEST_MESSAGE
    json.dumps(error.facts)


def require_installed(world: Path, before: dict[str, Entry], outcome: Outcome, archive: Path, head: str | None) -> None:
    """Check that an import installed what it says, with our modes, and touched nothing else."""
    assert outcome.results["archive"]["head"] == head
    installed = [Path(snapshot["path"]) for snapshot in outcome.results["snapshots"]]
    assert [snapshot["digest"] for snapshot in outcome.results["snapshots"]][-1] == head
    for path in installed:
        assert path.parent == world / "home/snapshots"
        artifact = observe_artifact(str(path))
        assert {entry.name for entry in path.iterdir()} == {"manifest.json", artifact.descriptor.upper_file}
        modes = {oct(entry.stat().st_mode) for entry in path.iterdir()}
        assert (oct(path.stat().st_mode), modes) == ("0o40755", {"0o100644"})
    ours = {str(entry.relative_to(world)) for path in installed for entry in [path, *path.iterdir()]}
    kinds: list[str] = []
    if any(name.startswith("cache/") for name in outcome.results["archive"]["members"]):
        ours |= require_cached(world, before, archive)
        kinds = ["home/cache/layers", "home/cache/fsmeta", "home/cache/vmdk", "home/cache/manifests"]
        assert outcome.results["snapshots"][-1]["image"]["boots_offline"]
    after = at_rest(listing(world), *kinds)
    made = {path for path in kinds if path not in before}
    assert {path: entry for path, entry in after.items() if path not in ours | made} == {
        path: entry for path, entry in at_rest(before, *kinds).items() if path not in ours
    }


def require_cached(world: Path, before: dict[str, Entry], archive: Path) -> set[str]:
    """Check that the cache has the files of an archive, and return what is new in it.

    EROFS files and metadata are those of the archive to the byte, and the disk is one of this cache's own files.
    """
    cache, changed = world / "home/cache", set()
    with tarfile.open(archive) as opened:
        members = {each.name: opened.extractfile(each) for each in opened if each.name.startswith("cache/")}
        content = {name: file.read() for name, file in members.items() if file is not None}
    for name in [name for name in content if name.startswith("cache/manifests/")]:
        fields = json.loads(content[name])
        safe = fields["manifest_digest"].replace(":", "_")
        files = [f"fsmeta/{safe}.erofs", *(f"layers/{x['diff_id'].replace(':', '_')}.erofs" for x in fields["layers"])]
        sizes = [(f"{cache.resolve()}/{file}", len(content[f"cache/{file}"])) for file in files]
        content[f"cache/vmdk/{safe}.vmdk"] = disk_text(sizes).encode()
    for name, expected in content.items():
        path = world / "home" / name
        assert path.read_bytes() == expected
        entry = listing(path)["."]
        if entry != before.get(f"home/{name}"):
            changed.add(f"home/{name}")
            assert oct(entry.mode) == "0o100644"
    locks = [path for path in cache.rglob("*.lock") if path.stat().st_size == 0]
    return changed | {str(path.relative_to(world)) for path in locks}


@pytest.mark.parametrize("case", by_id(CASES))
def test_an_archive_is_installed_whole_or_leaves_no_trace(case: Case, archives: Path, world: Path) -> None:
    home = make_home(world)
    set_up(case, home)
    before = listing(world)
    if case.code is None:
        outcome = import_archive(archives / case.id, home)
        require_installed(world, before, outcome, archives / case.id, case.head)
    else:
        with pytest.raises(MicrosandboxError) as caught:
            import_archive(archives / case.id, home)
        require_refusal(caught.value, case)
        assert at_rest(listing(world)) == at_rest(before)
    assert not os.path.lexists(OUTSIDE)


@pytest.mark.parametrize("case", by_id(CASES))
def test_check_mode_judges_alike_and_touches_nothing(case: Case, archives: Path, world: Path) -> None:
    home = make_home(world)
    set_up(case, home)
    before = listing(world)
    if case.code is None:
        outcome = import_archive(archives / case.id, home, check_mode=True)
        assert outcome.results["archive"]["head"] == case.head
        assert outcome.plan.steps
    else:
        with pytest.raises(MicrosandboxError) as caught:
            import_archive(archives / case.id, home, check_mode=True)
        require_refusal(caught.value, case)
    assert listing(world) == before


@pytest.mark.parametrize("case", by_id(tuple(case for case in CASES if case.id in _SAMPLE)))
def test_the_module_reports_one_line_and_a_code(
    case: Case, archives: Path, world: Path, collections_path: Path
) -> None:
    home = make_home(world)
    set_up(case, home)
    before = listing(world)
    options = {"state": "imported", "path": str(archives / case.id), "home": str(home)}
    done = subprocess.run(
        [sys.executable, "-m", _MODULE],
        input=json.dumps({"ANSIBLE_MODULE_ARGS": options}),
        env={**os.environ, "PYTHONPATH": str(collections_path)},
        capture_output=True,
        text=True,
        check=False,
    )
    result = json.loads(done.stdout)
    assert (result.get("error", {}).get("code"), done.stderr) == (case.code, "")
    if case.code is None:
        assert result["archive"]["head"] == case.head
    else:
        assert case.says in result["msg"]
        assert result["msg"].isprintable()
        assert len(result["msg"]) <= _LONGEST_MESSAGE
        assert at_rest(listing(world)) == at_rest(before)


def test_every_case_is_there_once_and_follows_its_verdict() -> None:
    ids = [case.id for case in CASES]
    assert len(set(ids)) == len(ids)
    assert set(_SAMPLE) <= set(ids)
    for case in CASES:
        assert (case.code is None) == (case.head is not None), case.id
        assert case.verdict == POLICY or (case.verdict == ACCEPT) == (case.code is None), case.id
        assert case.setup or not case.id.startswith("target-"), case.id
