# Copyright: (c) 2026, sandboxops contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What is fuzzed: everything that reads bytes which somebody else wrote.

A target may raise MicrosandboxError, and OSError where files are involved; whatever else escapes is a bug. What a
target accepts it also has to get right: each checks a property of the value that it was given.
"""

from __future__ import annotations

import contextlib
import json
import os
from collections.abc import Iterator
from typing import Callable

from ansible_collections.sandboxops.microsandbox.plugins.module_utils._core.errors import FormatError, MicrosandboxError
from ansible_collections.sandboxops.microsandbox.plugins.module_utils._core.timestamps import index_text_from_rfc3339
from ansible_collections.sandboxops.microsandbox.plugins.module_utils._disk.byte_source import ByteSource
from ansible_collections.sandboxops.microsandbox.plugins.module_utils._disk.frame_reader import FrameReader
from ansible_collections.sandboxops.microsandbox.plugins.module_utils._disk.sparse_file import (
    BufferPool,
    Segment,
    Traffic,
)
from ansible_collections.sandboxops.microsandbox.plugins.module_utils._disk.zstd_frames import FRAME_MAGIC
from ansible_collections.sandboxops.microsandbox.plugins.module_utils._formats.archive_contents import (
    contents_to_bytes,
    parse_contents,
    parse_contents_footer,
)
from ansible_collections.sandboxops.microsandbox.plugins.module_utils._formats.home_config import parse_home_config
from ansible_collections.sandboxops.microsandbox.plugins.module_utils._formats.image_metadata import (
    MAX_METADATA_BYTES,
    parse_image_metadata,
    require_sound_metadata,
)
from ansible_collections.sandboxops.microsandbox.plugins.module_utils._formats.manifest_json import (
    manifest_to_bytes,
    parse_manifest,
)
from ansible_collections.sandboxops.microsandbox.plugins.module_utils._formats.member_names import (
    CacheFile,
    parse_member_name,
)
from ansible_collections.sandboxops.microsandbox.plugins.module_utils._formats.root_disk import parse_root_disk
from ansible_collections.sandboxops.microsandbox.plugins.module_utils._formats.sandbox_config import (
    parse_sandbox_config,
)
from ansible_collections.sandboxops.microsandbox.plugins.module_utils._formats.sparse_map import (
    parse_sparse_extension,
    require_sparse_map,
)
from ansible_collections.sandboxops.microsandbox.plugins.module_utils._formats.tar_fields import RECORD_BYTES
from ansible_collections.sandboxops.microsandbox.plugins.module_utils._formats.tar_records import (
    parse_header,
    parse_pax_path,
)
from ansible_collections.sandboxops.microsandbox.plugins.module_utils._formats.vmdk import parse_vmdk, vmdk_to_bytes
from ansible_collections.sandboxops.microsandbox.plugins.module_utils._observe.archive import observe_archive
from ansible_collections.sandboxops.microsandbox.plugins.module_utils._observe.archive_file import read_contents
from ansible_collections.sandboxops.microsandbox.plugins.module_utils._observe.archive_limits import ArchiveLimits
from ansible_collections.sandboxops.microsandbox.plugins.module_utils._observe.archive_reader import ArchiveReader
from ansible_collections.sandboxops.microsandbox.plugins.module_utils._observe.cache_walk import CacheWalk, PinnedImage
from ansible_collections.sandboxops.microsandbox.plugins.module_utils._observe.erofs_witness import ErofsWitness
from ansible_collections.sandboxops.microsandbox.plugins.module_utils._observe.image_cache import require_valid_erofs
from ansible_collections.sandboxops.microsandbox.plugins.module_utils._observe.index import observe_index

# Small, so that a bomb ends before the fuzzer takes it for a hang.
_LIMITS = ArchiveLimits(members=64, apparent_bytes=1 << 24, extents=1 << 10)
_MOST_CONTENT = 1 << 22
# Of the image that the seeds are about.
_REFERENCE = "localhost/app:1"


@contextlib.contextmanager
def _file(content: bytes) -> Iterator[int]:
    """Yield a descriptor of a file in memory, at its start."""
    fd = os.memfd_create("fuzz")
    try:
        os.write(fd, content)
        os.lseek(fd, 0, os.SEEK_SET)
        yield fd
    finally:
        os.close(fd)


def _with_checksums(content: bytes) -> bytes:
    """Give every record that looks like a header the right checksum, which no mutation would ever hit."""
    repaired = bytearray(content)
    for at in range(0, len(repaired) - RECORD_BYTES + 1, RECORD_BYTES):
        if repaired[at + 257 : at + 262] == b"ustar":
            repaired[at + 148 : at + 156] = b" " * 8
            repaired[at + 148 : at + 156] = b"%06o\0 " % sum(repaired[at : at + RECORD_BYTES])
    return bytes(repaired)


def record_walker(content: bytes) -> None:
    """Members of a plain archive, their bodies read through."""
    with _file(_with_checksums(content)) as fd:
        reader, pool = ArchiveReader(fd, _LIMITS), BufferPool(1)
        for member in reader.members():
            if member.real_bytes > _LIMITS.apparent_bytes:
                continue
            position = 0
            for segment in reader.body_segments(member, pool):
                assert segment.offset == position, "segments follow each other"
                position += segment.length
                if segment.buffer is not None:
                    pool.give(segment.buffer)
            assert position == member.real_bytes, "segments make up the whole file"


def archive(content: bytes) -> None:
    """A whole archive, judged."""
    with _file(_with_checksums(content)) as fd:
        found = observe_archive(f"/proc/self/fd/{fd}", _LIMITS, False, Traffic())
        assert found.head in found.snapshots
        assert all("/" in name and not name.startswith("/") and ".." not in name.split("/") for name in found.members)


def sparse_map(content: bytes) -> None:
    """The map of a sparse member."""
    record = bytearray(content[:RECORD_BYTES].ljust(RECORD_BYTES, b"\0"))
    record[156:157], record[257:265] = b"S", b"ustar  \0"
    header = parse_header(_with_checksums(bytes(record)))
    pairs, is_extended, at = list(header.pairs), header.is_extended, RECORD_BYTES
    while is_extended and at < len(content):
        more, is_extended = parse_sparse_extension(content[at : at + RECORD_BYTES].ljust(RECORD_BYTES, b"\0"), b"m")
        pairs += more
        at += RECORD_BYTES
    require_sparse_map(tuple(pairs), header.stored_bytes, header.real_bytes, b"m")
    assert sum(pair.length for pair in pairs) == header.stored_bytes
    assert all(first.offset + first.length <= second.offset for first, second in zip(pairs, pairs[1:]))
    assert (pairs[-1].offset + pairs[-1].length if pairs else 0) == header.real_bytes


def zstd_frame(content: bytes) -> None:
    """The content of a zstd frame, block by block."""
    view = memoryview(bytearray(1 << 16))
    with _file(FRAME_MAGIC + content) as fd:
        source = ByteSource(fd)
        reader, total = FrameReader(source, 1 << 20), 0
        while total < _MOST_CONTENT:
            count = reader.read_into(view)
            total += count
            if count < len(view):
                assert source.position <= len(content) + len(FRAME_MAGIC)
                return


def manifest(content: bytes) -> None:
    """A manifest; its canonical bytes mean the same, also to another parser."""
    found = parse_manifest(content)
    canonical = manifest_to_bytes(found)
    assert parse_manifest(canonical) == found
    assert json.loads(canonical) == json.loads(content)
    index_text_from_rfc3339(found.created_at)


def table_of_contents(content: bytes) -> None:
    """A table of contents, alone and at the end of a file."""
    parse_contents_footer(content[-12:])
    with _file(content) as fd:
        read_contents(f"/proc/self/fd/{fd}")
    found = parse_contents(content)
    assert parse_contents(contents_to_bytes(found)[:-12]) == found


def sandbox_config(content: bytes) -> None:
    """A sandbox's configuration, the record of its disks, and a home's configuration."""
    for parse in (parse_home_config, parse_root_disk, _parse_sandbox_config):
        with contextlib.suppress(MicrosandboxError):
            parse(content)


def _parse_sandbox_config(content: bytes) -> None:
    parse_sandbox_config(content.decode("utf-8", "surrogateescape"))


def member_name(content: bytes) -> None:
    """A member's name, and a PAX header that gives one."""
    with contextlib.suppress(MicrosandboxError):
        parse_pax_path(content)
    for is_directory in (False, True):
        with contextlib.suppress(MicrosandboxError):
            name = parse_member_name(content, is_directory)
            parts = [part for part in name if part is not None]
            assert all(part not in ("", ".", "..") and "/" not in part and "\0" not in part for part in parts)


def database(content: bytes) -> None:
    """A home's database: its schema and its rows."""
    with _file(content) as fd:
        # A link is refused, so the database has a name of its own.
        path = os.path.join(os.environ["FUZZ_DIRECTORY"], f"{os.getpid()}.db")
        with open(path, "wb") as file:
            file.write(os.pread(fd, len(content), 0))
    for row in observe_index(path).rows:
        assert isinstance(row.digest, str)


def image_metadata(content: bytes) -> None:
    """Metadata of an image, and what follows from its digests."""
    found = parse_image_metadata(content, "m")
    assert len(set(found.diff_ids)) == len(found.diff_ids) <= len(found.layers) <= len(content) <= MAX_METADATA_BYTES
    require_sound_metadata(found, "m")
    theirs = json.loads(content)
    assert found.raw_manifest == theirs["raw_manifest_json"]
    assert [layer.diff_id for layer in found.layers] == [layer["diff_id"] for layer in theirs["layers"]]


def vmdk(content: bytes) -> None:
    """A VMDK descriptor: what is accepted is what would be written, to the byte."""
    extents = parse_vmdk(content, "v")
    if extents:
        assert vmdk_to_bytes(extents) == content
        assert all('"' not in extent.path and "\n" not in extent.path for extent in extents)
    else:
        assert all(not line or line.startswith(b"#") for line in content.split(b"\n"))


def erofs_witness(content: bytes) -> None:
    """An EROFS image in pieces whose length its first byte decides, judged as the same image in one file."""
    piece, image = (content[0] << 5 | 31) if content else 1, content[1:]
    with _file(image) as fd:
        says = []
        for judge in (_judge_in_pieces, _judge_in_file):
            try:
                judge(image, piece, fd)
                says.append("")
            except FormatError as exc:
                says.append(exc.message)
        assert says[0] == says[1] or not image, "both say the same"


def _judge_in_pieces(image: bytes, piece: int, fd: int) -> None:
    witness = ErofsWitness(len(image), "e")
    for start in range(0, len(image), piece):
        part = os.pread(fd, piece, start)
        witness.feed(Segment(start, len(part), bytearray(part)))
    witness.judge()


def _judge_in_file(image: bytes, piece: int, fd: int) -> None:
    require_valid_erofs(fd, "e")


def cache_walk(content: bytes) -> None:
    """Image cache files, judged as the images that they say they are."""
    with _file(_with_checksums(content)) as fd:
        reader, walk = ArchiveReader(fd, _LIMITS), CacheWalk(None, BufferPool())
        for member in reader.members():
            if isinstance(member.name, CacheFile) and member.real_bytes <= _LIMITS.apparent_bytes:
                walk.take(reader, member, member.name)
    pinned = []
    for text in walk.texts.values():
        with contextlib.suppress(MicrosandboxError):
            pinned.append(PinnedImage(_REFERENCE, parse_image_metadata(text, "m").manifest_digest))
    images = walk.judge(pinned[:1])
    for image in images:
        sizes = dict(image.sizes)
        assert sizes.keys() == walk.files.keys(), "nothing is carried that no image has"
        assert all(size == walk.files[name].size_bytes > 0 for name, size in sizes.items())
        require_sound_metadata(image.metadata, "m")


TARGETS: dict[str, Callable[[bytes], None]] = {
    target.__name__: target
    for target in (
        record_walker,
        archive,
        sparse_map,
        zstd_frame,
        manifest,
        table_of_contents,
        sandbox_config,
        member_name,
        database,
        image_metadata,
        vmdk,
        erofs_witness,
        cache_walk,
    )
}


def run_once(target: Callable[[bytes], None], content: bytes) -> None:
    """Run a target once; what it may raise is no finding."""
    with contextlib.suppress(MicrosandboxError, OSError):
        target(content)
