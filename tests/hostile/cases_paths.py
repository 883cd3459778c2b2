# Copyright: (c) 2026, sandboxops contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Archives whose member names, in whatever field or record they stand, are not the two names a snapshot has."""

from __future__ import annotations

from case import Case, accepted, forbidden, refused, tolerated
from samples import PLAIN, UPPER, archive, snapshot
from tar_stream import (
    POSIX,
    Head,
    directory,
    header,
    long_name,
    member,
    padded,
    pax,
    pax_raw,
    pax_record,
    to_bytes,
)

SNAP = PLAIN.members
OUTSIDE = "/tmp/sandboxops-hostile-outside"
UNSAFE = "has an unsafe path"
UNPRINTABLE = "has a backslash or an unprintable character in its name"


def both(prefix: str | bytes) -> bytes:
    """Return the plain snapshot in a directory of another name, headers only."""
    start = to_bytes(prefix)
    return member(start + b"/manifest.json", PLAIN.manifest) + member(start + b"/upper.ext4", UPPER)


def with_long_names(prefix: str) -> bytes:
    names = (f"{prefix}/manifest.json", f"{prefix}/upper.ext4")
    contents = (PLAIN.manifest, UPPER)
    return b"".join(long_name(name) + member("short", content) for name, content in zip(names, contents))


def with_pax_names(prefix: str) -> bytes:
    names = (f"{prefix}/manifest.json", f"{prefix}/upper.ext4")
    contents = (PLAIN.manifest, UPPER)
    return b"".join(pax(("path", name)) + member("short", content) for name, content in zip(names, contents))


def with_ustar_prefix(name: str, content: bytes, prefix: str) -> bytes:
    return header(name, len(content), Head(magic=POSIX, prefix=prefix.encode())) + padded(content)


def before_plain(*records: bytes) -> bytes:
    """Return an archive that names the plain manifest by records in front of it."""
    return archive(*records, member("short", PLAIN.manifest), member(f"{PLAIN.prefix}/upper.ext4", UPPER))


MANIFEST_NAME = f"{PLAIN.prefix}/manifest.json"

PATHS: tuple[Case, ...] = (
    accepted("ok-plain.tar", archive(SNAP), PLAIN.digest),
    accepted("ok-dir-entry-first.tar", archive(directory(PLAIN.prefix + "/"), SNAP), PLAIN.digest),
    accepted("ok-prefix-is-arbitrary.tar", archive(both("my snapshot ☃")), PLAIN.digest),
    accepted(
        "ok-manifest-after-upper.tar",
        archive(member(f"{PLAIN.prefix}/upper.ext4", UPPER), member(MANIFEST_NAME, PLAIN.manifest)),
        PLAIN.digest,
    ),
    refused("path-absolute.tar", archive(SNAP, member(OUTSIDE, b"x")), UNSAFE),
    refused("path-absolute-manifest.tar", archive(both("/snap")), UNSAFE),
    refused("path-dotdot.tar", archive(SNAP, member("../outside", b"x")), UNSAFE),
    refused("path-dotdot-middle.tar", archive(SNAP, member(f"{PLAIN.prefix}/../outside", b"x")), UNSAFE),
    refused("path-dotdot-dir.tar", archive(directory("../outside"), SNAP), UNSAFE),
    refused("path-leading-dot.tar", archive(both(f"./{PLAIN.prefix}")), UNSAFE),
    refused("path-dot-dir.tar", archive(directory("./"), SNAP), UNSAFE),
    forbidden(
        "path-inner-dot.tar",
        archive(
            member(f"{PLAIN.prefix}/./manifest.json", PLAIN.manifest), member(f"{PLAIN.prefix}//upper.ext4", UPPER)
        ),
        UNSAFE,
    ),
    refused("path-nested-file.tar", archive(SNAP, member(f"{PLAIN.prefix}/sub/file", b"x")), "has 3 components"),
    refused("path-nested-dir.tar", archive(SNAP, directory(f"{PLAIN.prefix}/sub/")), "is nested"),
    refused("path-top-level-file.tar", archive(SNAP, member("README", b"x")), "has 1 components"),
    refused(
        "path-top-level-manifest.tar",
        archive(member("manifest.json", PLAIN.manifest), member("upper.ext4", UPPER)),
        "has 1 components",
    ),
    refused("path-empty-name.tar", archive(SNAP, member("", b"x")), UNSAFE),
    forbidden("path-backslash.tar", archive(both("a\\..\\..\\b")), UNPRINTABLE),
    forbidden("path-control-chars.tar", archive(both("a\nb\x1b[31m")), UNPRINTABLE),
    forbidden("path-hidden-dir.tar", archive(both(".hidden")), "has a directory that starts with"),
    forbidden("path-staging-lookalike.tar", archive(both(".msb-snapshot-import-XXXXXX")), "starts with '.' or '~'"),
    refused("path-non-utf8.tar", archive(both(b"sn\xff\xfep")), "has a name that is not UTF-8"),
    accepted("path-longname-ok.tar", archive(with_long_names("n" * 120)), PLAIN.digest),
    refused("path-longname-300.tar", archive(with_long_names("n" * 300)), "component of more than 255 bytes"),
    refused(
        "path-longname-traversal.tar", archive(SNAP, long_name("../" * 3 + "outside"), member("a/b", b"x")), UNSAFE
    ),
    refused("path-pax-traversal.tar", archive(SNAP, pax(("path", "../outside")), member("a/b", b"x")), UNSAFE),
    refused("path-pax-absolute.tar", archive(SNAP, pax(("path", OUTSIDE)), member("a/b", b"x")), UNSAFE),
    accepted("path-pax-ok.tar", archive(with_pax_names(PLAIN.prefix)), PLAIN.digest),
    accepted(
        "path-ustar-prefix.tar",
        archive(
            with_ustar_prefix("manifest.json", PLAIN.manifest, PLAIN.prefix),
            with_ustar_prefix("upper.ext4", UPPER, PLAIN.prefix),
        ),
        PLAIN.digest,
    ),
    refused("path-ustar-prefix-traversal.tar", archive(SNAP, with_ustar_prefix("outside", b"x", "..")), UNSAFE),
    # What else can be done to a name.
    refused("path-ustar-prefix-absolute.tar", archive(SNAP, with_ustar_prefix("outside", b"x", "/tmp")), UNSAFE),
    refused("path-gnu-prefix-ignored.tar", archive(SNAP, header("../outside", 0, Head(prefix=b"a"))), UNSAFE),
    refused("path-only-slash.tar", archive(SNAP, directory("/")), UNSAFE),
    refused("path-nothing-but-dots.tar", archive(SNAP, member("..", b"x")), UNSAFE),
    forbidden("path-trailing-slash-file.tar", archive(SNAP, member(f"{PLAIN.prefix}/upper.ext4/", b"x")), UNSAFE),
    forbidden("path-double-trailing-slash.tar", archive(directory("a//"), SNAP), UNSAFE),
    forbidden("path-tilde.tar", archive(both("~root")), "starts with '.' or '~'"),
    forbidden("path-bidi-override.tar", archive(both("gold\u202egnp.ne")), UNPRINTABLE),
    forbidden("path-zero-width.tar", archive(both("gol\u200bden")), UNPRINTABLE),
    forbidden("path-no-break-space.tar", archive(both("gol\u00a0den")), UNPRINTABLE),
    forbidden("path-tag-characters.tar", archive(with_long_names("\U000e0041" * 60)), UNPRINTABLE),
    forbidden("path-line-separator.tar", archive(both("a\u2028b")), UNPRINTABLE),
    forbidden("path-private-use.tar", archive(both("a\ue000b")), UNPRINTABLE),
    refused("path-overlong-utf8.tar", archive(both(b"a\xc0\xaf..\xc0\xafb")), "not UTF-8"),
    refused("path-utf8-surrogate.tar", archive(both(b"a\xed\xa0\x80b")), "not UTF-8"),
    forbidden("path-nul-in-pax.tar", archive(SNAP, pax(("path", "a\0b/c")), member("a/b", b"x")), UNPRINTABLE),
    refused("path-empty-in-pax.tar", archive(SNAP, pax(("path", "")), member("a/b", b"x")), UNSAFE),
    refused("path-empty-longname.tar", archive(SNAP, member("x", b"", Head(kind=b"L")), member("a/b", b"x")), UNSAFE),
    refused(
        "path-4097-byte-longname.tar",
        archive(SNAP, long_name("n/" * 2048 + "n"), member("a/b", b"x")),
        "name record of 4098 bytes",
    ),
    refused("path-2000-components.tar", archive(SNAP, long_name("n/" * 1999 + "n"), member("a/b", b"x")), "has 2000"),
    refused(
        "path-255-byte-name-twice.tar",
        archive(with_long_names("m" * 255), with_long_names("m" * 255)),
        "has the member",
    ),
    accepted("path-255-byte-name.tar", archive(with_long_names("m" * 255)), PLAIN.digest),
    tolerated("path-combining-characters.tar", archive(both("a" + "\u0301" * 40)), PLAIN.digest),
    forbidden("path-archive-json.tar", archive(member("archive.json", b"{}"), SNAP), "generation G2", "unsupported"),
    forbidden(
        "path-later-generation.tar",
        archive(member("snapshots/snap_" + "0" * 32 + "/snapshot.json", b"{}")),
        "generation G3",
        "unsupported",
    ),
    forbidden("path-reserved-directory.tar", archive(both("files")), "reserved word", "request"),
    forbidden("path-like-a-digest.tar", archive(both("sha256:abc")), "contains \\ or :", "request"),
    forbidden(
        "path-wish-for-a-descriptor.tar",
        archive(snapshot(UPPER, upper__file="snapshot.json").members),
        "microsandbox keeps for itself",
    ),
    forbidden(
        "path-wish-for-a-group.tar",
        archive(snapshot(UPPER, upper__file="group.json").members),
        "microsandbox keeps for itself",
    ),
    forbidden(
        "path-wish-for-a-lock.tar",
        archive(snapshot(UPPER, upper__file=".snapshot-migration.lock").members),
        "microsandbox keeps for itself",
    ),
    # Long names and PAX headers in a row, and PAX headers that say more than a name.
    refused("chain-two-longnames.tar", archive(SNAP, long_name("a/b"), long_name("c/d"), member("e/f", b"x")), "twice"),
    refused(
        "chain-pax-then-longname.tar",
        archive(SNAP, pax(("path", "a/b")), long_name("c/d"), member("e/f", b"x")),
        "twice",
    ),
    refused("chain-longname-at-end.tar", archive(SNAP, long_name("a/b")), "ends after"),
    forbidden("chain-pax-at-end.tar", archive(SNAP, pax(("comment", "x"))), "ends after"),
    forbidden(
        "chain-two-pax.tar",
        before_plain(pax(("comment", "x")), pax(("path", MANIFEST_NAME))),
        "twice",
    ),
    # As in every pax, the last record of a key counts.
    tolerated(
        "chain-pax-path-twice.tar", before_plain(pax(("path", "../outside"), ("path", MANIFEST_NAME))), PLAIN.digest
    ),
    refused(
        "chain-pax-path-twice-unsafe.tar",
        before_plain(pax(("path", MANIFEST_NAME), ("path", "../outside"))),
        UNSAFE,
    ),
    forbidden(
        "chain-longname-hides-bytes.tar",
        before_plain(member("x", MANIFEST_NAME.encode() + b"\0../outside\0", Head(kind=b"L"))),
        UNPRINTABLE,
    ),
    refused("chain-longlink.tar", archive(member("x", b"a/b\0", Head(kind=b"K")), SNAP), "is of tar type 'K'"),
    refused("pax-length-too-long.tar", before_plain(pax_raw(b"99 path=a/b\n")), "is cut off"),
    refused("pax-length-too-short.tar", before_plain(pax_raw(b"9 path=a/b\n")), "is cut off"),
    refused("pax-length-inside-itself.tar", before_plain(pax_raw(b"2 path=a/b\n")), "is cut off"),
    refused("pax-length-missing.tar", before_plain(pax_raw(b"path=a/b\n")), "without a length"),
    refused("pax-length-zero.tar", before_plain(pax_raw(b"0 path=a/b\n")), "without a length"),
    refused("pax-length-negative.tar", before_plain(pax_raw(b"-1 path=a/b\n")), "without a length"),
    refused("pax-length-unicode-digit.tar", before_plain(pax_raw("٢ path=a/b\n".encode())), "without a length"),
    refused("pax-length-huge.tar", before_plain(pax_raw(b"9" * 40 + b" path=a/b\n")), "without a length"),
    refused("pax-no-equals.tar", before_plain(pax_raw(b"10 pathab\n")), "is cut off"),
    refused("pax-no-newline.tar", before_plain(pax_raw(b"12 path=a/bc")), "is cut off"),
    refused("pax-huge-key.tar", before_plain(pax(("k" * 60000, "v"))), "which archives of snapshots do not use"),
    refused("pax-unknown-key.tar", before_plain(pax(("VENDOR.thing", "v"))), "which archives of snapshots do not use"),
    refused("pax-too-large.tar", before_plain(pax(("comment", "v" * 70000))), "name record of"),
    refused("pax-negative-size.tar", before_plain(pax(("size", "-1"))), "sets 'size'"),
    refused("pax-linkpath.tar", before_plain(pax(("linkpath", "/etc/passwd"))), "sets 'linkpath'"),
    forbidden(
        "pax-hdrcharset-binary.tar",
        before_plain(pax(("hdrcharset", "BINARY"), ("path", MANIFEST_NAME))),
        "hdrcharset",
    ),
    forbidden(
        "pax-charset.tar", before_plain(pax(("charset", "ISO-IR 8859 1 1998"), ("path", MANIFEST_NAME))), "charset"
    ),
    refused(
        "pax-latin-1-path.tar",
        before_plain(pax_raw(pax_record("path", b"g\xfclden/manifest.json"))),
        "not UTF-8",
    ),
    refused("pax-xattr.tar", before_plain(pax(("SCHILY.xattr.security.capability", "x"))), "SCHILY.xattr"),
    refused("pax-directory-path.tar", before_plain(pax(("path", PLAIN.prefix + "/"))), UNSAFE),
    tolerated(
        "pax-harmless-keys.tar",
        before_plain(pax(("mtime", "1.5"), ("uid", "99999999"), ("comment", "hi"), ("path", MANIFEST_NAME))),
        PLAIN.digest,
    ),
    tolerated("pax-empty.tar", archive(pax_raw(b""), SNAP), PLAIN.digest),
    # Names below cache/, which belongs to the image.
    *(
        refused(f"cachepath-{case_id}.tar", archive(SNAP, member(name, b"x")), "is no image cache file")
        for case_id, name in (
            ("unknown-kind", "cache/unknown/a.erofs"),
            ("tmp", "cache/tmp/a.part"),
            ("flat", "cache/flat/blobs/sha256_00.raw"),
            ("lock", "cache/layers/a.erofs.lock"),
            ("manifest-ext", "cache/manifests/a.txt"),
            ("deep", "cache/layers/a/b.erofs"),
            ("tar-gz", "cache/layers/a.tar.gz"),
            ("upper-ext", "cache/layers/a.EROFS"),
            ("file-named-cache", "cache"),
            ("two-components", "cache/a.erofs"),
        )
    ),
    refused(
        "cachepath-cache-manifest.tar",
        archive(member("cache/manifest.json", PLAIN.manifest), member("cache/upper.ext4", UPPER)),
        "is no image cache file",
    ),
    refused("cachepath-unknown-dir.tar", archive(SNAP, directory("cache/unknown/")), "is no image cache file"),
    refused("cachepath-dotdot.tar", archive(SNAP, member("cache/layers/../a.erofs", b"x")), UNSAFE),
    accepted("cachepath-dirs-only.tar", archive(directory("cache/"), directory("cache/layers/"), SNAP), PLAIN.digest),
    accepted("cachepath-cachex.tar", archive(both("cachex")), PLAIN.digest),
    refused(
        "cachepath-file-twice.tar",
        archive(SNAP, member("cache/layers/a.erofs", b"x"), member("cache/layers/a.erofs", b"y")),
        "twice",
    ),
)
