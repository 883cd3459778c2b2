# Copyright: (c) 2026, sandboxops contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The state of a 0.7 sandbox's writable disk."""

from __future__ import annotations

import json
import tarfile
from pathlib import Path

import pytest
from ansible_collections.sandboxops.microsandbox.plugins.module_utils._core.errors import FormatError, UnsupportedError
from ansible_collections.sandboxops.microsandbox.plugins.module_utils._formats.root_disk import (
    RootDisk,
    RootDiskLayer,
    parse_root_disk,
)

HOME = Path(__file__).parents[3] / "data/homes/home-0.7.11.tar.xz"
SCHEMA = "microsandbox.runtime-root-disk/1"


def test_the_real_state_of_a_restored_sandbox_has_two_layers() -> None:
    with tarfile.open(HOME) as home:
        member = home.extractfile(".microsandbox/sandboxes/restored/runtime/root-disk.json")
        assert member is not None
        layers = parse_root_disk(member.read()).layers
    assert [layer.format for layer in layers] == ["raw", "qcow2"]
    assert [layer.layer_id[:6] for layer in layers] == ["layer_", "layer_"]
    assert [Path(layer.path).name for layer in layers] == ["upper.ext4", "upper-restore-78ca1f25c4f853ff.qcow2"]


def test_unknown_keys_are_ignored() -> None:
    layer = {"layer_id": "layer_1", "path": "/x", "format": "raw", "integrity_root": None, "more": 1.5}
    content = json.dumps({"schema": SCHEMA, "layers": [layer], "more": {}}).encode()
    assert parse_root_disk(content) == RootDisk((RootDiskLayer("layer_1", "/x", "raw"),))


def test_a_state_without_layers_is_well_formed() -> None:
    assert parse_root_disk(json.dumps({"schema": SCHEMA, "layers": []}).encode()) == RootDisk(())


def test_another_schema_is_named() -> None:
    with pytest.raises(UnsupportedError, match="root-disk.json has schema 'microsandbox.runtime-root-disk/2'"):
        parse_root_disk(b'{"schema":"microsandbox.runtime-root-disk/2"}')


@pytest.mark.parametrize(
    "layers", [None, {}, ["x"], [{"path": "/x", "format": "raw"}], [{"layer_id": 1, "path": "/x", "format": "raw"}]]
)
def test_malformed_layers_are_refused(layers: object) -> None:
    with pytest.raises(FormatError, match="layers"):
        parse_root_disk(json.dumps({"schema": SCHEMA, "layers": layers}).encode())
