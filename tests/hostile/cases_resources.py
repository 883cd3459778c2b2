# Copyright: (c) 2026, sandboxops contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Small archives that ask for much: time, memory, disk or entries."""

from __future__ import annotations

from collections.abc import Callable

import zstandard
from case import Case, forbidden, refused, tolerated
from samples import EROFS, PLAIN, UPPER, archive, manifest, plain_member, snapshot
from tar_stream import END, Head, Sparse, directory, header, long_name, member, padded, pax, sparse_map, sparse_member
from zstd_stream import MAGIC, PLAIN_HEADER, RAW, RLE, Run, block, blocks, frame

TIB = 1 << 40
GIB = 1 << 30
MIB = 1 << 20
TEBIBYTE = snapshot(b"", upper__size_bytes=TIB)
GIBIBYTE = snapshot(b"", "s", upper__size_bytes=GIB)
MANIFEST = plain_member("manifest.json", PLAIN.manifest)
UPPER_NAME = f"{PLAIN.prefix}/upper.ext4"


def packed(*members: bytes) -> Callable[[], bytes]:
    """Return what makes a compressed archive of members that repeat themselves."""
    return lambda: zstandard.compress(archive(*members), 3)


def repeated(count: int, *members: bytes) -> Callable[[], bytes]:
    """Return what makes a compressed archive in which a few members stand over and over, never whole in memory."""

    def build() -> bytes:
        compressor = zstandard.ZstdCompressor(level=1).compressobj()
        once = b"".join(members)
        many = once * max(1, MIB // len(once))
        content = [compressor.compress(many) for dummy in range(count * len(once) // len(many))]
        return b"".join([*content, compressor.compress(END), compressor.flush()])

    return build


def numbered(count: int, each: Callable[[int], bytes]) -> Callable[[], bytes]:
    """Return what makes a compressed archive of members that differ by a number."""

    def build() -> bytes:
        compressor = zstandard.ZstdCompressor(level=1).compressobj()
        content = [compressor.compress(each(number)) for number in range(count)]
        return b"".join([*content, compressor.compress(END), compressor.flush()])

    return build


def large_metadata(number: int) -> bytes:
    return member(f"cache/manifests/{number:064x}.json", b"{}".ljust(2 * MIB))


def with_map(pairs: list[tuple[int, int]], real: int) -> Callable[[], bytes]:
    """Return what makes an archive whose upper is a sparse member with many runs."""

    def build() -> bytes:
        stored = sum(length for dummy, length in pairs)
        content = member("s/manifest.json", manifest(upper__size_bytes=real))
        content += sparse_map("s/upper.ext4", Sparse(pairs, real)) + padded(b"\x55" * stored)
        return zstandard.compress(content + END, 1)

    return build


def large_manifest(number: int) -> bytes:
    """Return a snapshot without content whose label takes nearly all that a manifest may, four bytes a character."""
    labels = {"label": "a" * (MIB - 700) + "\U0001f4a3", "number": f"{number:09}"}
    return snapshot(b"", f"n{number}", labels=labels).members


def wide_map(number: int) -> bytes:
    """Return the head of a snapshot without content whose map is a quarter of a million pairs, all the same."""
    full = sparse_map("x", Sparse([(0, 0)] * (4 + 2 * 21), 0))[512:1024]
    head = sparse_map(f"n{number}/upper.ext4", Sparse([(0, 0)] * 4, 0, extended=True))
    last = full[:504] + bytes(8)
    return member(f"n{number}/manifest.json", manifest()) + head + full * 12_000 + last


NOTHING = snapshot(b"")
SCATTERED = [(4096 * n, 512) for n in range(60_000)]
SCATTERED_BYTES = SCATTERED[-1][0] + 512
SCATTERED_MANIFEST = snapshot(b"", upper__size_bytes=SCATTERED_BYTES)

RESOURCES: tuple[Case, ...] = (
    refused("bomb-declared-size.tar", MANIFEST + header(UPPER_NAME, 1 << 62) + UPPER, "apparent bytes, at most"),
    forbidden(
        "bomb-gnu-sparse-realsize.tar",
        archive(
            plain_member("manifest.json", TEBIBYTE.manifest),
            sparse_member(UPPER_NAME, Sparse([(0, 512), (TIB, 0)], TIB), UPPER[:512]),
        ),
        "apparent bytes, at most",
    ),
    forbidden(
        "bomb-many-members.tar",
        archive(PLAIN.members, *(plain_member(f"f{number:05}", b"") for number in range(3000))),
        "has the members",
    ),
    tolerated(
        "bomb-zstd-1GiB.tar.zst",
        lambda: frame(member("s/manifest.json", GIBIBYTE.manifest) + header("s/upper.ext4", GIB), Run(b"\0", GIB), END),
        GIBIBYTE.digest,
    ),
    forbidden(
        "bomb-zstd-manifest-256MiB.tar.zst",
        lambda: frame(
            header("s/manifest.json", 256 * MIB + 512 * 2),
            Run(b" ", 256 * MIB),
            PLAIN.manifest.ljust(1024),
            member("s/upper.ext4", UPPER) + END,
        ),
        "stored ones are allowed",
    ),
    refused(
        "bomb-zstd-longname-256MiB.tar.zst",
        lambda: frame(
            header("././@LongLink", 256 * MIB, Head(kind=b"L")), Run(b"a", 256 * MIB), member("a", b"x") + END
        ),
        "name record of 268435456 bytes",
    ),
    # Members without end.
    forbidden("flood-directories.tar.zst", numbered(5000, lambda n: directory(f"d{n}")), "more than"),
    forbidden("flood-cache-files.tar.zst", numbered(5000, lambda n: member(f"cache/vmdk/{n}.vmdk")), "more than"),
    forbidden(
        "flood-layers.tar.zst", numbered(1000, lambda n: member(f"cache/layers/{n}.erofs", EROFS)), "no snapshot"
    ),
    forbidden("flood-metadata.tar.zst", numbered(8, large_metadata), "manifests, metadata and descriptors"),
    forbidden(
        "flood-snapshots.tar.zst", numbered(2000, lambda n: snapshot(b"x", f"n{n}").members), "more than 128 snapshots"
    ),
    forbidden(
        "flood-uppers-without-manifests.tar.zst",
        numbered(2000, lambda n: member(f"n{n}/upper.ext4", b"x")),
        "more than",
    ),
    forbidden("flood-pax-headers.tar.zst", repeated(400_000, pax(("comment", "x"))), "twice"),
    forbidden("flood-long-names.tar.zst", repeated(100_000, long_name("a/b")), "twice"),
    forbidden("flood-named-members.tar.zst", repeated(100_000, long_name("cache/"), directory("x")), "more than"),
    forbidden("flood-large-manifests.tar.zst", numbered(100, large_manifest), "manifests"),
    # Bodies that nobody wants.
    refused(
        "flood-cache-file-of-16-GiB.tar.zst",
        lambda: frame(header("cache/layers/a.erofs", 16 * GIB), Run(b"\0", 16 * GIB), archive(PLAIN.members)),
        "has no superblock",
    ),
    refused(
        "flood-layer-of-2-GiB.tar.zst",
        lambda: frame(
            header("cache/layers/a.erofs", 2 * GIB), EROFS, Run(b"\0", 2 * GIB - len(EROFS)), archive(PLAIN.members)
        ),
        "but not the metadata",
    ),
    refused("flood-cache-file-of-4-EiB.tar", archive(header("cache/layers/a.erofs", 1 << 62)), "apparent bytes"),
    # Maps.
    tolerated("map-60000-runs.tar.zst", with_map(SCATTERED, SCATTERED_BYTES), SCATTERED_MANIFEST.digest),
    forbidden("map-too-many-runs.tar.zst", with_map([(0, 0)] * ((1 << 18) + 50), 0), "'s/upper.ext4' has more"),
    tolerated("map-of-empty-runs.tar.zst", with_map([(0, 0)] * 200_000, 0), NOTHING.digest),
    forbidden("map-of-single-bytes.tar.zst", with_map([(n, 1) for n in range(100_000)], 100_000), "inside a stored"),
    forbidden("map-wide-4-times.tar.zst", numbered(4, wide_map), "twice"),
    # Frames.
    tolerated(
        "zstd-window-of-128-MiB.tar.zst",
        lambda: (
            MAGIC
            + b"\x00\x88"
            + blocks([member("s/manifest.json", GIBIBYTE.manifest) + header("s/upper.ext4", GIB), Run(b"\0", GIB), END])
        ),
        GIBIBYTE.digest,
    ),
    tolerated(
        "zstd-500000-empty-blocks.tar.zst",
        lambda: MAGIC + PLAIN_HEADER + block(RAW, 0, b"") * 500_000 + blocks([archive(PLAIN.members)]),
        PLAIN.digest,
    ),
    tolerated(
        "zstd-blocks-of-one-byte.tar.zst",
        lambda: (
            MAGIC
            + PLAIN_HEADER
            + b"".join(block(RAW, 1, bytes([byte])) for byte in archive(PLAIN.members))
            + block(RLE, 0, b"\0", True)
        ),
        PLAIN.digest,
    ),
)
