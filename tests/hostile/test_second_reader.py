# Copyright: (c) 2026, sandboxops contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A second reader: on every archive that is accepted, GNU tar sees the members that we see."""

from __future__ import annotations

import os
import re
import subprocess
from pathlib import Path

from all_cases import CASES
from ansible_collections.sandboxops.microsandbox.plugins.module_utils._core.errors import MicrosandboxError
from ansible_collections.sandboxops.microsandbox.plugins.module_utils._disk.sparse_file import BufferPool
from ansible_collections.sandboxops.microsandbox.plugins.module_utils._formats.member_names import (
    CacheDirectory,
    CacheFile,
)
from ansible_collections.sandboxops.microsandbox.plugins.module_utils._observe.archive_limits import ArchiveLimits
from ansible_collections.sandboxops.microsandbox.plugins.module_utils._observe.archive_reader import ArchiveReader
from hypothesis import HealthCheck, event, given, settings
from hypothesis import strategies as st
from samples import archive
from tar_stream import POSIX, Head, Sparse, directory, header, long_name, member, padded, pax, sparse_member, to_bytes
from zstd_stream import MAGIC

# Mode, owner/group, size, date, time and name.
_LINE = re.compile(r"\S+ \S+ +(?P<size>\d+) [\d-]+ [\d:]+ (?P<name>.*)\Z", re.DOTALL)

# Owners and times, which we do not read, are no numbers.
_NOT_READ_BY_GNU_TAR = ("mode-owner-garbage.tar",)

Listed = list[tuple[str, int]]

_NAME_CHARACTERS = st.characters(codec="utf-8", exclude_categories=("Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"))
_COMPONENTS = st.one_of(
    st.text("abc._- ", min_size=1, max_size=12),
    st.text(_NAME_CHARACTERS, min_size=1, max_size=40),
    st.text("n", min_size=60, max_size=200),
    st.sampled_from(["cache", ".", "..", "-", "a\\b", "a\tb", "archive.json"]),
)
_PREFIXES = st.one_of(st.sampled_from(["snap", "other"]), _COMPONENTS)
_NAMES = st.one_of(
    st.tuples(_PREFIXES, st.one_of(st.sampled_from(["manifest.json", "upper.ext4"]), _COMPONENTS)).map("/".join),
    st.tuples(st.just("cache"), st.sampled_from(["layers", "fsmeta"]), _COMPONENTS.map("{}.erofs".format)).map(
        "/".join
    ),
)
_CONTENTS = st.binary(max_size=1500)
_KINDS = st.sampled_from([b"0", b"0", b"0", b"\0", b"7"])


@st.composite
def dense(draw: st.DrawFn) -> bytes:
    """Return a file member with its name in the header, in a record before it, or split over the ustar prefix."""
    name, content = to_bytes(draw(_NAMES)), draw(_CONTENTS)
    head = Head(kind=draw(_KINDS), mode=draw(st.sampled_from([0o644, 0o100644, 0])))
    how = draw(st.sampled_from(["header", "long name", "pax", "ustar prefix"]))
    start, dummy, rest = name.partition(b"/")
    if how == "ustar prefix" and len(start) <= 155 and len(rest) <= 100:
        return header(rest, len(content), Head(magic=POSIX, prefix=start)) + padded(content)
    if how == "pax":
        times = [("mtime", "1.5")] if draw(st.booleans()) else []
        return pax(*times, ("path", name)) + member("short", content, Head(magic=POSIX))
    if how == "long name" or len(name) > 100:
        return long_name(name) + member(name[:100], content, head)
    return member(name, content, head)


@st.composite
def sparse(draw: st.DrawFn) -> bytes:
    """Return a sparse member whose map is mostly, but not always, right."""
    name = to_bytes(draw(_NAMES))
    position, pairs = 0, []
    for dummy in range(draw(st.integers(0, 30))):
        position += 512 * draw(st.integers(0, 3))
        length = 512 * draw(st.integers(0, 2))
        pairs.append((position, length))
        position += length
    last = draw(st.integers(0, 600))
    if last:
        pairs.append((position, last))
        position += last
    real = position + draw(st.sampled_from([0, 0, 4096, 1 << 20]))
    if real > position or draw(st.integers(0, 9)) == 0:
        pairs.append((real, 0))
    stored = bytes(sum(length for dummy, length in pairs))
    before = long_name(name) if len(name) > 100 else b""
    return before + sparse_member(name[:100], Sparse(pairs, real), stored)


_ARCHIVES = st.lists(
    st.one_of(dense(), sparse(), _PREFIXES.filter(lambda name: len(to_bytes(name)) < 100).map(directory)),
    min_size=1,
    max_size=6,
).map(lambda members: archive(*members))


def our_listing(path: Path) -> Listed:
    """Return names and sizes as our reader sees them, every body read."""
    fd = os.open(path, os.O_RDONLY)
    try:
        reader, pool, listed = ArchiveReader(fd, ArchiveLimits()), BufferPool(1), []
        for found in reader.members():
            for segment in reader.body_segments(found, pool):
                if segment.buffer is not None:
                    pool.give(segment.buffer)
            parts = ["cache"] if isinstance(found.name, (CacheDirectory, CacheFile)) else []
            parts += [part for part in found.name if part is not None]
            listed.append(("/".join(parts), found.real_bytes))
    finally:
        os.close(fd)
    return listed


def gnu_listing(path: Path) -> Listed:
    """Return names and sizes as GNU tar prints them."""
    done = subprocess.run(
        ["tar", "--list", "--verbose", "--numeric-owner", "--quoting-style=literal", "--file", path],
        env={**os.environ, "LC_ALL": "C.UTF-8", "TZ": "UTC"},
        capture_output=True,
        check=True,
    )
    listed = []
    for line in done.stdout.decode("utf-8", "surrogateescape").split("\n")[:-1]:
        found = _LINE.match(line)
        assert found, line
        name = found["name"]
        listed.append((name.rstrip("/") if line.startswith("d") else name, int(found["size"])))
    return listed


@settings(max_examples=400, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(content=_ARCHIVES)
def test_gnu_tar_lists_what_we_accept_as_we_do(content: bytes, tmp_path: Path) -> None:
    path = tmp_path / "random.tar"
    path.write_bytes(content)
    try:
        ours = our_listing(path)
    except MicrosandboxError as exc:
        event(f"refused: {exc.code}")
        return
    event("accepted")
    assert gnu_listing(path) == ours


def test_gnu_tar_lists_the_plain_archives_that_are_installed_as_we_do(archives: Path) -> None:
    compared = 0
    for case in CASES:
        path = archives / case.id
        with path.open("rb") as file:
            is_plain = file.read(4) != MAGIC
        if case.code is None and is_plain and case.id not in _NOT_READ_BY_GNU_TAR:
            assert gnu_listing(path) == our_listing(path), case.id
            compared += 1
    assert compared > 50
