# Copyright: (c) 2026, sandboxops contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Metadata of images, real ones and ones that lie."""

from __future__ import annotations

import dataclasses
import hashlib
import json
import tarfile
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.sandboxops.microsandbox.plugins.module_utils._core.errors import (
    FormatError,
    IntegrityError,
    MicrosandboxError,
)
from ansible_collections.sandboxops.microsandbox.plugins.module_utils._formats.image_config import ImageConfig
from ansible_collections.sandboxops.microsandbox.plugins.module_utils._formats.image_metadata import (
    MAX_METADATA_BYTES,
    ImageLayer,
    ImageMetadata,
    metadata_to_bytes,
    parse_image_metadata,
    require_consistent_metadata,
    require_sound_metadata,
    restore_metadata,
)

DATA = Path(__file__).parents[3] / "data"
WHAT = "manifests/x.json"
EXPECTED = sorted(DATA.glob("image-cache/*.expected.json"))
LAYERS = ["sha256:" + digit * 64 for digit in "aba"]
DIFF_IDS = ["sha256:" + digit * 64 for digit in "121"]
NO_CONFIG: dict[str, Any] = {
    "env": [],
    "cmd": None,
    "entrypoint": None,
    "working_dir": None,
    "user": None,
    "exposed_ports": [],
    "volumes": [],
    "labels": {},
    "stop_signal": None,
}


def sha256(text: str) -> str:
    return "sha256:" + hashlib.sha256(text.encode()).hexdigest()


def fields(**changes: Any) -> dict[str, Any]:
    """Return metadata of an image with a repeated layer, some of it other than it should be."""
    raw_config = json.dumps(
        changes.pop(
            "raw_config",
            {
                "rootfs": {"type": "layers", "diff_ids": DIFF_IDS},
                "config": {
                    "Env": ["A=b"],
                    "Cmd": ["sh"],
                    "User": "",
                    "ExposedPorts": {"80/tcp": {}, "53/udp": {}},
                    "Volumes": {"/data": {}},
                    "Labels": {"b": "2", "a": "1"},
                    "StopSignal": "SIGINT",
                    "OnBuild": None,
                },
            },
        )
    )
    raw_manifest = json.dumps(
        changes.pop(
            "raw_manifest",
            {"config": {"digest": sha256(raw_config)}, "layers": [{"digest": digest, "size": 1} for digest in LAYERS]},
        )
    )
    return {
        "manifest_digest": sha256(raw_manifest),
        "config_digest": sha256(raw_config),
        "raw_manifest_json": raw_manifest,
        "raw_config_json": raw_config,
        "config": {
            "env": ["A=b"],
            "cmd": ["sh"],
            "entrypoint": None,
            "working_dir": None,
            "user": "",
            "exposed_ports": ["80/tcp", "53/udp"],
            "volumes": ["/data"],
            "labels": {"a": "1", "b": "2"},
            "stop_signal": "SIGINT",
            **changes.pop("config", {}),
        },
        "layers": [
            {"digest": digest, "media_type": None, "size_bytes": 10, "diff_id": diff_id}
            for digest, diff_id in zip(LAYERS, DIFF_IDS)
        ],
        **changes,
    }


def parse(**changes: Any) -> ImageMetadata:
    return parse_image_metadata(json.dumps(fields(**changes)).encode(), WHAT)


def respelled(indent: int = 2) -> ImageMetadata:
    """Return metadata whose manifest was served with an indent, and stored without."""
    manifest = {"schemaVersion": 2, "layers": [{"digest": digest, "size": 1} for digest in LAYERS]}
    digest = sha256(json.dumps(manifest, indent=indent))
    return dataclasses.replace(parse(raw_manifest=manifest), manifest_digest=digest)


@pytest.mark.parametrize("path", EXPECTED, ids=lambda path: path.name)
def test_the_metadata_of_a_real_cache_is_read(path: Path) -> None:
    expected = json.loads(path.read_text("utf-8"))
    file = path.parent / path.name.partition(".")[0] / f"cache/manifests/{expected['key']}.json"
    metadata = parse_image_metadata(file.read_bytes(), WHAT)
    assert metadata.manifest_digest == expected["manifest_digest"]
    assert metadata.config_digest == expected["config_digest"]
    assert [layer.diff_id for layer in metadata.layers] == expected["diff_ids_bottom_to_top"]
    require_sound_metadata(metadata, WHAT)
    assert metadata_to_bytes(metadata) == file.read_bytes()


@pytest.mark.parametrize("version", ["0.4.4", "0.6.2", "0.7.11"])
def test_all_metadata_of_a_real_home_is_sound(version: str) -> None:
    found = []
    with tarfile.open(DATA / f"homes/home-{version}.tar.xz") as home:
        for name in home.getnames():
            if "/manifests/" in name and name.endswith(".json"):
                member = home.extractfile(name)
                assert member is not None
                content = member.read()
                metadata = parse_image_metadata(content, name)
                require_sound_metadata(metadata, name)
                assert metadata_to_bytes(metadata) == content
                found.append((len(metadata.layers), len(metadata.diff_ids)))
    # One image has a layer twice.
    assert sorted(found) == [(1, 1), (2, 2), (3, 2)]


def test_everything_recorded_is_returned() -> None:
    metadata = parse()
    assert metadata.layers[1] == ImageLayer(LAYERS[1], None, 10, DIFF_IDS[1])
    assert metadata.config == ImageConfig(
        env=("A=b",),
        cmd=("sh",),
        entrypoint=None,
        working_dir=None,
        user="",
        exposed_ports=("53/udp", "80/tcp"),
        volumes=("/data",),
        labels=(("a", "1"), ("b", "2")),
        stop_signal="SIGINT",
    )
    assert json.loads(metadata.raw_config)["rootfs"]["diff_ids"] == DIFF_IDS


def test_a_repeated_layer_is_one_diff_id() -> None:
    assert parse().diff_ids == (DIFF_IDS[0], DIFF_IDS[1])


def test_unknown_fields_are_ignored() -> None:
    assert parse(future_field=[1.5]) == parse()


def test_what_is_optional_may_be_missing() -> None:
    layer = {"digest": LAYERS[0], "diff_id": DIFF_IDS[0]}
    assert parse(layers=[layer]).layers == (ImageLayer(LAYERS[0], None, None, DIFF_IDS[0]),)


@pytest.mark.parametrize(
    "name", ["manifest_digest", "config_digest", "raw_manifest_json", "raw_config_json", "config", "layers"]
)
def test_what_microsandbox_requires_is_required(name: str) -> None:
    content = fields()
    del content[name]
    with pytest.raises(FormatError, match=f"manifests/x.json lacks the field {name}"):
        parse_image_metadata(json.dumps(content).encode(), WHAT)


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"manifest_digest": "sha512:" + "a" * 128}, "manifest_digest"),
        ({"config_digest": "sha256:" + "A" * 64}, "config_digest"),
        ({"layers": [{"digest": LAYERS[0], "diff_id": "sha256:../../x"}]}, r"layers\[0\].diff_id"),
        ({"layers": [{"digest": "", "diff_id": DIFF_IDS[0]}]}, r"layers\[0\].digest"),
        ({"layers": [{"digest": LAYERS[0], "diff_id": DIFF_IDS[0] + "\n"}]}, r"layers\[0\].diff_id"),
        ({"layers": [{"digest": LAYERS[0], "diff_id": DIFF_IDS[0], "size_bytes": -1}]}, r"layers\[0\].size_bytes"),
        ({"layers": {}}, "layers"),
        ({"layers": ["x"]}, r"layers\[0\]"),
        ({"config": {"env": None}}, "config.env"),
        ({"raw_manifest_json": {}}, "raw_manifest_json"),
    ],
)
def test_a_field_of_another_shape_is_named(changes: dict[str, Any], field: str) -> None:
    with pytest.raises(FormatError, match=f"^{field}.* in manifests/x.json is "):
        parse(**changes)


@pytest.mark.parametrize("text", [b"", b"{", b"[]", b"null", b"\xff", b"{}", b"[" * 1000])
def test_what_is_no_metadata_is_refused(text: bytes) -> None:
    with pytest.raises(FormatError, match="manifests/x.json"):
        parse_image_metadata(text, WHAT)


def test_metadata_has_a_limit() -> None:
    with pytest.raises(FormatError, match=f"at most {MAX_METADATA_BYTES} are read"):
        parse_image_metadata(b" " * (MAX_METADATA_BYTES + 1), WHAT)


def test_metadata_that_agrees_with_its_raw_texts_is_sound() -> None:
    require_sound_metadata(parse(), WHAT)


def test_a_manifest_in_another_spelling_is_consistent_and_not_sound() -> None:
    metadata = respelled()
    require_consistent_metadata(metadata, WHAT)
    with pytest.raises(IntegrityError, match=f"recorded is {metadata.manifest_digest}"):
        require_sound_metadata(metadata, WHAT)


def test_a_manifest_in_a_known_spelling_is_restored_and_nothing_else_changes() -> None:
    metadata = respelled(indent=3)
    restored = restore_metadata(metadata)
    require_sound_metadata(restored, WHAT)
    assert json.loads(restored.raw_manifest) == json.loads(metadata.raw_manifest)
    assert dataclasses.replace(restored, raw_manifest=metadata.raw_manifest) == metadata


def test_metadata_with_the_manifest_as_it_was_served_stays_as_it_is() -> None:
    assert restore_metadata(parse()) == parse()


def test_a_manifest_in_an_unknown_spelling_is_refused_with_what_to_do() -> None:
    metadata = respelled(indent=7)
    with pytest.raises(IntegrityError, match="load the image with msb load from an archive instead") as caught:
        restore_metadata(metadata)
    assert caught.value.facts["expected"] == metadata.manifest_digest
    assert caught.value.facts["actual"] == sha256(metadata.raw_manifest)


def test_metadata_is_written_as_it_is_read() -> None:
    assert parse_image_metadata(metadata_to_bytes(parse()), WHAT) == parse()


def test_metadata_is_the_same_bytes_in_whatever_order_a_pull_wrote_it() -> None:
    content = fields()
    content["config"]["labels"] = dict(reversed(content["config"]["labels"].items()))
    content["config"]["exposed_ports"].reverse()
    other = parse_image_metadata(json.dumps(dict(reversed(content.items())), indent=1).encode(), WHAT)
    assert metadata_to_bytes(other) == metadata_to_bytes(parse())


def test_raw_texts_that_list_nothing_leave_the_layers_to_the_metadata() -> None:
    metadata = parse(raw_manifest={"layers": []}, raw_config={"rootfs": {"diff_ids": []}}, config=NO_CONFIG)
    require_sound_metadata(metadata, WHAT)
    assert len(metadata.layers) == 3


OTHER = "sha256:" + "f" * 64
BLOBS = [{"digest": digest} for digest in LAYERS]


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"raw_manifest_json": "{}"}, "the raw manifest in manifests/x.json has the digest sha256:44136fa355b3678a"),
        ({"raw_config_json": "{}"}, "the raw config in manifests/x.json has the digest sha256:44136fa355b3678a"),
        ({"manifest_digest": OTHER}, f"recorded is {OTHER}"),
        ({"config_digest": OTHER}, f"recorded is {OTHER}"),
        ({"raw_manifest": {"config": {"digest": OTHER}, "layers": BLOBS}}, f"its raw manifest says '{OTHER}'"),
        ({"raw_manifest": {"layers": BLOBS[:2]}}, "manifests/x.json has 3 layers, its raw manifest lists 2"),
        ({"raw_manifest": {"layers": [*BLOBS[:2], {"digest": OTHER}]}}, r"layers[2].digest in manifests/x.json is "),
        ({"raw_config": {"rootfs": {"diff_ids": DIFF_IDS[:1]}}}, "has 3 layers, its raw config lists 1"),
        ({"raw_config": {"rootfs": {"diff_ids": [*DIFF_IDS[:2], "x"]}}}, "layers[2].diff_id"),
        ({"config": {"entrypoint": ["/bin/evil"]}}, "config.entrypoint in manifests/x.json is not what its raw config"),
        ({"config": {"labels": {"a": "1"}}}, "config.labels in manifests/x.json"),
        ({"config": {"exposed_ports": ["80/tcp"]}}, "config.exposed_ports in manifests/x.json"),
    ],
)
def test_a_contradiction_is_named(changes: dict[str, Any], message: str) -> None:
    with pytest.raises(IntegrityError) as caught:
        require_sound_metadata(parse(**changes), WHAT)
    assert message in caught.value.message


def test_metadata_without_layers_is_refused() -> None:
    with pytest.raises(FormatError, match="manifests/x.json lists no layers, and an image without any is not"):
        require_sound_metadata(parse(layers=[]), WHAT)


@pytest.mark.parametrize("text", ["", "[]", '{"layers":1}', '{"layers":[1]}', '{"config":[]}', '{"layers":[{}]}'])
def test_a_raw_manifest_that_is_none_is_refused(text: str) -> None:
    metadata = dataclasses.replace(parse(), raw_manifest=text, manifest_digest=sha256(text))
    with pytest.raises(FormatError, match="manifests/x.json"):
        require_sound_metadata(metadata, WHAT)


@pytest.mark.parametrize(
    "raw_config", [[], {"rootfs": []}, {"rootfs": {"diff_ids": [1]}}, {"config": 1}, {"config": {"Env": "x"}}]
)
def test_a_raw_config_that_is_none_is_refused(raw_config: object) -> None:
    with pytest.raises(MicrosandboxError, match="the raw config in manifests/x.json"):
        require_sound_metadata(parse(raw_config=raw_config), WHAT)
