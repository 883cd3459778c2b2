# Copyright: (c) 2026, sandboxops contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Snapshots and image cache files for archives: small, self-consistent, and written without the library under test."""

from __future__ import annotations

import hashlib
import json
import struct
from collections.abc import Mapping
from typing import Any, NamedTuple

from tar_stream import END, long_member, member

IMAGE = "docker.io/library/alpine:3.20"
PINNED = "sha256:" + "a" * 64


def compact(value: object) -> bytes:
    return json.dumps(value, ensure_ascii=False, separators=(",", ":")).encode("utf-8")


def sha256(content: bytes) -> str:
    return "sha256:" + hashlib.sha256(content).hexdigest()


def manifest_fields(upper: bytes = b"", **changes: Any) -> dict[str, Any]:
    """Return the fields of a manifest in canonical order; a change called ``upper__file`` sets ``upper.file``."""
    fields: dict[str, Any] = {
        "schema": 1,
        "format": "raw",
        "fstype": "ext4",
        "image": {"ref": IMAGE, "manifest_digest": PINNED},
        "parent": None,
        "created_at": "2026-05-01T12:00:00Z",
        "labels": {},
        "upper": {"file": "upper.ext4", "size_bytes": len(upper), "integrity": None},
        "source_sandbox": "box",
    }
    for name, value in changes.items():
        outer, dummy, inner = name.partition("__")
        if inner:
            fields[outer][inner] = value
        else:
            fields[name] = value
    return fields


def manifest(upper: bytes = b"", **changes: Any) -> bytes:
    """Return the canonical bytes of a manifest; ``upper__file=...`` sets a nested field."""
    return compact(manifest_fields(upper, **changes))


class Snapshot(NamedTuple):
    """A manifest and an upper, and where they stand in an archive."""

    prefix: str
    manifest: bytes
    upper: bytes
    file: str = "upper.ext4"

    @property
    def digest(self) -> str:
        """Return the snapshot's identity; the manifest is canonical."""
        return sha256(self.manifest)

    @property
    def members(self) -> bytes:
        """Return both members, the manifest first."""
        return long_member(f"{self.prefix}/manifest.json", self.manifest) + long_member(
            f"{self.prefix}/{self.file}", self.upper
        )


def prefix_of(content: bytes) -> str:
    return "sha256-" + hashlib.sha256(content).hexdigest()[:16]


def snapshot(upper: bytes, prefix: str | None = None, **changes: Any) -> Snapshot:
    content = manifest(upper, **changes)
    file = changes.get("upper__file", "upper.ext4")
    return Snapshot(prefix_of(content) if prefix is None else prefix, content, upper, file)


def sparse_sha256(upper: bytes) -> dict[str, str]:
    """Return the integrity record of an upper, in the logical definition."""
    framed = b"msb-sparse-sha256-v1\0" + struct.pack("<Q", len(upper)) + upper
    return {"algorithm": "msb-sparse-sha256-v1", "digest": sha256(framed)}


UPPER = b"UPPER".ljust(4096, b"\0")
PLAIN = snapshot(UPPER)


def archive(*members: bytes) -> bytes:
    """Return a whole plain archive."""
    return b"".join(members) + END


# An image cache whose parts agree with each other.

RAW_MANIFEST = '{"schemaVersion":2,"layers":[]}'
RAW_CONFIG = '{"architecture":"amd64","os":"linux","rootfs":{"type":"layers","diff_ids":[]}}'
IMAGE_DIGEST = sha256(RAW_MANIFEST.encode())
DIFF_ID = f"sha256:{0x1000:064x}"
CACHE_KEY = hashlib.sha256(IMAGE.encode()).hexdigest()
WITH_IMAGE = snapshot(UPPER, image__manifest_digest=IMAGE_DIGEST)


def erofs() -> bytes:
    """Return the least that passes for an EROFS image: a superblock, and an inode that is a directory."""
    content = bytearray(4096)
    struct.pack_into("<I", content, 1024, 0xE0F5E1E2)
    struct.pack_into("<H", content, 1024 + 0x0E, 64)  # the root's number, in units of 32 bytes
    struct.pack_into("<HHH", content, 64 * 32, 1, 0, 0o040755)
    return bytes(content)


EROFS = erofs()
LAYER_FIELDS = {"digest": f"sha256:{0x2000:064x}", "media_type": None, "size_bytes": 10, "diff_id": DIFF_ID}


def image_metadata(without: tuple[str, ...] = (), **changes: Any) -> bytes:
    fields: dict[str, Any] = {
        "manifest_digest": IMAGE_DIGEST,
        "config_digest": sha256(RAW_CONFIG.encode()),
        "raw_manifest_json": RAW_MANIFEST,
        "raw_config_json": RAW_CONFIG,
        "config": {
            "env": [],
            "cmd": None,
            "entrypoint": None,
            "working_dir": None,
            "user": None,
            "exposed_ports": [],
            "volumes": [],
            "labels": {},
            "stop_signal": None,
        },
        "layers": [LAYER_FIELDS],
        **changes,
    }
    return compact({name: value for name, value in fields.items() if name not in without})


def _safe(digest: str) -> str:
    return digest.replace(":", "_")


CACHE_NAMES: Mapping[str, str] = {
    "metadata": f"cache/manifests/{CACHE_KEY}.json",
    "fsmeta": f"cache/fsmeta/{_safe(IMAGE_DIGEST)}.erofs",
    "vmdk": f"cache/vmdk/{_safe(IMAGE_DIGEST)}.vmdk",
    "layer": f"cache/layers/{_safe(DIFF_ID)}.erofs",
}
CACHE_CONTENT: Mapping[str, bytes] = {
    "metadata": image_metadata(),
    "fsmeta": EROFS,
    "vmdk": b"# vmdk",
    "layer": EROFS,
}


def image_cache(without: tuple[str, ...] = (), **content: bytes) -> bytes:
    """Return the members of the image cache, some of them other than they should be."""
    return b"".join(
        long_member(name, content.get(part, CACHE_CONTENT[part]))
        for part, name in CACHE_NAMES.items()
        if part not in without
    )


def plain_member(file: str, content: bytes) -> bytes:
    """Return a member of the plain snapshot."""
    return member(f"{PLAIN.prefix}/{file}", content)
