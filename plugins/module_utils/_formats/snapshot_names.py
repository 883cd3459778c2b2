# Copyright: (c) 2026, sandboxops contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Names of snapshots: what this collection writes, and how an argument is told from a path."""

from __future__ import annotations

import re

from .._core.errors import RequestError, excerpt
from .._core.unicode_text import is_unicode

_MAX_NAME_BYTES = 255
# Top-level entries of microsandbox's archives of any generation: as a name they would make an archive ambiguous.
_RESERVED = frozenset({"cache", "snapshots", "files", "images", "archive.json"})
_CONTROL = re.compile("[\x00-\x1f\x7f-\x9f]")
# What microsandbox 0.7 accepts, device names aside.
_PORTABLE = re.compile(r"[A-Za-z0-9](?:[A-Za-z0-9_.-]{0,126}[A-Za-z0-9_-])?\Z")
_DEVICE = re.compile(r"(?:con|prn|aux|nul|com[1-9]|lpt[1-9])(?:\..*)?\Z", re.IGNORECASE)


def looks_like_path(text: str) -> bool:
    """Return whether microsandbox takes the argument for a path."""
    return "/" in text or text.startswith((".", "~"))


def require_snapshot_name(text: str) -> str:
    r"""Return the text when it can name a snapshot that every operation finds again.

    microsandbox before 0.6.7 also takes names with ``\``, ``:``, a leading ``~`` or control characters.

    Raises:
        RequestError: The text is no such name.
    """
    if not text:
        raise RequestError("the snapshot name is empty")
    if looks_like_path(text):
        raise _refusal(text, "is a path, not a bare name")
    if "\\" in text or ":" in text:
        raise _refusal(text, r"contains \ or :")
    if _CONTROL.search(text):
        raise _refusal(text, "contains a control character")
    if text in _RESERVED:
        raise _refusal(text, "is a reserved word of the archive format")
    if not is_unicode(text):
        raise _refusal(text, "is not Unicode text")
    size = len(text.encode("utf-8"))
    if size > _MAX_NAME_BYTES:
        raise _refusal(text, f"has {size} bytes, a file name holds {_MAX_NAME_BYTES}")
    return text


def portability_warning(name: str) -> str | None:
    """Return what to warn of when microsandbox 0.7 would refuse the name, else None."""
    if _DEVICE.match(name):
        return f"microsandbox 0.7 refuses the snapshot name {excerpt(name)}: it is the name of a device on some systems"
    if not _PORTABLE.match(name):
        return (
            f"microsandbox 0.7 refuses the snapshot name {excerpt(name)}: it takes 1 to 128 of A-Z, a-z, 0-9, '-', '_' "
            "and '.', a letter or digit first and no dot last"
        )
    return None


def _refusal(name: str, why: str) -> RequestError:
    return RequestError(f"the snapshot name {excerpt(name)} {why}", name=name[:_MAX_NAME_BYTES])
