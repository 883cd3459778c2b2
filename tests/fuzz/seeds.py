# Copyright: (c) 2026, sandboxops contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Seeds for the fuzzer: the hostile archives and what they are made of, in the form in which each target reads them."""

from __future__ import annotations

import contextlib
import sqlite3
from collections.abc import Iterator
from pathlib import Path

from all_cases import CASES
from cases_containers import PLAIN_TAR, table
from samples import PLAIN, UPPER, manifest, sparse_sha256
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
    }
    for name, contents in seeds.items():
        directory.joinpath(name).mkdir()
        for number, content in enumerate(contents):
            directory.joinpath(name, f"seed-{number}").write_bytes(content)


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
