# Copyright: (c) 2026, sandboxops contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The G1 manifest: every case that the real microsandbox judged, the canonical bytes, and the rules for writing."""

from __future__ import annotations

import json
import time
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.sandboxops.microsandbox.plugins.module_utils._core.digests import sha256_digest
from ansible_collections.sandboxops.microsandbox.plugins.module_utils._core.errors import (
    FormatError,
    MicrosandboxError,
    RequestError,
    UnsupportedError,
)
from ansible_collections.sandboxops.microsandbox.plugins.module_utils._formats.descriptor import (
    G1,
    G3,
    Descriptor,
    Integrity,
)
from ansible_collections.sandboxops.microsandbox.plugins.module_utils._formats.manifest_json import (
    MAX_MANIFEST_BYTES,
    manifest_to_bytes,
    new_manifest,
    parse_manifest,
)
from hypothesis import given
from hypothesis import strategies as st

DATA = Path(__file__).parents[3] / "data"
CANONICAL = json.loads((DATA / "canonical/vectors.json").read_text("utf-8"))["cases"]
VALIDATION = json.loads((DATA / "manifest-validation/vectors.json").read_text("utf-8"))["cases"]
ARTIFACTS = sorted((DATA / "g1-artifacts").glob("*/manifest.json"))
DIGEST = "sha256:" + "0123456789abcdef" * 4
# microsandbox accepts these manifests and refuses what lies beside them.
REFUSED_WHEN_OPENED = {"size-u64max", "upper-missing", "upper-dir", "upper-symlink"}


def wanted(**changes: Any) -> dict[str, Any]:
    return {
        "image_reference": "localhost/tiny:1",
        "image_manifest_digest": DIGEST,
        "created_at": "2026-11-20T09:59:05.443987710+00:00",
        "labels": {"b": "2", "a": "1"},
        "upper_bytes": 65536,
        "integrity": None,
        "source_sandbox": "base",
        **changes,
    }


def test_there_are_all_the_real_cases() -> None:
    assert (len(CANONICAL), len(VALIDATION), len(ARTIFACTS)) == (28, 89, 4)


@pytest.mark.parametrize("case", CANONICAL, ids=lambda case: case["id"])
def test_canonical_bytes_and_digest_are_those_of_microsandbox(case: dict[str, Any]) -> None:
    descriptor = parse_manifest(bytes.fromhex(case["input_hex"]))
    assert manifest_to_bytes(descriptor) == bytes.fromhex(case["canonical_hex"])
    assert descriptor.digest == case["digest"]
    assert dict(descriptor.labels) == case["labels_seen"]
    assert (descriptor.upper_file, descriptor.upper_bytes) == (case["upper_file"], case["upper_size"])


@pytest.mark.parametrize("case", VALIDATION, ids=lambda case: case["id"])
def test_a_manifest_is_judged_as_a_strict_reader_should(case: dict[str, Any]) -> None:
    content = bytes.fromhex(case["manifest_hex"])
    if case["recommended"] == "accept" or case["id"] in REFUSED_WHEN_OPENED:
        descriptor = parse_manifest(content)
        assert descriptor.digest == case["open"].get("digest", descriptor.digest)
    else:
        with pytest.raises((FormatError, UnsupportedError)):
            parse_manifest(content)


@pytest.mark.parametrize("path", ARTIFACTS, ids=lambda path: path.parent.name)
def test_a_real_artifact_stores_its_canonical_bytes(path: Path) -> None:
    expected = json.loads((DATA / f"g1-artifacts/{path.parent.name}.expected.json").read_text("utf-8"))
    content = path.read_bytes()
    descriptor = parse_manifest(content)
    assert manifest_to_bytes(descriptor) == content
    assert descriptor.digest == expected["digest"] == sha256_digest(content)
    assert descriptor.image_reference == expected["open"]["image_ref"]
    assert dict(descriptor.labels) == expected["open"]["labels"]
    assert descriptor.source_sandbox == expected["open"]["source_sandbox"]
    assert descriptor.generation == G1


def test_another_schema_is_named_before_its_fields_are() -> None:
    with pytest.raises(UnsupportedError, match="has schema 2, this collection reads schema 1") as caught:
        parse_manifest(b'{"schema":2,"future":true}')
    assert caught.value.facts == {"schema": 2}


def test_a_refusal_names_the_field_and_never_echoes_much() -> None:
    content = manifest_to_bytes(new_manifest(**wanted())).replace(b'"ext4"', b'"' + b"x" * 5000 + b'"\n7')
    with pytest.raises(FormatError) as caught:
        parse_manifest(content)
    assert len(str(caught.value)) < 200


def test_the_payload_cannot_be_the_manifest_itself() -> None:
    content = manifest_to_bytes(new_manifest(**wanted())).replace(b'"upper.ext4"', b'"manifest.json"')
    with pytest.raises(FormatError, match=r"upper\.file in manifest\.json is 'manifest\.json'"):
        parse_manifest(content)


def test_a_manifest_beyond_the_limit_is_not_parsed() -> None:
    content = manifest_to_bytes(new_manifest(**wanted()))
    assert parse_manifest(content.ljust(MAX_MANIFEST_BYTES)).upper_bytes == 65536
    with pytest.raises(FormatError, match="at most 1048576 are read"):
        parse_manifest(content.ljust(MAX_MANIFEST_BYTES + 1))


def test_a_new_manifest_is_what_it_parses_to() -> None:
    integrity = Integrity("msb-sparse-sha256-v1", DIGEST)
    descriptor = new_manifest(**wanted(integrity=integrity, parent=DIGEST, labels={"clé": "ñ\u2028", "": "\x00\x7f/"}))
    assert parse_manifest(manifest_to_bytes(descriptor)) == descriptor
    assert descriptor.digest == sha256_digest(manifest_to_bytes(descriptor))


@pytest.mark.parametrize("name", ["basic-0.6.2", "nolabels-0.6.2", "unicode-0.6.2", "extentframed-0.4.4"])
def test_a_new_manifest_of_the_same_facts_has_the_bytes_of_microsandbox(name: str) -> None:
    content = (DATA / "g1-artifacts" / name / "manifest.json").read_bytes()
    facts = json.loads(content)
    integrity = facts["upper"]["integrity"]
    descriptor = new_manifest(
        image_reference=facts["image"]["ref"],
        image_manifest_digest=facts["image"]["manifest_digest"],
        created_at=facts["created_at"],
        labels=facts["labels"],
        upper_bytes=facts["upper"]["size_bytes"],
        integrity=integrity and Integrity(**integrity),
        source_sandbox=facts["source_sandbox"],
    )
    assert manifest_to_bytes(descriptor) == content


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"image_reference": ""}, "the image reference is empty"),
        ({"image_manifest_digest": "sha256:abc"}, "the image manifest digest is 'sha256:abc'"),
        ({"image_manifest_digest": DIGEST.upper()}, "the image manifest digest is "),
        ({"parent": "sha512:" + "a" * 128}, "the parent is "),
        ({"integrity": Integrity("", DIGEST)}, "is not an algorithm and a digest"),
        ({"integrity": Integrity("sha256", "sha256:0")}, "is not an algorithm and a digest"),
        ({"created_at": "2026-11-20T09:59:05Z"}, "the time of capture is "),
        ({"created_at": "2026-11-20T09:59:05.5+00:00"}, "the time of capture is "),
        ({"created_at": "2026-11-20T09:59:05.500000+00:00"}, "the time of capture is "),
        ({"created_at": "2026-11-20T09:59:60+00:00"}, "the time of capture is "),
        ({"created_at": "today"}, "the time of capture is "),
        ({"upper_bytes": -1}, "the upper has -1 bytes"),
        ({"upper_bytes": 1 << 53}, "the upper has 9007199254740992 bytes"),
        ({"labels": {"a": "\udcff"}}, r"'\\udcff' is not Unicode text"),
        ({"source_sandbox": "\ud800"}, "is not Unicode text"),
        ({"labels": {"a": "x" * MAX_MANIFEST_BYTES}}, "manifest.json has 10[0-9]* bytes with these labels"),
    ],
)
def test_what_a_later_microsandbox_would_refuse_is_not_written(changes: dict[str, Any], reason: str) -> None:
    with pytest.raises(RequestError, match=reason):
        new_manifest(**wanted(**changes))


def test_another_generation_has_no_manifest() -> None:
    with pytest.raises(UnsupportedError, match="a descriptor of generation G3 has no manifest.json"):
        manifest_to_bytes(new_manifest(**wanted())._replace(generation=G3))


descriptors = st.builds(
    Descriptor,
    generation=st.just(G1),
    digest=st.just(""),
    format=st.sampled_from(["raw", "qcow2"]),
    fstype=st.text(min_size=1),
    image_reference=st.text(min_size=1),
    image_manifest_digest=st.just("a:b"),
    parent=st.none() | st.just("é:☃"),
    created_at=st.text(),
    labels=st.dictionaries(st.text(), st.text(), max_size=5).map(
        lambda labels: tuple(sorted(labels.items(), key=lambda item: item[0].encode("utf-8")))
    ),
    upper_file=st.just("a b\\c"),
    upper_bytes=st.integers(0, (1 << 64) - 1),
    integrity=st.none() | st.builds(Integrity, st.text(min_size=1), st.just("x:y")),
    source_sandbox=st.none() | st.text(),
)


@given(descriptors)
def test_any_descriptor_survives_its_canonical_bytes(descriptor: Descriptor) -> None:
    content = manifest_to_bytes(descriptor)
    assert parse_manifest(content)._replace(digest="") == descriptor
    assert parse_manifest(json.dumps(json.loads(content), indent=1).encode()) == parse_manifest(content)


@given(st.data())
def test_a_damaged_manifest_is_a_manifest_or_an_error_of_ours(data: st.DataObject) -> None:
    content = bytearray(manifest_to_bytes(new_manifest(**wanted())))
    content[data.draw(st.integers(0, len(content) - 1))] = data.draw(st.integers(0, 255))
    message = ""
    try:
        parse_manifest(bytes(content))
    except MicrosandboxError as exc:
        message = str(exc)
    assert len(message) < 300


def test_ten_thousand_manifests_are_parsed_and_digested_in_well_under_a_second() -> None:
    content = (DATA / "g1-artifacts/basic-0.6.2/manifest.json").read_bytes()
    seconds = []
    for dummy in range(3):
        start = time.process_time()
        for _manifest in range(2_000):
            parse_manifest(content)
        seconds.append(time.process_time() - start)
    assert min(seconds) * 5 < 1
