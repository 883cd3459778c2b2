# Copyright: (c) 2026, sandboxops contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Archives whose manifests, ancestors or targets are wrong."""

from __future__ import annotations

import json

from case import Case, accepted, forbidden, refused, tolerated
from samples import (
    IMAGE,
    PINNED,
    PLAIN,
    UPPER,
    Snapshot,
    archive,
    compact,
    manifest,
    manifest_fields,
    plain_member,
    sha256,
    snapshot,
    sparse_sha256,
)
from tar_stream import member


def spelt(content: bytes, upper: bytes = UPPER, file: str = "upper.ext4") -> bytes:
    """Return an archive with a manifest of any spelling."""
    return archive(Snapshot("s", content, upper, file).members)


def changed(**changes: object) -> bytes:
    return spelt(manifest(UPPER, **changes))


def replaced(old: bytes, new: bytes) -> bytes:
    """Return an archive whose manifest has other bytes at one place."""
    if old not in PLAIN.manifest:
        raise ValueError(old)
    return spelt(PLAIN.manifest.replace(old, new, 1))


def lacking(name: str) -> bytes:
    fields = manifest_fields(UPPER)
    del fields[name]
    return spelt(compact(fields))


GOOD_INTEGRITY = snapshot(UPPER, upper__integrity=sparse_sha256(UPPER))
PLAIN_SHA256 = snapshot(UPPER, "s", upper__integrity={"algorithm": "sha256", "digest": sha256(UPPER)})
OTHER_FILE = snapshot(UPPER, "s", upper__file="disk.img")
LONG_LABEL = snapshot(UPPER, "s", labels={"k" * 4096: "v" * 4096})
TRICKY_LABELS = snapshot(UPPER, "s", labels={"": "", "a\u202eb": "\x7f", "{{ lookup('pipe', 'id') }}": "{% raw %}"})
YEAR_0 = snapshot(UPPER, created_at="0000-01-01T00:00:00Z")
NOT_OBJECT = compact([1, "raw", "ext4", [IMAGE, PINNED], None, "2026-05-01T12:00:00Z", {}, ["upper.ext4", 4096], "box"])

MANIFESTS: tuple[Case, ...] = (
    refused("manifest-size-mismatch-small.tar", changed(upper__size_bytes=4095), "has 4096 bytes"),
    refused("manifest-size-mismatch-big.tar", changed(upper__size_bytes=1 << 40), "has 4096 bytes"),
    refused(
        "manifest-integrity-wrong.tar",
        changed(upper__integrity={"algorithm": "msb-sparse-sha256-v1", "digest": "sha256:" + "0" * 64}),
        "s/upper.ext4",
        "integrity",
    ),
    refused(
        "manifest-integrity-unknown.tar",
        changed(upper__integrity={"algorithm": "crc32", "digest": "crc32:0"}),
        "crc32",
        "unsupported",
    ),
    refused("manifest-unknown-field.tar", changed(extra=1), "has the unknown field 'extra'"),
    refused("manifest-schema-2.tar", changed(schema=2), "has schema 2", "unsupported"),
    refused("manifest-not-json.tar", spelt(b"hello"), "is not JSON"),
    refused("manifest-empty.tar", spelt(b""), "is not JSON"),
    refused("manifest-missing-field.tar", lacking("parent"), "lacks the field parent"),
    refused("manifest-dup-field.tar", spelt(PLAIN.manifest[:-1] + b',"schema":1}'), "has the field 'schema' twice"),
    refused("manifest-upper-file-slash.tar", changed(upper__file="../outside"), "not the name of a file beside it"),
    refused("manifest-upper-file-abs.tar", changed(upper__file="/etc/passwd"), "not the name of a file beside it"),
    refused("manifest-upper-file-empty.tar", changed(upper__file=""), "upper.file in manifest.json is empty"),
    refused("manifest-invalid-utf8.tar", replaced(b'"box"', b'"\xff"'), "is not UTF-8"),
    refused("manifest-bom.tar", spelt(b"\xef\xbb\xbf" + PLAIN.manifest), "byte order mark"),
    refused("manifest-bad-digest.tar", changed(image__manifest_digest="nodigest"), "not algorithm:digest"),
    accepted("manifest-noncanonical.tar", spelt(json.dumps(manifest_fields(UPPER), indent=1).encode()), PLAIN.digest),
    forbidden("manifest-array-form.tar", spelt(NOT_OBJECT), "is an array, not an object"),
    accepted("manifest-upper-file-other-name.tar", archive(OTHER_FILE.members), OTHER_FILE.digest),
    refused("manifest-upper-missing.tar", archive(member("s/manifest.json", PLAIN.manifest)), "has no member"),
    refused("manifest-upper-only.tar", archive(member("s/upper.ext4", UPPER)), "without a manifest.json"),
    forbidden("manifest-extra-files.tar", archive(PLAIN.members, plain_member("extra.bin", b"x")), "has the members"),
    forbidden(
        "manifest-extra-dir-without-manifest.tar",
        archive(PLAIN.members, member("orphan/file", b"x")),
        "without a manifest.json",
    ),
    forbidden("manifest-qcow2.tar", changed(format="qcow2"), "only raw is used", "unsupported"),
    accepted("manifest-integrity-ok.tar", archive(GOOD_INTEGRITY.members), GOOD_INTEGRITY.digest),
    forbidden("manifest-created-garbage.tar", changed(created_at="now"), "which is no RFC 3339 time"),
    # Numbers that only look like the right ones.
    *(
        refused(f"manifest-number-{name}.tar", replaced(b'"schema":1', b'"schema":' + text), says)
        for name, text, says in (
            ("fraction", b"1.0", "is the number '1.0'"),
            ("exponent", b"1e0", "is the number '1e0'"),
            ("minus-zero", b"-0", "is the number '-0'"),
            ("negative", b"-1", "is the number -1"),
            ("leading-zero", b"01", "is not JSON"),
            ("plus", b"+1", "is not JSON"),
            ("text", b'"1"', "is the string '1'"),
            ("true", b"true", "is true"),
            ("nan", b"NaN", "holds NaN"),
            ("infinity", b"-Infinity", "holds -Infinity"),
            ("huge", b"9" * 5000, "is the number"),
            ("huge-exponent", b"1e999999999", "is the number"),
            ("hexadecimal", b"0x1", "is not JSON"),
            ("beyond-32-bits", b"4294967297", "is the number 4294967297"),
            ("full-width-digit", "\uff11".encode(), "is not JSON"),
        )
    ),
    refused(
        "manifest-size-beyond-64-bits.tar",
        replaced(b'"size_bytes":4096', b'"size_bytes":18446744073709551616'),
        "size_bytes",
    ),
    refused("manifest-size-of-2-to-the-64-less-1.tar", changed(upper__size_bytes=(1 << 64) - 1), "has 4096 bytes"),
    # Escapes and spellings.
    refused("manifest-half-surrogate.tar", replaced(b'"box"', b'"\\ud800"'), "half a surrogate pair"),
    refused("manifest-swapped-surrogates.tar", replaced(b'"box"', b'"\\udc00\\ud800"'), "half a surrogate pair"),
    refused("manifest-surrogate-in-a-name.tar", replaced(b'"labels":{}', b'"labels":{"\\udfff":"a"}'), "surrogate"),
    refused("manifest-bad-escape.tar", replaced(b'"box"', b'"\\x41"'), "is not JSON"),
    refused("manifest-raw-control.tar", replaced(b'"box"', b'"\x01"'), "is not JSON"),
    refused("manifest-raw-nul.tar", replaced(b'"box"', b'"\0"'), "is not JSON"),
    refused("manifest-escaped-name-twice.tar", replaced(b'"parent"', b'"\\u0073chema"'), "'schema' twice"),
    refused("manifest-text-after.tar", spelt(PLAIN.manifest + b"{}"), "is not JSON"),
    refused("manifest-nul-after.tar", spelt(PLAIN.manifest + b"\0"), "is not JSON"),
    refused("manifest-comment.tar", spelt(PLAIN.manifest + b"//"), "is not JSON"),
    refused("manifest-single-quotes.tar", spelt(PLAIN.manifest.replace(b'"', b"'")), "is not JSON"),
    refused("manifest-trailing-comma.tar", spelt(PLAIN.manifest[:-1] + b",}"), "is not JSON"),
    refused("manifest-utf-16.tar", spelt(PLAIN.manifest.decode().encode("utf-16-le")), "is not JSON"),
    refused("manifest-nested-too-deep.tar", replaced(b'"labels":{}', b'"labels":' + b"[" * 200 + b"]" * 200), "nested"),
    refused("manifest-nested-100000.tar", spelt(b"[" * 100_000), "nested deeper"),
    refused("manifest-closed-100000.tar", spelt(b"]" * 100_000), "is not JSON"),
    refused("manifest-name-case.tar", replaced(b'"schema"', b'"Schema"'), "lacks the field schema"),
    refused("manifest-label-number.tar", replaced(b'"labels":{}', b'"labels":{"a":1}'), "is the number 1"),
    refused("manifest-null.tar", spelt(b"null"), "is null, not an object"),
    refused("manifest-format-object.tar", replaced(b'"raw"', b'{"raw":null}'), "is an object, not raw or qcow2"),
    refused("manifest-upper-file-nul.tar", changed(upper__file="a\0b"), "not the name of a file beside it"),
    refused("manifest-upper-file-dotdot.tar", changed(upper__file=".."), "not the name of a file beside it"),
    refused("manifest-upper-file-itself.tar", changed(upper__file="manifest.json"), "not the name of a file beside it"),
    refused("manifest-upper-file-4096.tar", changed(upper__file="u" * 4096), "describes"),
    refused("manifest-upper-file-not-there.tar", changed(upper__file="other.img"), "describes 'other.img' only"),
    refused("manifest-integrity-empty.tar", changed(upper__integrity={"algorithm": "", "digest": "a:b"}), "algorithm"),
    refused(
        "manifest-integrity-upper-case.tar",
        changed(upper__integrity={"algorithm": "sha256", "digest": sha256(UPPER).upper()}),
        "s/upper.ext4",
        "integrity",
    ),
    refused(
        "manifest-integrity-wrong-after-upper.tar",
        archive(
            member("s/upper.ext4", UPPER),
            member(
                "s/manifest.json",
                manifest(UPPER, upper__integrity={"algorithm": "sha256", "digest": "sha256:" + "0" * 64}),
            ),
        ),
        "s/upper.ext4",
        "integrity",
    ),
    accepted("manifest-integrity-sha256.tar", archive(PLAIN_SHA256.members), PLAIN_SHA256.digest),
    tolerated("manifest-long-labels.tar", archive(LONG_LABEL.members), LONG_LABEL.digest),
    tolerated("manifest-tricky-labels.tar", archive(TRICKY_LABELS.members), TRICKY_LABELS.digest),
    refused("manifest-created-huge.tar", changed(created_at="2" * 500_000), "which is no RFC 3339 time"),
    refused("manifest-created-fraction-huge.tar", changed(created_at="2026-05-01T12:00:00." + "9" * 500_000), ""),
    tolerated("manifest-created-year-0.tar", spelt(YEAR_0.manifest), YEAR_0.digest),
    refused("manifest-created-february-30.tar", changed(created_at="2026-02-30T00:00:00Z"), "RFC 3339"),
    refused(
        "manifest-80000-fields-and-one-twice.tar",
        spelt(b"{" + b",".join(b'"%d":0' % n for n in [*range(80_000), 79_999]) + b"}"),
        "twice",
    ),
    refused("manifest-1-MiB-and-a-byte.tar", spelt(PLAIN.manifest.ljust((1 << 20) + 1)), "at most 1048576 stored ones"),
    tolerated("manifest-1-MiB.tar", spelt(PLAIN.manifest.ljust(1 << 20)), PLAIN.digest),
)

PARENT = snapshot(b"P" * 512, "parent", labels={"role": "parent"})
CHILD = snapshot(b"C" * 512, "child", parent=PARENT.digest, labels={"role": "child"})
GRANDCHILD = snapshot(b"G" * 512, "grandchild", parent=CHILD.digest, labels={"role": "grandchild"})
OTHER = snapshot(b"O" * 512, "other", labels={"role": "other"})
FATHERLESS = snapshot(UPPER, "s", parent="sha256:" + "c" * 64)
ODD_PARENT = snapshot(UPPER, "s", parent="é:☃")
BAD_SIBLING = snapshot(UPPER, "bad", upper__size_bytes=1)


def family(*members: Snapshot) -> bytes:
    return archive(*(each.members for each in members))


def chain(length: int) -> tuple[Snapshot, ...]:
    """Return a line of snapshots, oldest first."""
    made: list[Snapshot] = []
    for number in range(length):
        parent = made[-1].digest if made else None
        made.append(snapshot(b"", f"n{number}", parent=parent))
    return tuple(made)


HEADS = "heads ("
LINE_OF_100 = chain(100)

LINEAGES: tuple[Case, ...] = (
    accepted("parents-in-order.tar", family(PARENT, CHILD, GRANDCHILD), GRANDCHILD.digest),
    accepted("parents-reversed.tar", family(GRANDCHILD, CHILD, PARENT), GRANDCHILD.digest),
    accepted("parents-missing.tar", family(CHILD), CHILD.digest),
    forbidden("parents-gap.tar", family(PARENT, GRANDCHILD), HEADS),
    forbidden("parents-two-heads.tar", family(CHILD, PARENT, OTHER), HEADS),
    forbidden("parents-two-heads-other-order.tar", family(OTHER, PARENT, CHILD), HEADS),
    accepted("parents-self-claim.tar", archive(FATHERLESS.members), FATHERLESS.digest),
    refused("parents-second-invalid.tar", family(CHILD, BAD_SIBLING), "'bad/upper.ext4' has 4096 bytes"),
    tolerated("parents-odd-digest.tar", archive(ODD_PARENT.members), ODD_PARENT.digest),
    tolerated("parents-100-generations.tar", family(*LINE_OF_100), LINE_OF_100[-1].digest),
    forbidden("parents-129-generations.tar", lambda: family(*chain(129)), "more than 128 snapshots"),
    forbidden(
        "parents-three-children.tar",
        family(PARENT, *(snapshot(b"C" * 512, name, parent=PARENT.digest, labels={"n": name}) for name in "abc")),
        HEADS,
    ),
    *(
        refused(f"target-{what}.tar", archive(PLAIN.members), PLAIN.prefix, "state", f"target-{what}")
        for what in ("dir", "file", "symlink-dangling", "symlink-dir", "empty-dir", "fifo")
    ),
)
