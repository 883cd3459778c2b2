# Copyright: (c) 2026, sandboxops contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Archives whose image cache files are no EROFS images, or make a disk of other files."""

from __future__ import annotations

from case import Case, refused, tolerated
from image_samples import APP, PIN, carrying, erofs
from samples import EROFS

LOWER = APP.layer_names[0]
DISK = APP.disk()


def layer(content: bytes) -> bytes:
    return carrying({LOWER: content})


def disk(text: str) -> bytes:
    return carrying({APP.vmdk_name: text.encode("utf-8", "surrogateescape")})


def changed_disk(old: str, new: str) -> bytes:
    if old not in DISK:
        raise ValueError(old)
    return disk(DISK.replace(old, new, 1))


def _with_extent(line: str) -> str:
    return DISK.replace('" 0\n\n', f'" 0\n{line}\n\n')


def _without_extent() -> str:
    lines = DISK.split("\n")
    return "\n".join([*lines[:9], *lines[10:]])


def _swapped() -> str:
    lines = DISK.split("\n")
    return "\n".join([*lines[:8], lines[9], lines[8], *lines[10:]])


DISKS: tuple[Case, ...] = (
    # EROFS images that are none.
    *(
        refused(f"image-erofs-{what}.tar", layer(content), says)
        for what, content, says in (
            ("empty", b"", "has 0 bytes"),
            ("one-byte", b"\0", "has 1 bytes"),
            ("a-byte-short", EROFS[:-1], "has 4095 bytes"),
            ("half", erofs(blocks=2)[:4096], "is a cut-off EROFS image: it has 4096 of 8192 bytes"),
            ("says-2-to-the-32-blocks", erofs(said_blocks=0xFFFFFFFF), "is a cut-off EROFS image"),
            ("magic", erofs(magic=0xE0F5E1E3), "has no superblock"),
            ("magic-big-endian", erofs(magic=0xE2E1F5E0), "has no superblock"),
            ("root-beyond-the-end", erofs(root=0xFFFF), "its root directory is at byte 2097120 of 4096"),
            ("root-at-the-end", erofs(root=127), "its root directory is at byte 4064 of 4096"),
            ("inodes-beyond-the-end", erofs(inodes_block=0xFFFFFFFF), "its root directory is at byte"),
            ("root-is-a-file", erofs(mode=0o100644), "its root has mode 0o100644"),
            ("root-is-a-link", erofs(mode=0o120777), "its root has mode 0o120777"),
            ("root-is-nothing", erofs(mode=0), "its root has mode 0o0"),
            (
                "xattrs-beyond-the-end",
                erofs(xattr_units=0xFFFF),
                "ends within its root directory's extended attributes",
            ),
            ("xattr-of-no-name-space", erofs(xattr_units=3), "extended attributes on its root directory"),
        )
    ),
    # Disks of something else.
    *(
        refused(f"image-disk-{what}.tar", content, says)
        for what, content, says in (
            ("of-a-secret", changed_disk(f"/their/cache{LOWER[5:]}", "/etc/shadow"), "has the extent 2"),
            ("of-a-device", changed_disk(f"/their/cache{APP.fsmeta_name[5:]}", "/dev/sda"), "has the extent"),
            ("second-prefix", changed_disk("/their/cache/layers", "/other/cache/layers"), "has the extent 2"),
            ("dots", changed_disk("/their/cache/layers", "/their/cache/../cache/layers"), "has the extent 2"),
            ("quote", changed_disk("/their/cache/layers", '/their/"cache/layers'), "line 9 of"),
            ("escaped-quote", changed_disk("/their/cache/layers", '/their/\\"cache/layers'), "line 9 of"),
            ("crlf", disk(DISK.replace("\n", "\r\n")), "line 1 of"),
            ("one-crlf", changed_disk('" 0\n', '" 0\r\n'), "line 8 of"),
            ("cr-in-a-path", changed_disk("/their/cache/layers", "/their/\rcache/layers"), "line 9 of"),
            ("nul-in-a-path", changed_disk("/their/cache/layers", "/their/\0cache/layers"), "line 9 of"),
            ("next-line-in-a-path", changed_disk("/their/cache/layers", "/their/\x85cache/layers"), "line 9 of"),
            ("extra-extent", disk(_with_extent('RW 8 FLAT "/etc/shadow" 0')), "has the extent 4"),
            ("same-extent-twice", disk(_with_extent(f'RW 8 FLAT "/their/cache{LOWER[5:]}" 0')), "has the extent 4"),
            ("extent-missing", disk(_without_extent()), "the image has"),
            ("extents-swapped", disk(_swapped()), "has the extent 2"),
            ("wrong-size", changed_disk("RW 16 ", "RW 24 "), "has the extent 3"),
            ("huge-size", changed_disk("RW 16 ", "RW 4194305 "), "line 10 of"),
            ("zero-size", changed_disk("RW 16 ", "RW 0 "), "line 10 of"),
            ("leading-zero", changed_disk("RW 16 ", "RW 016 "), "line 10 of"),
            ("full-width-size", changed_disk("RW 16 ", "RW \uff11\uff16 "), "line 10 of"),
            ("offset", changed_disk('" 0\n\n', '" 8\n\n'), "has the extent 3"),
            ("negative-offset", changed_disk('" 0\n\n', '" -8\n\n'), "line 10 of"),
            ("read-only", changed_disk("RW 16 ", "RDONLY 16 "), "line 10 of"),
            ("sparse", changed_disk("FLAT", "SPARSE"), "line 8 of"),
            ("zero", changed_disk("FLAT", "ZERO"), "line 8 of"),
            ("parent", changed_disk("parentCID=ffffffff", "parentCID=12345678"), "line 4 of"),
            ("parent-file", changed_disk("parentCID=ffffffff", 'parentFileNameHint="/etc/shadow"'), "line 4 of"),
            ("type", changed_disk("twoGbMaxExtentFlat", "fullDevice"), "line 5 of"),
            ("version", changed_disk("version=1", "version=2"), "line 2 of"),
            ("geometry", changed_disk('cylinders = "1"', 'cylinders = "2"'), "line 15 of"),
            ("heads", changed_disk('heads = "16"', 'heads = "255"'), "line 16 of"),
            ("extra-setting", disk(DISK + 'ddb.uuid = "1"\n'), "line 19 of"),
            ("text-after", disk(DISK + "x"), "line 19 of"),
            ("empty-line-after", disk(DISK + "\n"), "lines, expected are"),
            ("nul-after", disk(DISK + "\0"), "line 19 of"),
            ("no-newline-at-the-end", disk(DISK[:-1]), "lines, expected are"),
            ("space-in-front", disk(" " + DISK), "line 1 of"),
            ("bom", disk("\ufeff" + DISK), "line 1 of"),
            ("not-utf-8", disk(DISK.replace("/their", "/\udcff")), "is not UTF-8"),
            ("1-MiB-and-a-byte", disk("#" * ((1 << 20) + 1)), "at most 1048576 stored ones"),
        )
    ),
    tolerated("image-disk-of-comments.tar", disk("# nothing\n#\n"), PIN.digest),
    tolerated("image-disk-of-1-MiB-of-comments.tar", disk("#" * (1 << 20)), PIN.digest),
    tolerated("image-disk-elsewhere.tar", disk(APP.disk("/x y/\u00e9/../..")), PIN.digest),
)
