# Copyright: (c) 2026, sandboxops contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The closed grammar of member names in a G1 archive, as microsandbox 0.5.8 to 0.6.6 write them.

Stricter than their reader: what it normalises or merely tolerates (doubled slashes, hidden directories, control
characters, backslashes) is refused.
"""

from __future__ import annotations

import re
from typing import NamedTuple, Union

from .._core.errors import FormatError, UnsupportedError, bytes_excerpt, excerpt

MAX_COMPONENT_BYTES = 255

# Where microsandbox keeps descriptors and locks: an upper of that name would pass for one.
_RESERVED_FILES = frozenset(
    {
        ".manifest.json.legacy",
        ".snapshot-migration.lock",
        "group-member.json",
        "group.json",
        "metadata.json",
        "snapshot.json",
    }
)
_CACHE_ENDINGS = {"manifests": ".json", "fsmeta": ".erofs", "layers": ".erofs", "vmdk": ".vmdk"}
_G2_MEMBER = re.compile(r"(archive\.json|(snapshots|files)/[0-9a-f]{64}(/.*)?|images(/.*)?)\Z")
_G3_MEMBER = re.compile(r"(snapshots/snap_|layers/layer_)")


class SnapshotDirectory(NamedTuple):
    """The directory of a snapshot: ``<prefix>``."""

    prefix: str


class SnapshotFile(NamedTuple):
    """A file of a snapshot: ``<prefix>/<file>``."""

    prefix: str
    file: str


class CacheDirectory(NamedTuple):
    """A directory of the image cache: ``cache`` or ``cache/<kind>``."""

    kind: str | None


class CacheFile(NamedTuple):
    """A file of the image cache: ``cache/<kind>/<file>``."""

    kind: str
    file: str


MemberName = Union[SnapshotDirectory, SnapshotFile, CacheDirectory, CacheFile]


def snapshot_prefix(digest: str) -> str:
    """Return the directory that every microsandbox gives a snapshot with this digest inside an archive."""
    return "sha256-" + digest[len("sha256:") :][:16]


def parse_member_name(name: bytes, is_directory: bool) -> MemberName:
    """Parse a member's name.

    Args:
        name: As stored in the archive.
        is_directory: Whether the member is a directory.

    Raises:
        FormatError: The name is none that the grammar allows.
        UnsupportedError: The name belongs to an archive of a later generation.
    """
    try:
        text = name.decode("utf-8")
    except UnicodeDecodeError as exc:
        raise FormatError(f"member {bytes_excerpt(name)} has a name that is not UTF-8") from exc
    if is_directory and text.endswith("/"):
        text = text[:-1]
    parts = text.split("/")
    _require_components(text, parts)
    if parts[0] == "cache":
        return _parse_cache_name(text, parts, is_directory)
    if is_directory and len(parts) == 1:
        return SnapshotDirectory(text)
    _refuse_later_generation(text)
    if not is_directory and len(parts) == 2:
        if parts[1] in _RESERVED_FILES:
            raise FormatError(f"member {excerpt(text)} has the name of a file that microsandbox keeps for itself")
        return SnapshotFile(parts[0], parts[1])
    if is_directory:
        raise FormatError(f"directory member {excerpt(text)} is nested, a snapshot's directory stands alone")
    raise FormatError(f"file member {excerpt(text)} has {len(parts)} components, a snapshot's file has 2")


def _require_components(text: str, parts: list[str]) -> None:
    for part in parts:
        if part in ("", ".", ".."):
            raise FormatError(
                f"member {excerpt(text)} has an unsafe path: an empty, '.' or '..' component, or a leading '/'"
            )
        if len(part.encode("utf-8")) > MAX_COMPONENT_BYTES:
            raise FormatError(f"member {excerpt(text)} has a component of more than {MAX_COMPONENT_BYTES} bytes")
        if "\\" in part or not part.isprintable():
            raise FormatError(f"member {excerpt(text)} has a backslash or an unprintable character in its name")
    if parts[0].startswith((".", "~")):
        raise FormatError(f"member {excerpt(text)} has a directory that starts with '.' or '~'")


def _parse_cache_name(text: str, parts: list[str], is_directory: bool) -> MemberName:
    kind = parts[1] if len(parts) > 1 else None
    if is_directory and len(parts) <= 2 and (kind is None or kind in _CACHE_ENDINGS):
        return CacheDirectory(kind)
    if not is_directory and len(parts) == 3 and kind is not None and parts[2].endswith(_CACHE_ENDINGS.get(kind, "/")):
        return CacheFile(kind, parts[2])
    # Long enough for a digest and the ending behind it, which is what mostly is wrong.
    shown = excerpt(text, MAX_COMPONENT_BYTES)
    raise FormatError(f"member {shown} is no image cache file: those are cache/<kind>/<file> with {_kinds()}")


def _kinds() -> str:
    return ", ".join(f"{kind}/*{ending}" for kind, ending in _CACHE_ENDINGS.items())


def _refuse_later_generation(text: str) -> None:
    for pattern, generation, versions in ((_G3_MEMBER, "G3", "0.7"), (_G2_MEMBER, "G2", "0.6.7 to 0.6.18")):
        if pattern.match(text):
            raise UnsupportedError(
                f"member {excerpt(text)} belongs to an archive of generation {generation} (microsandbox {versions}),"
                " this collection reads G1 archives",
                generation=generation,
            )
