# Copyright: (c) 2026, sandboxops contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The configuration of a sandbox in the shapes of every version."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.sandboxops.microsandbox.plugins.module_utils._core.errors import FormatError, UnsupportedError
from ansible_collections.sandboxops.microsandbox.plugins.module_utils._formats.sandbox_config import (
    SandboxConfig,
    parse_sandbox_config,
)

DATA = Path(__file__).parents[3] / "data"
PINNED = "sha256:" + "9d" * 32


def config(image: object) -> str:
    return json.dumps({"name": "base", "image": image, "manifest_digest": PINNED, "future": {"x": [1.5, None]}})


@pytest.mark.parametrize(
    ("image", "parsed"),
    [
        ({"Oci": "tiny:1"}, SandboxConfig("oci", "tiny:1", PINNED, None)),
        ({"Oci": {"reference": "tiny:1"}}, SandboxConfig("oci", "tiny:1", PINNED, None)),
        ({"Oci": {"reference": "tiny:1", "upper_size_mib": 4096}}, SandboxConfig("oci", "tiny:1", PINNED, None)),
        ({"Oci": {"reference": "", "zzz": 1}}, SandboxConfig("oci", "", PINNED, None)),
        ({"Oci": {"reference": "tiny:1", "root_disk": None}}, SandboxConfig("oci", "tiny:1", PINNED, None)),
        (
            {"Oci": {"reference": "tiny:1", "root_disk": {"kind": "managed", "size_mib": 4096}}},
            SandboxConfig("oci", "tiny:1", PINNED, "managed"),
        ),
        (
            {"Oci": {"reference": "tiny:1", "root_disk": {"kind": "disk-image", "path": "/x", "format": "Raw"}}},
            SandboxConfig("oci", "tiny:1", PINNED, "disk-image"),
        ),
        ({"Bind": "/tmp"}, SandboxConfig("bind", None, PINNED, None)),
        ({"Bind": {"path": "/tmp"}}, SandboxConfig("bind", None, PINNED, None)),
        (
            {"DiskImage": {"path": "/x", "format": "Raw", "fstype": None}},
            SandboxConfig("disk-image", None, PINNED, None),
        ),
    ],
)
def test_every_shape_of_an_image_is_read(image: object, parsed: SandboxConfig) -> None:
    assert parse_sandbox_config(config(image)) == parsed


def test_a_missing_image_is_an_oci_image_without_a_reference() -> None:
    assert parse_sandbox_config("{}") == SandboxConfig("oci", "", None, None)


def test_a_digest_of_null_is_no_digest() -> None:
    assert parse_sandbox_config('{"manifest_digest":null}').image_manifest_digest is None


@pytest.mark.parametrize(
    "text",
    [
        "",
        "[]",
        '{"image":null}',
        '{"image":"tiny:1"}',
        '{"image":{"Oci":null}}',
        '{"image":{"Oci":{}}}',
        '{"image":{"Oci":{"reference":1}}}',
        '{"image":{"Oci":{"reference":"a","root_disk":"managed"}}}',
        '{"image":{"Oci":{"reference":"a","root_disk":{}}}}',
        '{"manifest_digest":1}',
        '{"manifest_digest":"a","manifest_digest":"b"}',
        '{"name":"\udcff"}',
    ],
)
def test_what_is_no_configuration_is_refused(text: str) -> None:
    with pytest.raises(FormatError):
        parse_sandbox_config(text)


@pytest.mark.parametrize("image", [{}, {"Future": {}}, {"oci": "a"}, {"Oci": "a", "Bind": "/b"}])
def test_a_root_of_an_unknown_kind_is_named(image: dict[str, Any]) -> None:
    with pytest.raises(UnsupportedError, match="image in the sandbox's config is .*, not one of Oci, Bind, DiskImage"):
        parse_sandbox_config(config(image))


@pytest.mark.parametrize(
    "case",
    [
        case
        for case in json.loads((DATA / "create-preconditions/vectors.json").read_text("utf-8"))["cases"]
        if isinstance(case.get("config"), dict)
    ],
    ids=lambda case: case["id"],
)
def test_every_configuration_of_the_real_cases_is_read(case: dict[str, Any]) -> None:
    parsed = parse_sandbox_config(json.dumps(case["config"]))
    assert parsed.image_manifest_digest == case["config"].get("manifest_digest")
    assert (parsed.root_kind == "disk-image") == (case["id"] == "DiskImage")
