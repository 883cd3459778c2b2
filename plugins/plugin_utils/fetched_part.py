# Copyright: (c) 2026, sandboxops contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a host answers of a file that it hands out, judged before the controller goes by it."""

from __future__ import annotations

import base64
import os
from collections.abc import Mapping
from typing import Any, NamedTuple

from ansible_collections.sandboxops.microsandbox.plugins.module_utils._core.digests import is_sha256
from ansible_collections.sandboxops.microsandbox.plugins.module_utils._core.errors import (
    FormatError,
    StateError,
    excerpt,
)
from ansible_collections.sandboxops.microsandbox.plugins.module_utils._disk.partial_file import PartialFile
from ansible_collections.sandboxops.microsandbox.plugins.plugin_utils.source_file import TemporaryPiece

_COPY_BYTES = 1 << 20


class Probed(NamedTuple):
    """A file on a host.

    Attributes:
        checksum: Its SHA-256 digest, as the host says.
        size_bytes: Its size, as the host says.
    """

    checksum: str
    size_bytes: int


def parse_probe(answer: Mapping[str, Any]) -> Probed:
    """Return what a host says of a file.

    Raises:
        FormatError: It is no checksum, or no size.
    """
    checksum, size_bytes = answer.get("checksum"), answer.get("size_bytes")
    if not isinstance(checksum, str) or not is_sha256(checksum):
        raise FormatError(f"the host says that the checksum is {excerpt(str(checksum))}, not sha256: and 64 hex digits")
    if not isinstance(size_bytes, int) or isinstance(size_bytes, bool) or size_bytes < 0:
        raise FormatError(f"the host says that the size is {excerpt(str(size_bytes))}, expected 0 or more bytes")
    return Probed(checksum, size_bytes)


def prefix_digest(answer: Mapping[str, Any]) -> object:
    """Return what a host says that the digest of a file's beginning is; whatever it says is only compared."""
    return _transfer(answer).get("digest")


def parse_inline_piece(answer: Mapping[str, Any], length: int) -> memoryview:
    """Return a piece that a host has put into its answer.

    Raises:
        FormatError: There is none.
        StateError: It has another length than was asked for.
    """
    content = _transfer(answer).get("content")
    try:
        piece = base64.b64decode(content or "", validate=True)
    except (TypeError, ValueError):
        raise FormatError(f"the host hands out {excerpt(str(content))}, expected a piece in base64") from None
    _require_length(len(piece), length)
    return memoryview(piece)


def append_piece(own: TemporaryPiece, length: int, partial: PartialFile) -> None:
    """Add what was fetched, which the connection may have put there as a new file.

    Raises:
        StateError: It has another length than was asked for.
    """
    fd = os.open(own.path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        _require_length(os.fstat(fd).st_size, length)
        for start in range(0, length, _COPY_BYTES):
            partial.append(memoryview(os.pread(fd, min(_COPY_BYTES, length - start), start)))
    finally:
        os.close(fd)


def _transfer(answer: Mapping[str, Any]) -> Mapping[str, Any]:
    transfer = answer.get("transfer")
    return transfer if isinstance(transfer, Mapping) else {}


def _require_length(found: int, length: int) -> None:
    if found != length:
        raise StateError(f"a piece has {found} bytes, asked for {length}", expected=length, actual=found)
