# Copyright: (c) 2026, sandboxops contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A member of an archive, and which headers make one."""

from __future__ import annotations

from dataclasses import dataclass

from .._core.errors import FormatError, bytes_excerpt, excerpt
from .._formats.member_names import MemberName
from .._formats.sparse_map import SparsePair
from .._formats.tar_records import DIRECTORY_TYPE, REGULAR_TYPES, SPARSE_TYPE, Header


@dataclass(frozen=True)
class Member:
    """A member of an archive.

    Attributes:
        name: What its name says it is.
        is_sparse: Whether it is an old-GNU sparse member.
        stored_bytes: Length of its body in the archive.
        real_bytes: Apparent size of the file.
        pairs: The map of a sparse member, complete and checked.
    """

    name: MemberName
    is_sparse: bool
    stored_bytes: int
    real_bytes: int
    pairs: tuple[SparsePair, ...]

    @property
    def shown(self) -> str:
        """Return its name for messages."""
        return excerpt("/".join(part for part in self.name if part))


def shown_name(header: Header) -> str:
    """Return the name in a header for messages."""
    return bytes_excerpt(header.name)


def require_file_or_directory(header: Header) -> bool:
    """Return whether a member is a directory.

    Raises:
        FormatError: It is neither that nor a file, or a directory with a body, or has a setuid, setgid or sticky bit.
    """
    shown = shown_name(header)
    is_directory = header.type == DIRECTORY_TYPE
    if not is_directory and header.type not in REGULAR_TYPES and header.type != SPARSE_TYPE:
        raise FormatError(
            f"member {shown} is of tar type {excerpt(header.type.decode('latin-1'))},"
            " only files and directories are allowed"
        )
    if is_directory and header.stored_bytes:
        raise FormatError(f"directory member {shown} has a body of {header.stored_bytes} bytes")
    if header.mode & 0o7000:
        raise FormatError(f"member {shown} has mode {header.mode & 0o7777:04o}, with a setuid, setgid or sticky bit")
    return is_directory
