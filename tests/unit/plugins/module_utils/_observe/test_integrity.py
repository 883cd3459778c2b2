# Copyright: (c) 2026, sandboxops contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Recorded integrity against the bytes, in every definition that microsandbox had."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import struct
from pathlib import Path
from typing import Callable

import pytest
from ansible_collections.sandboxops.microsandbox.plugins.module_utils._core.errors import (
    IntegrityError,
    StateError,
    UnsupportedError,
)
from ansible_collections.sandboxops.microsandbox.plugins.module_utils._disk.sparse_file import Traffic
from ansible_collections.sandboxops.microsandbox.plugins.module_utils._formats.descriptor import Integrity
from ansible_collections.sandboxops.microsandbox.plugins.module_utils._observe.artifact import observe_artifact
from ansible_collections.sandboxops.microsandbox.plugins.module_utils._observe.integrity import (
    EXTENT_FRAMED,
    LOGICAL,
    MISMATCH,
    NOT_RECORDED,
    RECORDED,
    UNSUPPORTED,
    VERIFIED,
    IntegrityState,
    recorded_state,
    require_verified,
    verify_artifact,
)

DATA = Path(__file__).parents[3] / "data"
SPARSE = "msb-sparse-sha256-v1"

Copy = Callable[[str], Path]
Make = Callable[..., Path]


def verify(path: Path) -> IntegrityState:
    return verify_artifact(observe_artifact(str(path)), Traffic())


@pytest.mark.parametrize(
    ("name", "state"),
    [
        ("basic-0.6.2", IntegrityState(VERIFIED, LOGICAL)),
        ("unicode-0.6.2", None),
        ("nolabels-0.6.2", IntegrityState(NOT_RECORDED)),
        ("extentframed-0.4.4", IntegrityState(VERIFIED, EXTENT_FRAMED)),
    ],
)
def test_real_artifacts_are_verified_as_by_the_version_that_made_them(
    real_artifact: Copy, name: str, state: IntegrityState | None
) -> None:
    said = json.loads((DATA / f"g1-artifacts/{name}.expected.json").read_text("utf-8"))["verify"]
    found = verify(real_artifact(name))
    assert found.state == said["kind"]
    assert state in (None, found)


def test_an_upper_without_its_holes_is_verified_by_its_runs_that_are_not_zero() -> None:
    # A checkout, like an archive, has no holes, and this upper's extents held no block of zeros.
    path = DATA / "g1-artifacts/extentframed-0.4.4"
    assert verify(path) == IntegrityState(VERIFIED, EXTENT_FRAMED)


def extent_framed(size: int, *runs: tuple[int, bytes]) -> str:
    running = hashlib.sha256(b"msb-sparse-sha256-v1\0" + struct.pack("<Q", size))
    for start, content in runs:
        running.update(b"D" + struct.pack("<QQ", start, len(content)) + content)
    return "sha256:" + running.hexdigest()


def test_zeros_that_were_allocated_count_where_they_still_are(make_artifact: Make, tmp_path: Path) -> None:
    content = bytes(8192) + b"x" * 4096
    recorded = Integrity(SPARSE, extent_framed(65536, (4096, content)))
    path = make_artifact("a", 65536, ((4096, content),), integrity=recorded)
    assert verify(path) == IntegrityState(VERIFIED, EXTENT_FRAMED)
    # A copy that drops the zeros cannot reproduce the digest.
    shutil.copytree(path, tmp_path / "copy")
    subject = tmp_path / "copy/upper.ext4"
    subject.unlink()
    with subject.open("wb") as file:
        file.truncate(65536)
        os.pwrite(file.fileno(), b"x" * 4096, 12288)
    assert verify(tmp_path / "copy").state == MISMATCH


def test_a_changed_byte_is_a_mismatch_that_tells_what_was_computed(real_artifact: Copy) -> None:
    path = real_artifact("basic-0.6.2")
    with path.joinpath("upper.ext4").open("r+b") as file:
        file.seek(5000)
        file.write(b"!")
    state = verify(path)
    assert (state.state, state.definition) == (MISMATCH, None)
    content = path.joinpath("upper.ext4").read_bytes()
    prefix = b"msb-sparse-sha256-v1\0" + struct.pack("<Q", len(content))
    assert state.computed == "sha256:" + hashlib.sha256(prefix + content).hexdigest()


@pytest.mark.parametrize("is_sound", [True, False])
def test_a_plain_digest_is_verified_too(make_artifact: Make, is_sound: bool) -> None:
    content = b"x" * 100 + bytes(65436)
    digest = "sha256:" + hashlib.sha256(content if is_sound else b"other").hexdigest()
    path = make_artifact("a", 65536, ((0, b"x" * 100),), integrity=Integrity("sha256", digest))
    actual = "sha256:" + hashlib.sha256(content).hexdigest()
    assert verify(path) == (IntegrityState(VERIFIED) if is_sound else IntegrityState(MISMATCH, None, actual))


def test_an_algorithm_of_the_future_is_unsupported_and_nothing_is_read(make_artifact: Make) -> None:
    recorded = Integrity("msb-file-merkle-blake3-v1", "sha256:" + "0" * 64)
    artifact = observe_artifact(str(make_artifact("a", integrity=recorded)))
    traffic = Traffic()
    assert verify_artifact(artifact, traffic) == IntegrityState(UNSUPPORTED)
    assert traffic == Traffic()


def test_what_is_recorded_is_no_verification(make_artifact: Make) -> None:
    recorded = Integrity(SPARSE, "sha256:" + "0" * 64)
    artifact = observe_artifact(str(make_artifact("a", integrity=recorded)))
    assert recorded_state(artifact.descriptor) == IntegrityState(RECORDED)
    plain = observe_artifact(str(make_artifact("b")))
    assert recorded_state(plain.descriptor) == IntegrityState(NOT_RECORDED)


def test_verifying_reads_the_data_once_and_no_hole(make_artifact: Make) -> None:
    chunks = ((0, b"x" * 4096), (32 << 20, b"y" * 4096))
    size = 64 << 20
    content_hash = hashlib.sha256(b"msb-sparse-sha256-v1\0" + struct.pack("<Q", size))
    content_hash.update(b"x" * 4096 + bytes((32 << 20) - 4096) + b"y" * 4096 + bytes((32 << 20) - 4096))
    recorded = Integrity(SPARSE, "sha256:" + content_hash.hexdigest())
    artifact = observe_artifact(str(make_artifact("a", size, chunks, integrity=recorded)))
    traffic = Traffic()
    assert verify_artifact(artifact, traffic) == IntegrityState(VERIFIED, LOGICAL)
    assert traffic == Traffic(read=8192, written=0, holes_skipped=size - 8192)


def test_an_upper_that_shrank_since_is_not_verified(make_artifact: Make) -> None:
    path = make_artifact("a", integrity=Integrity(SPARSE, "sha256:" + "0" * 64))
    artifact = observe_artifact(str(path))
    os.truncate(path / "upper.ext4", 1)
    with pytest.raises((IntegrityError, StateError), match="has 1 bytes, its descriptor says 65536"):
        verify_artifact(artifact, Traffic())


@pytest.mark.parametrize("state", [NOT_RECORDED, VERIFIED])
def test_what_is_not_known_to_differ_passes(make_artifact: Make, state: str) -> None:
    recorded = None if state == NOT_RECORDED else Integrity(SPARSE, "sha256:" + "0" * 64)
    descriptor = observe_artifact(str(make_artifact("a", integrity=recorded))).descriptor
    require_verified(descriptor, IntegrityState(state), "u")


def test_a_mismatch_names_both_digests_and_what_an_old_version_may_have_to_do_with_it(make_artifact: Make) -> None:
    recorded = Integrity(SPARSE, "sha256:" + "0" * 64)
    descriptor = observe_artifact(str(make_artifact("a", integrity=recorded))).descriptor
    with pytest.raises(IntegrityError) as caught:
        require_verified(descriptor, IntegrityState(MISMATCH, None, "sha256:" + "1" * 64), "the/upper")
    message = caught.value.message
    assert message.startswith(f"the/upper has the {SPARSE} digest sha256:{'1' * 64}, its descriptor recorded")
    assert "0" * 64 in message
    assert "allocation-dependent" in message
    assert "corrupt" not in message
    assert caught.value.facts["allocation_dependent"] is True


def test_a_plain_digest_does_not_depend_on_allocation(make_artifact: Make) -> None:
    descriptor = observe_artifact(
        str(make_artifact("a", integrity=Integrity("sha256", "sha256:" + "0" * 64)))
    ).descriptor
    with pytest.raises(IntegrityError) as caught:
        require_verified(descriptor, IntegrityState(MISMATCH, None, "sha256:" + "1" * 64), "u")
    assert "allocation" not in caught.value.message
    assert caught.value.facts["allocation_dependent"] is False


def test_an_unknown_algorithm_is_no_proof(make_artifact: Make) -> None:
    recorded = Integrity("blake3", "sha256:" + "0" * 64)
    descriptor = observe_artifact(str(make_artifact("a", integrity=recorded))).descriptor
    with pytest.raises(UnsupportedError, match="u has integrity recorded as 'blake3', this collection computes"):
        require_verified(descriptor, IntegrityState(UNSUPPORTED), "u")
