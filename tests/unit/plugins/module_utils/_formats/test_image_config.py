# Copyright: (c) 2026, sandboxops contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""How an image wants to be run, in both spellings."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.sandboxops.microsandbox.plugins.module_utils._core.errors import FormatError
from ansible_collections.sandboxops.microsandbox.plugins.module_utils._core.json_fields import Fields
from ansible_collections.sandboxops.microsandbox.plugins.module_utils._core.strict_json import parse_json
from ansible_collections.sandboxops.microsandbox.plugins.module_utils._formats.image_config import (
    ImageConfig,
    optional_texts,
    parse_oci_config,
    parse_recorded_config,
)

METADATA = sorted(Path(__file__).parents[3].glob("data/image-cache/*/cache/manifests/*.json"))
RECORDED = {
    "env": ["B=2", "A=1"],
    "cmd": ["sh"],
    "entrypoint": [],
    "working_dir": "/",
    "user": "",
    "exposed_ports": ["80/tcp", "53/udp"],
    "volumes": ["/b", "/a"],
    "labels": {"b": "2", "a": "1"},
    "stop_signal": "SIGINT",
}
OCI = {
    "Env": ["B=2", "A=1"],
    "Cmd": ["sh"],
    "Entrypoint": [],
    "WorkingDir": "/",
    "User": "",
    "ExposedPorts": {"53/udp": {}, "80/tcp": {}},
    "Volumes": {"/a": {}, "/b": {}},
    "Labels": {"a": "1", "b": "2"},
    "StopSignal": "SIGINT",
    "Healthcheck": {"Test": ["NONE"]},
}
CONFIG = ImageConfig(
    env=("B=2", "A=1"),
    cmd=("sh",),
    entrypoint=(),
    working_dir="/",
    user="",
    exposed_ports=("53/udp", "80/tcp"),
    volumes=("/a", "/b"),
    labels=(("a", "1"), ("b", "2")),
    stop_signal="SIGINT",
)
NOTHING = ImageConfig((), None, None, None, None, (), (), (), None)


def fields(value: Any) -> Fields:
    return Fields(parse_json(json.dumps(value).encode(), what="x", max_bytes=1 << 20), "x")


def test_what_is_recorded_is_read() -> None:
    assert parse_recorded_config(fields(RECORDED), "x") == CONFIG


def test_an_oci_configuration_is_read() -> None:
    assert parse_oci_config(fields({"config": OCI}), "x") == CONFIG


@pytest.mark.parametrize("path", METADATA, ids=lambda path: path.name[:8])
def test_microsandbox_recorded_what_the_oci_configuration_says(path: Path) -> None:
    metadata = json.loads(path.read_text("utf-8"))
    recorded = parse_recorded_config(fields(metadata["config"]), "x")
    assert recorded == parse_oci_config(fields(json.loads(metadata["raw_config_json"])), "x")
    assert recorded.cmd == ("/bin/sh",)


@pytest.mark.parametrize(
    "document", [{}, {"config": None}, {"config": {}}, {"config": dict.fromkeys(OCI)}, {"config": {"Volumes": {}}}]
)
def test_an_oci_configuration_may_say_nothing(document: dict[str, Any]) -> None:
    assert parse_oci_config(fields(document), "x") == NOTHING


@pytest.mark.parametrize("name", ["env", "exposed_ports", "volumes", "labels"])
def test_what_microsandbox_requires_is_required(name: str) -> None:
    for changed in ({**RECORDED, name: None}, {key: RECORDED[key] for key in RECORDED if key != name}):
        with pytest.raises(FormatError, match=name):
            parse_recorded_config(fields(changed), "x")


def test_what_is_optional_may_be_missing_or_null() -> None:
    bare = {name: RECORDED[name] for name in ("env", "exposed_ports", "volumes", "labels")}
    assert parse_recorded_config(fields(bare), "x") == CONFIG._replace(
        cmd=None, entrypoint=None, working_dir=None, user=None, stop_signal=None
    )


@pytest.mark.parametrize(
    "changes", [{"env": [1]}, {"cmd": "sh"}, {"labels": {"a": 1}}, {"volumes": {}}, {"user": 0}, {"working_dir": []}]
)
def test_a_recorded_field_of_another_shape_is_named(changes: dict[str, Any]) -> None:
    (name,) = changes
    with pytest.raises(FormatError, match=f"^{name}.* in x is "):
        parse_recorded_config(fields({**RECORDED, **changes}), "x")


@pytest.mark.parametrize(
    "changes", [{"Env": "A=1"}, {"Cmd": [None]}, {"ExposedPorts": ["80"]}, {"Volumes": 1}, {"Labels": []}, {"User": 1}]
)
def test_an_oci_field_of_another_shape_is_named(changes: dict[str, Any]) -> None:
    (name,) = changes
    with pytest.raises(FormatError, match=f"config.{name}.* in x is "):
        parse_oci_config(fields({"config": {**OCI, **changes}}), "x")


def test_strings_of_an_array_may_be_missing() -> None:
    assert optional_texts(fields({}), "a", "x") is None
    assert optional_texts(fields({"a": None}), "a", "x") is None
    assert optional_texts(fields({"a": ["b"]}), "a", "x") == ("b",)
