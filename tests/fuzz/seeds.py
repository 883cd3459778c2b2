# Copyright: (c) 2026, sandboxops contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Seeds for the fuzzer: the hostile archives and what they are made of, in the form in which each target reads them."""

from __future__ import annotations

import contextlib
import io
import sqlite3
import tarfile
from collections.abc import Iterator
from pathlib import Path

from all_cases import CASES
from case import Case
from cases_containers import PLAIN_TAR, table
from cases_disks import DISKS
from cases_images import MANY_LAYERS
from cases_metadata import METADATA
from image_samples import APP, disk_text, erofs, file_members
from samples import PLAIN, UPPER, archive, manifest, sparse_sha256
from tar_stream import Sparse, pax_record, sparse_map
from zstd_stream import MAGIC, frame

_LARGEST_SEED = 16 << 10
_CONFIGS = (
    b'{"image":{"Oci":"docker.io/library/alpine:3.20"},"manifest_digest":"sha256:00"}',
    b'{"image":{"Oci":{"reference":"alpine","upper_size_mib":4096}},"manifest_digest":null}',
    b'{"image":{"Oci":{"reference":"alpine","root_disk":{"kind":"managed","size_mib":4096}}}}',
    b'{"image":{"Bind":"/srv"}}',
    b'{"image":{"DiskImage":{"path":"/srv/disk","format":"raw","fstype":"ext4"}}}',
    b'{"home":"/srv/home","paths":{"snapshots":"/srv/s","cache":"/srv/c","sandboxes":"/srv/b"}}',
    b'{"layers":[{"path":"/srv/upper.ext4","format":"raw"}]}',
)
_SCHEMA = """
PRAGMA page_size = 512;
CREATE TABLE snapshot_index (digest text PRIMARY KEY, name text, parent_digest text, image_ref text NOT NULL,
  image_manifest_digest text NOT NULL, format text NOT NULL, fstype text NOT NULL, artifact_path text NOT NULL,
  size_bytes bigint, created_at datetime_text NOT NULL, indexed_at datetime_text NOT NULL,
  child_count integer NOT NULL DEFAULT 0);
CREATE TABLE seaql_migrations (version text PRIMARY KEY, applied_at bigint);
INSERT INTO seaql_migrations VALUES ('m20260501_000001_a', 1);
INSERT INTO snapshot_index VALUES ('sha256:00', 'a', NULL, 'alpine', 'sha256:01', 'raw', 'ext4', '/srv/a', 4096,
  '2026-05-01 12:00:00', '2026-05-01 12:00:00.123', 0);
"""


def write_seeds(directory: Path) -> None:
    """Write a directory of seeds for every target."""
    archives = [case.build() for case in CASES if "flood" not in case.id]
    small = [content for content in archives if len(content) <= _LARGEST_SEED]
    plain = [content for content in small if not content.startswith(MAGIC)]
    manifests = [*_manifests_of(plain), manifest(UPPER, upper__integrity=sparse_sha256(UPPER))]
    maps = [
        sparse_map("a/b", Sparse([(0, 512), (4096, 0)], 4096)),
        sparse_map("a/b", Sparse([(1024 * n, 512) for n in range(40)], 1024 * 39 + 512)),
    ]
    seeds = {
        "record_walker": plain,
        "archive": small,
        "sparse_map": [*maps, *(content[1024:3072] for content in plain)],
        "zstd_frame": [content[len(MAGIC) :] for content in [*small, frame(b"a" * 99)] if content.startswith(MAGIC)],
        "manifest": manifests,
        "table_of_contents": [
            *(content[len(PLAIN_TAR) :] for content in plain if content.startswith(PLAIN_TAR)),
            *(content[len(PLAIN_TAR) + 8 : -12] for content in plain if content.startswith(PLAIN_TAR)),
            table(b"{}"),
        ],
        "sandbox_config": [*_CONFIGS, *manifests],
        "member_name": [
            f"{PLAIN.prefix}/manifest.json".encode(),
            b"cache/layers/sha256_00.erofs",
            "\u202e/..".encode(),
            pax_record("path", "a/b") + pax_record("mtime", "1.5"),
        ],
        "database": [_database(directory)],
        "image_metadata": [
            APP.metadata(),
            MANY_LAYERS.metadata(),
            APP.metadata(layers=[]),
            *_members_of(METADATA, APP.metadata_name),
        ],
        "vmdk": [
            b"# vmdk",
            APP.disk().encode(),
            disk_text([("/a/fsmeta/x.erofs", 4096), ("/a/layers/y.erofs", 1 << 32)]).encode(),
            *_members_of(DISKS, APP.vmdk_name),
        ],
        "erofs_witness": [
            *(bytes([piece]) + erofs(blocks=blocks) for piece in (0, 7, 255) for blocks in (1, 2)),
            *(
                bytes([9]) + erofs(root=root, xattr_units=units, blocks=3)
                for root in (0, 126, 200)
                for units in (4, 99)
            ),
            *(b"\x10" + content for content in _members_of(DISKS, APP.layer_names[0])),
        ],
        "cache_walk": [
            archive(file_members(APP.files)),
            archive(file_members(dict(reversed(APP.files.items())))),
            *(archive(file_members(APP.files, {APP.vmdk_name: text})) for text in (b"", b"# vmdk")),
            *(archive(file_members({name: content})) for name, content in APP.files.items()),
        ],
    }
    for name, contents in seeds.items():
        directory.joinpath(name).mkdir()
        for number, content in enumerate(contents):
            directory.joinpath(name, f"seed-{number}").write_bytes(content)


def _members_of(cases: tuple[Case, ...], name: str) -> Iterator[bytes]:
    """Yield what small archives of some cases hold under a name."""
    for case in cases:
        content = case.build()
        if len(content) <= _LARGEST_SEED * 4:
            with tarfile.open(fileobj=io.BytesIO(content)) as opened:
                for member in opened:
                    file = opened.extractfile(member)
                    if member.name == name and file is not None:
                        yield file.read()[:_LARGEST_SEED]


def _manifests_of(archives: list[bytes]) -> Iterator[bytes]:
    """Yield what stands behind the first header of each archive, where that is a manifest."""
    for content in archives:
        if b"manifest.json\0" in content[:512]:
            with contextlib.suppress(ValueError):
                size = int(content[124:135], 8)
                yield content[512 : 512 + size]


def _database(directory: Path) -> bytes:
    path = directory / "seed.db"
    with contextlib.closing(sqlite3.connect(path)) as connection:
        connection.executescript(_SCHEMA)
    content = path.read_bytes()
    path.unlink()
    return content
