# Copyright: (c) 2026, sandboxops contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What modules return of a snapshot, an archive and a home."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any, Callable

import pytest
from ansible_collections.sandboxops.microsandbox.plugins.module_utils._ansible.results import (
    PinnedImages,
    archive_result,
    archived_result,
    home_result,
    integrity_result,
    invalid_result,
    snapshot_result,
    snapshot_results,
)
from ansible_collections.sandboxops.microsandbox.plugins.module_utils._disk.sparse_file import Traffic
from ansible_collections.sandboxops.microsandbox.plugins.module_utils._observe.archive import observe_archive
from ansible_collections.sandboxops.microsandbox.plugins.module_utils._observe.archive_limits import ArchiveLimits
from ansible_collections.sandboxops.microsandbox.plugins.module_utils._observe.artifact import (
    Artifact,
    observe_artifact,
)
from ansible_collections.sandboxops.microsandbox.plugins.module_utils._observe.home import Home, observe_home
from ansible_collections.sandboxops.microsandbox.plugins.module_utils._observe.integrity import (
    IntegrityState,
    verify_artifact,
)
from ansible_collections.sandboxops.microsandbox.plugins.module_utils._observe.store import InvalidArtifact

DATA = Path(__file__).parents[3] / "data"
CHAIN = DATA / "g1-archives/chain3-0.6.2-parents.tar.zst"

Unpack = Callable[[str], Path]


@pytest.fixture
def home(unpack_home: Unpack) -> Home:
    return observe_home(str(unpack_home("0.6.2")), None, None, {})


def artifact_of(home: Home, name: str) -> Artifact:
    return observe_artifact(f"{home.snapshots_dir}/{name}")


def test_a_snapshot_is_returned_with_all_that_is_promised(home: Home) -> None:
    artifact = artifact_of(home, "first")
    recorded = json.loads(Path(artifact.path, "manifest.json").read_text("utf-8"))
    assert snapshot_result(artifact, PinnedImages(home), ["sha256:b", "sha256:a"]) == {
        "name": "first",
        "path": artifact.path,
        "digest": artifact.descriptor.digest,
        "generation": "G1",
        "format": "raw",
        "fstype": "ext4",
        "image": {
            "reference": "localhost/tiny:1",
            "manifest_digest": recorded["image"]["manifest_digest"],
            "cached": True,
            "boots_offline": False,
            "missing": [
                # The home does not lie where microsandbox filled its cache.
                f"vmdk/{recorded['image']['manifest_digest'].replace(':', '_')}.vmdk makes a disk of other files than"
                f" those of this image in {os.path.realpath(home.cache_dir)}"
            ],
        },
        "parent": None,
        "children": ["sha256:a", "sha256:b"],
        "created_at": recorded["created_at"],
        "labels": recorded["labels"],
        "source_sandbox": "base",
        "upper": {
            "file": "upper.ext4",
            "apparent_bytes": 65536,
            "allocated_bytes": os.stat(f"{artifact.path}/upper.ext4").st_blocks * 512,
            "integrity": {
                "state": "recorded",
                "algorithm": "msb-sparse-sha256-v1",
                "digest": recorded["upper"]["integrity"]["digest"],
                "definition": None,
                "computed": None,
            },
        },
    }


def test_a_verification_is_returned_in_place_of_what_is_recorded(home: Home) -> None:
    artifact = artifact_of(home, "first")
    result = snapshot_result(artifact, PinnedImages(home), [], verify_artifact(artifact, Traffic()))
    assert result["upper"]["integrity"]["state"] == "verified"
    assert result["upper"]["integrity"]["definition"] == "logical"


def test_an_image_whose_files_are_gone_is_not_cached(home: Home) -> None:
    for path in Path(home.cache_dir, "fsmeta").iterdir():
        path.unlink()
    image = snapshot_result(artifact_of(home, "first"), PinnedImages(home), [])["image"]
    assert image["cached"] is False
    assert image["missing"][0].startswith("fsmeta/sha256_9dfddbfb")
    assert image["missing"][0].endswith(".erofs is missing")


def test_an_image_with_all_its_files_boots_offline(home: Home) -> None:
    for path in Path(home.cache_dir, "vmdk").iterdir():
        text = path.read_text("utf-8").replace("/tmp/spec/_homes/home-0.6.2/.microsandbox", os.path.realpath(home.path))
        path.write_text(text, "utf-8")
    image = snapshot_result(artifact_of(home, "first"), PinnedImages(home), [])["image"]
    assert (image["cached"], image["boots_offline"], image["missing"]) == (True, True, [])


def test_an_image_is_looked_at_once_for_all_its_snapshots(home: Home) -> None:
    images = PinnedImages(home)
    first = snapshot_result(artifact_of(home, "first"), images, [])["image"]
    for path in Path(home.cache_dir, "fsmeta").iterdir():
        path.unlink()
    second = snapshot_result(artifact_of(home, "child"), images, [])["image"]
    assert second == first
    assert snapshot_result(artifact_of(home, "child"), PinnedImages(home), [])["image"] != first


def test_children_are_those_in_the_store(home: Home) -> None:
    first, child = artifact_of(home, "first"), artifact_of(home, "child")
    state = IntegrityState("mismatch", None, "sha256:0")
    results = snapshot_results(home, [first, child], {first.descriptor.digest: state})
    assert [result["children"] for result in results] == [[child.descriptor.digest], []]
    assert results[0]["upper"]["integrity"]["computed"] == "sha256:0"
    assert results[1]["parent"] == first.descriptor.digest


def test_without_integrity_there_is_no_digest(home: Home) -> None:
    descriptor = artifact_of(home, "second").descriptor
    assert descriptor.integrity is None
    assert integrity_result(descriptor, IntegrityState("not_recorded")) == {
        "state": "not_recorded",
        "algorithm": None,
        "digest": None,
        "definition": None,
        "computed": None,
    }


def test_an_invalid_artifact_is_returned_with_its_code(tmp_path: Path) -> None:
    assert invalid_result(InvalidArtifact("/s/a", "format", "it is empty")) == {
        "path": "/s/a",
        "code": "format",
        "reason": "it is empty",
    }


def test_an_archive_is_returned_with_its_members() -> None:
    archive = observe_archive(str(CHAIN), ArchiveLimits(), True, Traffic())
    expected = json.loads(Path(f"{CHAIN}.expected.json").read_text("utf-8"))
    result = archive_result(archive)
    assert result["head"] == expected["head"]
    assert result["members"] == [entry["name"] for entry in expected["members"]]
    assert (result["compression"], result["layout"], result["path"]) == ("zstd", "dense", str(CHAIN))
    assert (result["size"], result["sha256"]) == (CHAIN.stat().st_size, archive.sha256)
    head = archived_result(archive.snapshots[-1])
    assert (head["name"], head["digest"]) == ("sha256-7928c1995b78ef90", expected["head"])
    assert head["upper"]["integrity"]["state"] == "verified"


def test_a_home_tells_what_its_host_can_do(home: Home) -> None:
    result = home_result(home)
    assert (result["path"], result["exists"], result["generation"]) == (home.path, True, "G1")
    assert result["last_migration"].startswith("m2026")
    assert result["snapshots_dir"] == home.snapshots_dir
    assert result["free_bytes"] > 0
    assert result["read_only"] is False
    assert set(result) >= {"filesystem", "supports_reflink", "supports_holes", "zstd"}


def test_every_result_is_json(home: Home) -> None:
    results: list[Any] = [
        snapshot_results(home, [artifact_of(home, "first")]),
        home_result(home),
        archive_result(observe_archive(str(CHAIN), ArchiveLimits(), True, Traffic())),
    ]
    assert json.loads(json.dumps(results)) == results
