# Copyright: (c) 2026, sandboxops contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Images whose every digest follows from the one of their manifest, and archives that carry them."""

from __future__ import annotations

import hashlib
import json
import struct
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from samples import UPPER, Snapshot, archive, compact, sha256, snapshot
from tar_stream import long_member
from zstd_stream import skippable

_CONFIG_FIELDS: Mapping[str, Any] = {
    "env": ["A=1"],
    "cmd": None,
    "entrypoint": None,
    "working_dir": None,
    "user": None,
    "exposed_ports": [],
    "volumes": [],
    "labels": {},
    "stop_signal": None,
}


def erofs(fill: bytes = b"", blocks: int = 1, **changes: int) -> bytes:
    """Return an EROFS image of so many blocks as far as microsandbox looks; changes are numbers to get wrong."""
    numbers = {"magic": 0xE0F5E1E2, "root": 64, "said_blocks": blocks, "inodes_block": 0, "mode": 0o040755, **changes}
    content = bytearray(4096 * blocks)
    content[: len(fill)] = fill
    struct.pack_into("<I", content, 1024, numbers["magic"])
    struct.pack_into("<H", content, 1024 + 0x0E, numbers["root"])
    struct.pack_into("<I", content, 1024 + 0x24, numbers["said_blocks"])
    struct.pack_into("<I", content, 1024 + 0x28, numbers["inodes_block"])
    struct.pack_into("<HHH", content, 64 * 32, 1, numbers.get("xattr_units", 0), numbers["mode"])
    return bytes(content)


def disk_text(files: Iterable[tuple[str, int]]) -> str:
    """Return the VMDK descriptor of a disk that these files, none larger than 2 GiB, make up."""
    sectors = [(path, size // 512) for path, size in files]
    cylinders = -(-sum(length for dummy, length in sectors) // (16 * 63))
    extents = "".join(f'RW {length} FLAT "{path}" 0\n' for path, length in sectors)
    return (
        "# Disk DescriptorFile\nversion=1\nCID=fffffffe\nparentCID=ffffffff\n"
        f'createType="twoGbMaxExtentFlat"\n\n# Extent description\n{extents}\n# The Disk Data Base\n#DDB\n'
        f'ddb.virtualHWVersion = "4"\nddb.geometry.cylinders = "{cylinders}"\nddb.geometry.heads = "16"\n'
        'ddb.geometry.sectors = "63"\nddb.adapterType = "ide"\n'
    )


def _safe(digest: str) -> str:
    return digest.replace(":", "_")


@dataclass(frozen=True)
class Image:
    """An image with a manifest and a configuration that list its layers.

    Attributes:
        reference: Its reference, as it is normalised.
        layers: EROFS content of its layers by their names, bottom to top.
        raw_changes: Fields of its raw manifest to set; its digest follows.
        config_changes: Fields of its raw configuration to set; the digests follow.
    """

    reference: str = "localhost/app:1"
    layers: Mapping[str, bytes] = field(default_factory=lambda: {"base": erofs(b"base"), "app": erofs(b"app", 2)})
    raw_changes: Mapping[str, Any] = field(default_factory=dict)
    config_changes: Mapping[str, Any] = field(default_factory=dict)

    @property
    def key(self) -> str:
        """Return the name of its metadata."""
        return hashlib.sha256(self.reference.encode()).hexdigest()

    @property
    def diff_ids(self) -> list[str]:
        """Return the digests after which its layers are named."""
        return [sha256(name.encode()) for name in self.layers]

    @property
    def raw_config(self) -> str:
        """Return its configuration."""
        rootfs = {"type": "layers", "diff_ids": self.diff_ids}
        fields = {"architecture": "amd64", "os": "linux", "config": {"Env": ["A=1"]}, "rootfs": rootfs}
        return json.dumps({**fields, **self.config_changes})

    @property
    def raw_manifest(self) -> str:
        """Return its manifest."""
        config = {"mediaType": "c", "digest": sha256(self.raw_config.encode()), "size": len(self.raw_config)}
        layers = [{"mediaType": "l", "digest": digest, "size": 10} for digest in self._blobs]
        return json.dumps({"schemaVersion": 2, "config": config, "layers": layers, **self.raw_changes})

    @property
    def digest(self) -> str:
        """Return the digest that a snapshot pins."""
        return sha256(self.raw_manifest.encode())

    @property
    def _blobs(self) -> list[str]:
        return [sha256(b"blob of " + name.encode()) for name in self.layers]

    def metadata_fields(self, **changes: Any) -> dict[str, Any]:
        """Return what its metadata says."""
        layers = [
            {"digest": blob, "media_type": "l", "size_bytes": 10, "diff_id": diff_id}
            for blob, diff_id in zip(self._blobs, self.diff_ids)
        ]
        return {
            "manifest_digest": self.digest,
            "config_digest": sha256(self.raw_config.encode()),
            "raw_manifest_json": self.raw_manifest,
            "raw_config_json": self.raw_config,
            "config": dict(_CONFIG_FIELDS),
            "layers": layers,
            **changes,
        }

    def metadata(self, **changes: Any) -> bytes:
        """Return its metadata, some of it other than it should be."""
        return compact(self.metadata_fields(**changes))

    @property
    def metadata_name(self) -> str:
        """Return where its metadata stands in an archive."""
        return f"cache/manifests/{self.key}.json"

    @property
    def fsmeta_name(self) -> str:
        """Return where its merged tree stands in an archive."""
        return f"cache/fsmeta/{_safe(self.digest)}.erofs"

    @property
    def vmdk_name(self) -> str:
        """Return where its VMDK descriptor stands in an archive."""
        return f"cache/vmdk/{_safe(self.digest)}.vmdk"

    @property
    def layer_names(self) -> list[str]:
        """Return where its layers stand in an archive."""
        return [f"cache/layers/{_safe(diff_id)}.erofs" for diff_id in self.diff_ids]

    def disk(self, cache: str = "/their/cache") -> str:
        """Return its VMDK descriptor in a cache."""
        sizes = [(self.fsmeta_name, 4096), *zip(self.layer_names, map(len, self.layers.values()))]
        return disk_text((cache + name[len("cache") :], size) for name, size in sizes)

    @property
    def files(self) -> dict[str, bytes]:
        """Return all its files by their names in an archive."""
        return {
            self.metadata_name: self.metadata(),
            self.fsmeta_name: erofs(b"fsmeta"),
            self.vmdk_name: self.disk().encode(),
            **dict(zip(self.layer_names, self.layers.values())),
        }

    def pinned_by(self, name: str = "s", **changes: Any) -> Snapshot:
        """Return a snapshot of it."""
        return snapshot(
            UPPER, name, image__ref=self.reference, image__manifest_digest=self.digest, labels={"of": name}, **changes
        )


def file_members(*files: Mapping[str, bytes]) -> bytes:
    """Return files as members, each once."""
    merged = {name: content for each in files for name, content in each.items()}
    return b"".join(long_member(name, content) for name, content in merged.items())


def bundle(
    carried: Sequence[Image],
    files: Mapping[str, bytes],
    members: bytes = b"",
    tail: bytes | None = None,
    **changes: Any,
) -> bytes:
    """Return a bundle of images with its table of contents, some of which is a lie."""
    content = archive(file_members(files), members)
    fields = {
        "schema": "sandboxops.archive-contents/1",
        "head": None,
        "digests": [],
        "suggested_name": None,
        "compression": "none",
        "level": 0,
        "layout": "dense",
        "archive_bytes": len(content),
        "images": [{"reference": image.reference, "manifest_digest": image.digest} for image in carried],
        "cache_files": [{"name": name[len("cache/") :], "size_bytes": len(body)} for name, body in files.items()],
        "excluded_layers": [],
        **changes,
    }
    text = json.dumps(fields).encode()
    table = skippable(text + struct.pack("<I", len(text)) + b"SBXTOC1\n")
    return content + (table if tail is None else tail)


APP = Image()
PIN = APP.pinned_by()


def carrying(changes: Mapping[str, bytes] | None = None, image: Image = APP) -> bytes:
    """Return an archive of a snapshot with its image, some of whose files are other than they should be."""
    return archive(image.pinned_by().members, file_members(image.files, changes or {}))
