# Copyright: (c) 2026, sandboxops contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The files of a sandbox's writable disk: ``<sandbox>/runtime/root-disk.json``, microsandbox 0.7.0 to 0.7.11."""

from __future__ import annotations

from dataclasses import dataclass

from .._core.errors import UnsupportedError, excerpt
from .._core.json_fields import Fields
from .._core.strict_json import parse_json

ROOT_DISK_FILE = "root-disk.json"
MAX_ROOT_DISK_BYTES = 1 << 20

_SCHEMA = "microsandbox.runtime-root-disk/1"


@dataclass(frozen=True)
class RootDiskLayer:
    """One file of a writable disk.

    Attributes:
        layer_id: ``layer_<hex>``.
        path: Absolute path on the host.
        format: ``raw`` or ``qcow2``, as recorded.
    """

    layer_id: str
    path: str
    format: str


@dataclass(frozen=True)
class RootDisk:
    """The files that make up a writable disk, oldest first."""

    layers: tuple[RootDiskLayer, ...]


def parse_root_disk(content: bytes) -> RootDisk:
    """Parse the state of a sandbox's writable disk.

    Raises:
        FormatError: The bytes are no such state.
        UnsupportedError: The state has another schema.
    """
    fields = Fields(parse_json(content, what=ROOT_DISK_FILE, max_bytes=MAX_ROOT_DISK_BYTES), ROOT_DISK_FILE)
    schema = fields.text("schema")
    if schema != _SCHEMA:
        raise UnsupportedError(f"{ROOT_DISK_FILE} has schema {excerpt(schema)}, this collection reads {_SCHEMA}")
    layers = []
    for number, item in enumerate(fields.items("layers")):
        layer = Fields(item, ROOT_DISK_FILE, f"layers[{number}]")
        layers.append(RootDiskLayer(layer.text("layer_id"), layer.text("path"), layer.text("format")))
    return RootDisk(tuple(layers))
