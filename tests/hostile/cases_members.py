# Copyright: (c) 2026, sandboxops contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Archives whose members are of the wrong kind, there twice, or say odd things in the fields of their headers."""

from __future__ import annotations

from case import Case, accepted, forbidden, refused, tolerated
from samples import PLAIN, UPPER, archive, manifest, plain_member, snapshot
from tar_stream import (
    GNU,
    POSIX,
    Head,
    Sparse,
    directory,
    header,
    member,
    number,
    padded,
    pax,
    sparse_map,
    sparse_member,
)

SNAP = PLAIN.members
MANIFEST = plain_member("manifest.json", PLAIN.manifest)
UPPER_NAME = f"{PLAIN.prefix}/upper.ext4"
GIBIBYTE = snapshot(b"", upper__size_bytes=1 << 30)
LABELLED = snapshot(UPPER, PLAIN.prefix, labels={"second": "1"})
FORBIDDEN_KINDS = {
    "hardlink": b"1",
    "symlink": b"2",
    "chardev": b"3",
    "blockdev": b"4",
    "fifo": b"6",
    "unknown-Z": b"Z",
    "gnu-volume": b"V",
    "gnu-multivolume": b"M",
    "gnu-dumpdir": b"D",
    "solaris-acl": b"A",
    "pax-solaris": b"X",
    "above-ascii": b"\xff",
}
KIND = "only files and directories are allowed"


def of_kind(kind: bytes) -> bytes:
    return archive(
        member(f"{PLAIN.prefix}/manifest.json", PLAIN.manifest, Head(kind=kind)),
        member(UPPER_NAME, UPPER, Head(kind=kind)),
    )


def with_head(head: Head) -> bytes:
    """Return the plain archive with another header in front of its upper."""
    return archive(MANIFEST, member(UPPER_NAME, UPPER, head))


def with_map(sparse: Sparse, stored: bytes = UPPER[:512]) -> bytes:
    """Return the plain archive with its upper as a sparse member."""
    return archive(MANIFEST, sparse_member(UPPER_NAME, sparse, stored))


MEMBERS: tuple[Case, ...] = (
    *(
        refused(
            f"type-{name}.tar",
            archive(header(f"{PLAIN.prefix}/evil", 0, Head(kind=kind, link=b"/etc/passwd")), SNAP),
            KIND,
        )
        for name, kind in FORBIDDEN_KINDS.items()
    ),
    refused(
        "type-symlink-dir-then-file.tar",
        archive(
            header(PLAIN.prefix, 0, Head(kind=b"2", link=b"/tmp")),
            plain_member("outside", b"x"),
            PLAIN._replace(prefix="z").members,
        ),
        KIND,
    ),
    refused(
        "type-symlink-upper.tar", archive(MANIFEST, header(UPPER_NAME, 0, Head(kind=b"2", link=b"/dev/zero"))), KIND
    ),
    refused(
        "type-hardlink-upper.tar",
        archive(
            PLAIN._replace(prefix="a").members,
            member("b/manifest.json", PLAIN.manifest),
            header("b/upper.ext4", 0, Head(kind=b"1", link=b"a/upper.ext4")),
        ),
        KIND,
    ),
    accepted("type-contiguous.tar", of_kind(b"7"), PLAIN.digest),
    accepted("type-nul.tar", of_kind(b"\0"), PLAIN.digest),
    forbidden(
        "type-nul-trailing-slash.tar",
        archive(header(PLAIN.prefix + "/", 0, Head(kind=b"\0")), SNAP),
        "has an unsafe path",
    ),
    tolerated("type-gnu-sparse.tar", with_map(Sparse([(0, 512), (4096, 0)], 4096)), PLAIN.digest),
    forbidden("type-pax-global.tar", archive(pax(("comment", "hi"), kind=b"g"), SNAP), "is of tar type 'g'"),
    refused(
        "type-pax-sparse-1.0.tar",
        archive(
            MANIFEST,
            pax(
                ("GNU.sparse.major", "1"),
                ("GNU.sparse.minor", "0"),
                ("GNU.sparse.name", UPPER_NAME),
                ("GNU.sparse.realsize", "4096"),
            ),
            member("GNUSparseFile.0/upper.ext4", padded(b"1\n0\n512\n") + UPPER[:512]),
        ),
        "GNU.sparse.major",
    ),
    forbidden(
        "type-pax-size-override.tar",
        archive(MANIFEST, pax(("size", "4096")), header(UPPER_NAME), padded(UPPER)),
        "PAX header sets 'size'",
    ),
    forbidden(
        "type-dir-with-body.tar",
        archive(header(PLAIN.prefix + "/", 512, Head(kind=b"5")), bytes(512), SNAP),
        "has a body of 512 bytes",
    ),
    refused("type-upper-as-directory.tar", archive(MANIFEST, directory(UPPER_NAME + "/")), "is nested"),
    refused("type-manifest-as-directory.tar", archive(directory(f"{PLAIN.prefix}/manifest.json/")), "is nested"),
    refused(
        "type-sparse-manifest.tar",
        archive(
            sparse_member(
                f"{PLAIN.prefix}/manifest.json", Sparse([(0, len(PLAIN.manifest))], len(PLAIN.manifest)), PLAIN.manifest
            ),
            plain_member("upper.ext4", UPPER),
        ),
        "stored ones are allowed",
    ),
    # The same thing twice.
    forbidden("dup-upper-same.tar", archive(SNAP, plain_member("upper.ext4", UPPER)), "has the members"),
    forbidden(
        "dup-upper-different.tar",
        archive(MANIFEST, plain_member("upper.ext4", bytes(4096)), plain_member("upper.ext4", UPPER)),
        "has the members",
    ),
    forbidden("dup-manifest.tar", archive(SNAP, plain_member("manifest.json", LABELLED.manifest)), "twice"),
    forbidden("dup-file-then-dir.tar", archive(SNAP, directory(PLAIN.prefix)), "twice, or behind its files"),
    forbidden("dup-dir-twice.tar", archive(directory(PLAIN.prefix), directory(PLAIN.prefix + "/"), SNAP), "twice"),
    forbidden(
        "dup-same-snapshot-two-dirs.tar",
        archive(PLAIN._replace(prefix="a").members, PLAIN._replace(prefix="b").members),
        "holds the snapshot",
    ),
    forbidden(
        "dup-case-variant.tar",
        archive(PLAIN._replace(prefix="Snap").members, PLAIN._replace(prefix="snap").members),
        "holds the snapshot",
    ),
    # Modes, owners and times, which come from nobody we trust.
    tolerated(
        "mode-000.tar",
        archive(
            member(f"{PLAIN.prefix}/manifest.json", PLAIN.manifest, Head(mode=0)),
            member(UPPER_NAME, UPPER, Head(mode=0)),
        ),
        PLAIN.digest,
    ),
    forbidden("mode-setuid.tar", with_head(Head(mode=0o6777)), "with a setuid, setgid or sticky bit"),
    forbidden("mode-sticky-dir.tar", archive(directory(PLAIN.prefix, mode=0o1777), SNAP), "sticky bit"),
    tolerated("mode-mtime-far.tar", with_head(Head(mtime=0o77777777777)), PLAIN.digest),
    tolerated("mode-world-writable.tar", with_head(Head(mode=0o777)), PLAIN.digest),
    tolerated("mode-owner-garbage.tar", with_head(Head(raw={108: b"\xff" * 16, 136: b"garbage!!!!!"})), PLAIN.digest),
    # Numbers.
    refused("number-size-negative.tar", with_head(Head(raw={124: b"\xff" * 12})), "beyond 63 bits"),
    refused("number-size-2-to-the-63.tar", with_head(Head(raw={124: b"\x80\0\0\0\x80" + bytes(7)})), "beyond 63 bits"),
    refused("number-size-95-bits.tar", with_head(Head(raw={124: b"\x80" + b"\xff" * 11})), "beyond 63 bits"),
    refused("number-size-minus-octal.tar", with_head(Head(raw={124: b"-0000010000\0"})), "expected octal digits"),
    refused("number-size-hexadecimal.tar", with_head(Head(raw={124: b"0x000001000\0"})), "expected octal digits"),
    refused("number-size-two-numbers.tar", with_head(Head(raw={124: b"10000\x000000\0\0"})), "expected octal digits"),
    refused("number-size-blank-inside.tar", with_head(Head(raw={124: b"1 0000      "})), "expected octal digits"),
    refused("number-size-octal-8.tar", with_head(Head(raw={124: b"00000000008\0"})), "expected octal digits"),
    refused("number-size-empty.tar", with_head(Head(raw={124: bytes(12)})), "has 0 bytes"),
    refused("number-mode-garbage.tar", with_head(Head(raw={100: b"rwxr-xr-"})), "has the mode"),
    tolerated(
        "number-size-base-256.tar", with_head(Head(raw={124: b"\x80" + (4096).to_bytes(11, "big")})), PLAIN.digest
    ),
    tolerated("number-size-unterminated.tar", with_head(Head(raw={124: b"000000010000"})), PLAIN.digest),
    tolerated("number-size-blanks.tar", with_head(Head(raw={124: b"     10000  "})), PLAIN.digest),
    refused("number-checksum-blank.tar", archive(MANIFEST[:148] + b" " * 8 + MANIFEST[156:]), "checksum"),
    refused("number-checksum-zero.tar", archive(MANIFEST[:148] + bytes(8) + MANIFEST[156:]), "checksum"),
    # Sparse maps, which say where bytes go.
    refused(
        "bomb-gnu-sparse-overlap.tar",
        with_map(Sparse([(0, 512), (256, 512)], 4096), bytes(1024)),
        "before byte 512",
    ),
    refused(
        "bomb-gnu-sparse-beyond.tar",
        archive(
            plain_member("manifest.json", manifest(bytes(512))),
            sparse_member(UPPER_NAME, Sparse([(1 << 50, 512)], 512), bytes(512)),
        ),
        "has a run that ends at",
    ),
    refused("sparse-descending.tar", with_map(Sparse([(2048, 512), (0, 512), (4096, 0)], 4096)), "before byte 2560"),
    refused("sparse-no-terminator.tar", with_map(Sparse([(0, 512)], 4096)), "ends its map at 512"),
    refused("sparse-terminator-early.tar", with_map(Sparse([(0, 512), (2048, 0)], 4096)), "ends its map at 2048"),
    refused("sparse-terminator-late.tar", with_map(Sparse([(0, 512), (8192, 0)], 4096)), "ends at 8192"),
    refused("sparse-no-pairs.tar", with_map(Sparse([], 4096, stored=0), b""), "ends its map at 0"),
    refused("sparse-stores-more.tar", with_map(Sparse([(0, 512), (4096, 0)], 4096, stored=1024)), "adds up to 512"),
    refused("sparse-stores-less.tar", with_map(Sparse([(0, 1024), (4096, 0)], 4096, stored=512)), "adds up to 1024"),
    refused(
        "sparse-unaligned-run.tar",
        with_map(Sparse([(0, 100), (1024, 412), (4096, 0)], 4096)),
        "starts inside a stored record",
    ),
    # Runs without bytes put nothing anywhere.
    tolerated(
        "sparse-empty-pairs-inside.tar",
        with_map(Sparse([(0, 512), (1024, 0), (1024, 0), (4096, 0)], 4096)),
        PLAIN.digest,
    ),
    tolerated("sparse-terminator-twice.tar", with_map(Sparse([(0, 512), (4096, 0), (4096, 0)], 4096)), PLAIN.digest),
    forbidden(
        "sparse-cache-file.tar",
        archive(SNAP, sparse_member("cache/layers/a.erofs", Sparse([(0, 512)], 512), bytes(512))),
        "is sparse",
    ),
    refused("sparse-real-size-negative.tar", with_map(Sparse([(0, 512)], 4096, raw={483: b"\xff" * 12})), "63 bits"),
    refused(
        "sparse-real-size-2-to-the-63-less-1.tar",
        with_map(Sparse([(0, 512), ((1 << 63) - 1, 0)], (1 << 63) - 1)),
        "apparent bytes",
    ),
    refused(
        "sparse-offset-negative.tar",
        with_map(Sparse([(0, 512), (4096, 0)], 4096, raw={386: b"\xff" * 12 + number(512, 12)})),
        "63 bits",
    ),
    refused(
        "sparse-sum-overflows.tar",
        with_map(Sparse([((1 << 63) - 1, (1 << 63) - 1), (4096, 0)], 4096, stored=512)),
        "has a run that ends at",
    ),
    refused("sparse-extension-lie.tar", with_map(Sparse([(0, 512), (4096, 0)], 4096, extended=True)), "goes on after"),
    refused(
        "sparse-extension-missing.tar",
        archive(
            MANIFEST,
            sparse_map(UPPER_NAME, Sparse([(512 * n, 512) for n in range(4)], 4096, extended=True)),
            UPPER,
        ),
        "",
    ),
    refused(
        "sparse-extension-not-announced.tar",
        with_map(Sparse([*((512 * n, 512) for n in range(8))], 4096, extended=False), UPPER),
        "ends its map at 2048",
    ),
    refused(
        "sparse-extension-flag-at-end.tar",
        with_map(Sparse([*((512 * n, 512) for n in range(8))], 4096, last_extended=True), UPPER),
        "goes on after",
    ),
    refused(
        "sparse-cut-in-map.tar",
        MANIFEST + sparse_map(UPPER_NAME, Sparse([(512 * n, 512) for n in range(8)], 4096))[:600],
        "archive ends",
    ),
    forbidden(
        "sparse-half-a-pair.tar",
        with_map(Sparse([(0, 512)], 4096, raw={410: b"00000010000\0" + bytes(12)})),
        "half a pair",
    ),
    forbidden(
        "sparse-posix-magic.tar",
        with_map(Sparse([(0, 512), (4096, 0)], 4096, raw={257: POSIX})),
        "GNU",
    ),
    tolerated(
        "sparse-all-hole.tar",
        archive(
            plain_member("manifest.json", GIBIBYTE.manifest),
            sparse_map(UPPER_NAME, Sparse([(1 << 30, 0)], 1 << 30)),
        ),
        GIBIBYTE.digest,
    ),
    tolerated(
        "sparse-adjacent-runs.tar",
        with_map(Sparse([*((512 * n, 512) for n in range(8))], 4096), UPPER),
        PLAIN.digest,
    ),
    # A header with no known magic is one of the seventh edition: its prefix is not read.
    tolerated("magic-unknown.tar", with_head(Head(magic=b"ustarXYZ", prefix=b"..")), PLAIN.digest),
    tolerated("magic-gnu-with-prefix.tar", with_head(Head(magic=GNU, prefix=b"..")), PLAIN.digest),
)
