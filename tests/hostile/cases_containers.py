# Copyright: (c) 2026, sandboxops contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Archives that are cut, damaged, wrapped or followed by what they should not be."""

from __future__ import annotations

import hashlib
import json
import struct

from case import Case, accepted, forbidden, refused, tolerated
from samples import PLAIN, UPPER, archive, plain_member
from tar_stream import END, Head, header, member
from zstd_stream import MAGIC, PLAIN_HEADER, RAW, RESERVED, RLE, block, blocks, frame, skippable

PLAIN_TAR = archive(PLAIN.members)
MANIFEST = plain_member("manifest.json", PLAIN.manifest)
AFTER = "data after its end marker"
TABLE_MARK = b"SBXTOC1\n"


def with_table(**changes: object) -> bytes:
    """Return the plain archive with a table of contents behind it, some of which is a lie."""
    fields = {
        "schema": "sandboxops.archive-contents/1",
        "head": PLAIN.digest,
        "digests": [PLAIN.digest],
        "suggested_name": None,
        "compression": "none",
        "level": 0,
        "layout": "dense",
        "archive_bytes": len(PLAIN_TAR),
        "images": [],
        "cache_files": [],
        "excluded_layers": [],
        **changes,
    }
    return PLAIN_TAR + table(json.dumps(fields).encode())


def table(text: bytes, length: int | None = None) -> bytes:
    """Return a table of contents with any text."""
    return skippable(text + struct.pack("<I", len(text) if length is None else length) + TABLE_MARK)


def frame_with_content_size(said: int) -> bytes:
    return frame(PLAIN_TAR, header=b"\xc0\x38" + struct.pack("<Q", said))


CONTAINERS: tuple[Case, ...] = (
    accepted("ok-zstd-raw-blocks.bin", frame(PLAIN_TAR), PLAIN.digest),
    refused("damage-empty.tar", b"", "archive is empty"),
    refused("damage-only-zeros.tar", END, "holds no snapshot"),
    refused("damage-truncated-header.tar", PLAIN_TAR[:700], "archive ends"),
    refused(
        "damage-truncated-body.tar",
        MANIFEST + header(f"{PLAIN.prefix}/upper.ext4", len(UPPER)) + UPPER[:1000],
        "archive ends",
    ),
    refused("damage-truncated-record.tar", PLAIN.members + header("x/y", 1)[:300], "archive ends"),
    forbidden("damage-no-end-marker.tar", PLAIN.members, "without its end marker"),
    forbidden("damage-one-zero-block.tar", PLAIN.members + bytes(512), "without its end marker"),
    forbidden(
        "damage-zero-block-inside.tar",
        archive(MANIFEST, bytes(512), plain_member("upper.ext4", UPPER)),
        "lone zero record",
    ),
    forbidden("damage-data-after-end.tar", PLAIN_TAR + archive(member("evil/file", b"x")), AFTER),
    forbidden("damage-garbage-after-end.tar", PLAIN_TAR + b"garbage" * 99, AFTER),
    refused(
        "damage-bad-checksum.tar",
        archive(
            member(f"{PLAIN.prefix}/manifest.json", PLAIN.manifest, Head(checksum_error=1)),
            plain_member("upper.ext4", UPPER),
        ),
        "checksum",
    ),
    refused(
        "damage-bad-size-field.tar",
        archive(member(f"{PLAIN.prefix}/upper.ext4", UPPER, Head(raw={124: b"xyz".ljust(12, b"\0")}))),
        "expected octal digits",
    ),
    refused("damage-random.bin", b"".join(hashlib.sha256(bytes([n])).digest() for n in range(128)), "checksum"),
    refused("damage-gzip.tar.gz", b"\x1f\x8b\x08" + bytes(700), "checksum"),
    refused("damage-zstd-truncated.tar.zst", frame(PLAIN_TAR)[:-700], "inside its zstd frame"),
    refused("damage-zstd-header-only.tar.zst", MAGIC, "ends inside its header"),
    forbidden("damage-zstd-trailing-garbage.tar.zst", frame(PLAIN_TAR) + b"garbage", AFTER),
    forbidden("damage-zstd-two-frames.tar.zst", frame(PLAIN_TAR[:1024]) + frame(PLAIN_TAR[1024:]), "archive ends"),
    refused("damage-zstd-skippable-first.tar.zst", skippable(b"abcd") + frame(PLAIN_TAR), "checksum"),
    # More damage to zstd frames.
    refused("zstd-three-bytes.tar.zst", MAGIC[:3], "archive ends"),
    refused("zstd-block-header-cut.tar.zst", MAGIC + PLAIN_HEADER + blocks([PLAIN_TAR], ends=False) + b"\0", "inside"),
    refused("zstd-no-last-block.tar.zst", MAGIC + PLAIN_HEADER + blocks([PLAIN_TAR], ends=False), "inside"),
    refused("zstd-reserved-block.tar.zst", MAGIC + PLAIN_HEADER + block(RESERVED, 9, b"x" * 9, True), "reserved kind"),
    refused("zstd-reserved-bit.tar.zst", MAGIC + b"\x08\x38" + blocks([PLAIN_TAR]), "reserved bit"),
    refused(
        "zstd-block-too-large.tar.zst", MAGIC + PLAIN_HEADER + block(RAW, 1 << 20, bytes(1 << 20), True), "at most"
    ),
    refused("zstd-block-beyond-window.tar.zst", frame(PLAIN_TAR, header=b"\x00\x00"), "zstd frame is damaged"),
    refused("zstd-window-2-to-the-28.tar.zst", frame(PLAIN_TAR, header=b"\x00\x90"), "needs a window of 268435456"),
    refused("zstd-window-largest.tar.zst", frame(PLAIN_TAR, header=b"\x00\xff"), "needs a window of"),
    refused(
        "zstd-single-segment-of-2-to-the-62.tar.zst",
        frame(PLAIN_TAR, header=b"\xe0" + struct.pack("<Q", 1 << 62)),
        "needs a window of",
    ),
    refused("zstd-dictionary.tar.zst", frame(PLAIN_TAR, header=b"\x01\x38\x07"), "needs a dictionary"),
    tolerated("zstd-dictionary-0.tar.zst", frame(PLAIN_TAR, header=b"\x01\x38\x00"), PLAIN.digest),
    refused("zstd-content-size-too-small.tar.zst", frame_with_content_size(len(PLAIN_TAR) - 1), "zstd frame"),
    refused("zstd-content-size-too-large.tar.zst", frame_with_content_size(len(PLAIN_TAR) + 1), "zstd frame"),
    refused("zstd-content-size-huge.tar.zst", frame_with_content_size((1 << 64) - 2), "zstd frame"),
    # To zstd itself, this number means that the size is not known.
    tolerated("zstd-content-size-unknown.tar.zst", frame_with_content_size((1 << 64) - 1), PLAIN.digest),
    tolerated("zstd-content-size-right.tar.zst", frame_with_content_size(len(PLAIN_TAR)), PLAIN.digest),
    refused("zstd-checksum-wrong.tar.zst", frame(PLAIN_TAR, header=b"\x04\x38", trailer=b"\0" * 4), "zstd frame"),
    refused("zstd-checksum-missing.tar.zst", frame(PLAIN_TAR, header=b"\x04\x38"), "inside its zstd frame"),
    refused(
        "zstd-garbage-in-block.tar.zst",
        MAGIC + PLAIN_HEADER + block(2, 64, bytes(range(64)), True),
        "zstd frame is damaged",
    ),
    refused("zstd-empty-frame.tar.zst", MAGIC + PLAIN_HEADER + block(RAW, 0, b"", True), "archive ends"),
    refused("zstd-inside-zstd.tar.zst", frame(frame(PLAIN_TAR)), "checksum"),
    tolerated(
        "zstd-empty-blocks-between.tar.zst",
        MAGIC + PLAIN_HEADER + block(RAW, 0, b"") * 10 + blocks([PLAIN_TAR], ends=False) + block(RLE, 0, b"\0", True),
        PLAIN.digest,
    ),
    forbidden("zstd-data-behind-end-marker.tar.zst", frame(PLAIN_TAR + b"garbage"), AFTER),
    forbidden("zstd-second-archive-inside.tar.zst", frame(PLAIN_TAR + PLAIN_TAR), AFTER),
    tolerated("zstd-skippable-after.tar.zst", frame(PLAIN_TAR) + skippable(b"x" * 9), PLAIN.digest),
    forbidden("zstd-skippable-lies.tar.zst", frame(PLAIN_TAR) + skippable(b"x", said=1 << 31), AFTER),
    forbidden("zstd-empty-frame-after.tar.zst", frame(PLAIN_TAR) + MAGIC + PLAIN_HEADER + b"\x01\0\0", AFTER),
    # What stands behind an archive proper.
    tolerated("end-padded-to-10-KiB.tar", PLAIN_TAR.ljust(10240, b"\0"), PLAIN.digest),
    forbidden("end-2-MiB-of-zeros.tar", PLAIN_TAR + bytes(2 << 20), "after its end marker"),
    forbidden("end-trailer-of-5-MiB.tar", PLAIN_TAR + skippable(b"x" * (5 << 20)), "after its end marker"),
    # A table of contents is a hint. Where it lies, the members count.
    tolerated("table-honest.tar", with_table(), PLAIN.digest),
    tolerated("table-other-head.tar", with_table(head="sha256:" + "0" * 64), PLAIN.digest),
    tolerated("table-other-digests.tar", with_table(digests=["sha256:" + "0" * 64] * 3), PLAIN.digest),
    tolerated("table-no-digests.tar", with_table(digests=[]), PLAIN.digest),
    tolerated("table-digests-of-the-wrong-type.tar", with_table(digests=[1, None, {}]), PLAIN.digest),
    tolerated("table-other-size.tar", with_table(archive_bytes=7), PLAIN.digest),
    tolerated("table-negative-size.tar", with_table(archive_bytes=-7), PLAIN.digest),
    tolerated("table-other-layout.tar", with_table(layout="sparse", compression="zstd", level=99), PLAIN.digest),
    tolerated("table-other-words.tar", with_table(layout="\x1b[31m", compression="gzip"), PLAIN.digest),
    tolerated("table-not-json.tar", PLAIN_TAR + table(b"{"), PLAIN.digest),
    tolerated("table-nested.tar", PLAIN_TAR + table(b"[" * 100_000), PLAIN.digest),
    tolerated("table-length-lies.tar", PLAIN_TAR + table(b"{}", length=1 << 20), PLAIN.digest),
    tolerated("table-length-zero.tar", PLAIN_TAR + table(b"{}", length=0), PLAIN.digest),
    tolerated("table-250000-digests.tar", lambda: with_table(digests=[""] * 250_000), PLAIN.digest),
    tolerated(
        "table-of-what-is-installed-and-more.tar",
        with_table(digests=[PLAIN.digest, "sha256:" + "0" * 64]),
        PLAIN.digest,
    ),
    forbidden("table-name-is-a-path.tar", with_table(suggested_name="../outside"), "is a path", "request"),
    forbidden("table-name-absolute.tar", with_table(suggested_name="/outside"), "is a path", "request"),
    forbidden("table-name-hidden.tar", with_table(suggested_name=".hidden"), "is a path", "request"),
    tolerated("table-name-empty.tar", with_table(suggested_name=""), PLAIN.digest),
    tolerated("table-name-bidi.tar", with_table(suggested_name="gold\u202egnp"), PLAIN.digest),
    forbidden("table-name-control.tar", with_table(suggested_name="a\nb\x1b[31m"), "control character", "request"),
    tolerated("table-name-surrogate.tar", with_table(suggested_name="\ud800"), PLAIN.digest),
    forbidden("table-name-too-long.tar", with_table(suggested_name="n" * 256), "256 bytes", "request"),
    forbidden("table-name-taken.tar", with_table(suggested_name="kept-here"), "is snapshot", "state"),
)
