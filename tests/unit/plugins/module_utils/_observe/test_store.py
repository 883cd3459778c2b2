# Copyright: (c) 2026, sandboxops contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Stores: what is an artifact, what is none, what dead runs left, and finding by digest."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Callable

import pytest
from ansible_collections.sandboxops.microsandbox.plugins.module_utils._disk.staging import STAGING_PREFIX, staging_area
from ansible_collections.sandboxops.microsandbox.plugins.module_utils._observe.artifact import observe_artifact
from ansible_collections.sandboxops.microsandbox.plugins.module_utils._observe.store import (
    Store,
    find_children,
    find_digest,
    find_paths,
    observe_store,
)

DATA = Path(__file__).parents[3] / "data"

Unpack = Callable[[str], Path]
Copy = Callable[[str], Path]
Make = Callable[..., Path]
Listing = Callable[[Path], object]


def names(store: Store) -> list[str]:
    return [artifact.name for artifact in store.artifacts]


def digest_of(path: Path) -> str:
    return observe_artifact(str(path)).descriptor.digest


def test_a_missing_store_is_empty(tmp_path: Path) -> None:
    directory = str(tmp_path / "missing")
    assert observe_store(directory) == Store(directory, (), (), ())


def test_what_is_no_directory_is_an_error(tmp_path: Path) -> None:
    tmp_path.joinpath("file").touch()
    with pytest.raises(NotADirectoryError):
        observe_store(str(tmp_path / "file"))


@pytest.mark.parametrize("version", ["0.4.4", "0.6.2"])
def test_the_artifacts_of_a_real_home_are_those_that_microsandbox_lists(
    unpack_home: Unpack, list_tree: Listing, version: str
) -> None:
    home = unpack_home(version)
    before = list_tree(home)
    store = observe_store(str(home / "snapshots"))
    assert list_tree(home) == before
    expected = json.loads((DATA / f"homes/home-{version}.expected.json").read_text("utf-8"))["list"]
    assert {(a.name, a.descriptor.digest) for a in store.artifacts} == {
        (row["name"], row["digest"]) for row in expected
    }
    assert names(store) == sorted(names(store))
    assert (store.invalid, store.orphans) == ((), ())


def test_a_home_of_a_later_generation_is_listed_as_such(unpack_home: Unpack) -> None:
    store = observe_store(str(unpack_home("0.7.11") / "snapshots"))
    assert store.artifacts == ()
    assert store.invalid
    assert {invalid.code for invalid in store.invalid} == {"unsupported"}
    assert all("generation G3" in invalid.reason for invalid in store.invalid)


def test_everything_that_is_no_artifact_is_told_apart(tmp_path: Path, make_artifact: Make) -> None:
    store = tmp_path / "store"
    for name in ("b", "a", "damaged", ".hidden"):
        make_artifact(f"store/{name}")
    store.joinpath("damaged/upper.ext4").unlink()
    shutil.copytree(DATA / "g2-artifacts/basic-0.6.7", store / "later")
    store.joinpath("empty").mkdir()
    store.joinpath("link").symlink_to("a")
    store.joinpath("dangling").symlink_to("nowhere")
    store.joinpath("file").touch()
    os.mkfifo(store / "fifo")
    found = observe_store(str(store))
    assert names(found) == ["a", "b"]
    assert {os.path.basename(invalid.path): invalid.code for invalid in found.invalid} == {
        "damaged": "integrity",
        "dangling": "state",
        "empty": "format",
        "later": "unsupported",
        "link": "state",
    }
    assert "upper.ext4 is missing" in next(i.reason for i in found.invalid if i.path.endswith("damaged"))
    assert found.orphans == ()


def test_one_name_alone_is_looked_at(tmp_path: Path, make_artifact: Make) -> None:
    for name in ("a", "b"):
        make_artifact(f"store/{name}")
    tmp_path.joinpath("store/broken").mkdir()
    found = observe_store(str(tmp_path / "store"), only="b")
    assert (names(found), found.invalid) == (["b"], ())


def test_what_dead_runs_left_is_listed_and_what_live_ones_have_is_not(tmp_path: Path, list_tree: Listing) -> None:
    tmp_path.joinpath(STAGING_PREFIX + "dead").mkdir()
    tmp_path.joinpath(".msb-snapshot-import-AbCdEf").mkdir()
    with staging_area(str(tmp_path)):
        before = list_tree(tmp_path)
        store = observe_store(str(tmp_path))
        assert list_tree(tmp_path) == before
    assert sorted(store.orphans) == [
        str(tmp_path / ".msb-snapshot-import-AbCdEf"),
        str(tmp_path / (STAGING_PREFIX + "dead")),
    ]
    assert (store.artifacts, store.invalid) == ((), ())


@pytest.mark.skipif(os.geteuid() != 0, reason="root reads everything, so another user must look")
def test_an_artifact_that_may_not_be_read_is_listed_with_the_reason(
    tmp_path: Path, make_artifact: Make, collections_path: Path
) -> None:
    for name in ("open", "shut"):
        make_artifact(f"store/{name}")
    store = tmp_path / "store"
    store.chmod(0o755)
    store.joinpath("open").chmod(0o755)
    store.joinpath("shut").chmod(0o700)
    # The other user need not be able to reach the store by its path.
    script = """
import os
from ansible_collections.sandboxops.microsandbox.plugins.module_utils._observe.store import observe_store
os.setgroups([])
os.setgid(12345)
os.setuid(12345)
found = observe_store(".")
print([artifact.name for artifact in found.artifacts], [(i.code, i.reason) for i in found.invalid])
"""
    environment = {**os.environ, "PYTHONPATH": str(collections_path)}
    command = [sys.executable, "-c", script]
    done = subprocess.run(command, cwd=store, env=environment, stdout=subprocess.PIPE, text=True, check=True)
    assert done.stdout == "['open'] [('os', './shut cannot be read: Permission denied')]\n"


def test_an_artifact_that_the_disk_does_not_give_away_is_listed_with_the_reason(
    tmp_path: Path, make_artifact: Make, collections_path: Path
) -> None:
    for name in ("good", "lost"):
        make_artifact(f"store/{name}")
    store = tmp_path / "store"
    script = f"""
from {observe_store.__module__} import observe_store
found = observe_store({str(store)!r})
print([artifact.name for artifact in found.artifacts], [(i.code, i.reason) for i in found.invalid])
"""
    environment = {**os.environ, "PYTHONPATH": str(collections_path)}
    trace = ["strace", "-qq", "-o", "/dev/null", "-P", f"{store}/lost/manifest.json", "-e", "inject=read:error=EIO"]
    command = [*trace, sys.executable, "-B", "-c", script]
    done = subprocess.run(command, env=environment, stdout=subprocess.PIPE, text=True, check=True)
    assert done.stdout == f"['good'] [('os', '{store}/lost cannot be read: Input/output error')]\n"


def test_an_artifact_is_found_by_its_digest(tmp_path: Path, make_artifact: Make) -> None:
    paths = [make_artifact(f"store/{name}") for name in ("a", "b", "c")]
    for path in paths:
        found = find_digest(str(tmp_path / "store"), digest_of(path))
        assert found is not None
        assert found.path == str(path)
    assert find_digest(str(tmp_path / "store"), "sha256:" + "0" * 64) is None
    assert find_digest(str(tmp_path / "missing"), digest_of(paths[0])) is None


def test_a_hint_is_tried_first_and_never_trusted(tmp_path: Path, make_artifact: Make) -> None:
    inside, outside = make_artifact("store/a"), make_artifact("elsewhere/a", labels={"name": "store/a"})
    digest = digest_of(inside)
    assert digest_of(outside) == digest
    store = str(tmp_path / "store")
    hinted = find_digest(store, digest, [str(tmp_path / "missing"), str(outside)])
    assert hinted is not None
    assert hinted.path == str(outside)
    outside.joinpath("upper.ext4").unlink()
    found = find_digest(store, digest, [str(outside)])
    assert found is not None
    assert found.path == str(inside)


def test_a_manifest_in_another_spelling_is_found_by_its_identity(tmp_path: Path, make_artifact: Make) -> None:
    path = make_artifact("store/a")
    digest = digest_of(path)
    manifest = path / "manifest.json"
    manifest.write_text(json.dumps(json.loads(manifest.read_text("utf-8")), indent=2), "utf-8")
    found = find_digest(str(tmp_path / "store"), digest)
    assert found is not None
    assert found.path == str(path)


def test_a_damaged_artifact_is_not_found(tmp_path: Path, make_artifact: Make) -> None:
    path = make_artifact("store/a")
    digest = digest_of(path)
    os.truncate(path / "upper.ext4", 1)
    assert find_digest(str(tmp_path / "store"), digest) is None


def test_the_paths_of_many_digests_are_found_in_one_look_whatever_their_uppers_are(
    tmp_path: Path, make_artifact: Make
) -> None:
    paths = [make_artifact(f"store/{name}") for name in ("a", "b", "c")]
    digests = [digest_of(path) for path in paths]
    shutil.copytree(paths[0], tmp_path / "store/d")
    paths[0].joinpath("upper.ext4").unlink()
    found = list(find_paths(str(tmp_path / "store"), {digests[0], digests[2], "sha256:" + "0" * 64}))
    assert found == [(digests[0], str(paths[0])), (digests[2], str(paths[2])), (digests[0], str(tmp_path / "store/d"))]
    whole = find_digest(str(tmp_path / "store"), digests[0])
    assert whole is not None
    assert whole.path == str(tmp_path / "store/d")
    assert not list(find_paths(str(tmp_path / "store"), ()))


FINDER = f"""
import sys
from {find_paths.__module__} import find_digest, find_paths
print(find_digest(sys.argv[1], sys.argv[2]))
print([path for dummy, path in find_paths(sys.argv[1], sys.argv[2:])])
"""


@pytest.mark.parametrize("call", ["openat", "read"])
def test_a_digest_is_not_said_to_be_nowhere_while_a_descriptor_cannot_be_read(
    tmp_path: Path, make_artifact: Make, collections_path: Path, call: str
) -> None:
    other, bad = make_artifact("store/a"), make_artifact("store/b")
    trace = ["strace", "-qq", "-o", "/dev/null", "-P", f"{bad}/manifest.json", "-e", f"inject={call}:error=EIO"]

    def find(*digests: str) -> subprocess.CompletedProcess[str]:
        command = [*trace, sys.executable, "-B", "-c", FINDER, str(tmp_path / "store"), *digests]
        environment = {**os.environ, "PYTHONPATH": str(collections_path)}
        return subprocess.run(command, env=environment, check=False, capture_output=True, text=True)

    assert find(digest_of(other)).stdout.splitlines()[1] == str([str(other)])
    done = find(digest_of(bad), digest_of(other))
    assert done.stdout == "None\n"
    assert f"Input/output error: '{bad}/manifest.json'" in done.stderr


def test_a_hidden_artifact_is_not_found(tmp_path: Path, make_artifact: Make) -> None:
    digest = digest_of(make_artifact("store/.a"))
    assert find_digest(str(tmp_path / "store"), digest) is None


def test_children_are_found_even_when_their_uppers_are_damaged(tmp_path: Path, make_artifact: Make) -> None:
    parent = digest_of(make_artifact("store/parent"))
    children = [make_artifact(f"store/child-{number}", parent=parent) for number in range(2)]
    make_artifact("store/other", parent="sha256:" + "0" * 64)
    make_artifact("store/mentions", labels={"about": parent})
    digests = sorted(map(digest_of, children))
    children[0].joinpath("upper.ext4").unlink()
    assert find_children(str(tmp_path / "store"), parent) == tuple(digests)
    assert find_children(str(tmp_path / "missing"), parent) == ()


def test_a_child_that_spells_its_parent_with_escapes_is_found(tmp_path: Path, make_artifact: Make) -> None:
    parent = digest_of(make_artifact("store/parent"))
    child = make_artifact("store/child", parent=parent)
    digest = digest_of(child)
    manifest = child / "manifest.json"
    escaped = parent.replace("sha256", "\\u0073ha256")
    manifest.write_text(manifest.read_text("utf-8").replace(parent, escaped), "utf-8")
    assert find_children(str(tmp_path / "store"), parent) == (digest,)


def test_a_manifest_that_is_a_fifo_keeps_nobody_waiting(tmp_path: Path, make_artifact: Make) -> None:
    digest = digest_of(make_artifact("store/a"))
    trap = make_artifact("store/0-trap")
    trap.joinpath("manifest.json").unlink()
    os.mkfifo(trap / "manifest.json")
    store = str(tmp_path / "store")
    assert find_digest(store, digest) is not None
    assert find_children(store, digest) == ()
    assert names(observe_store(store)) == ["a"]
