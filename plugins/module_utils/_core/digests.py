# Copyright: (c) 2026, sandboxops contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Digests as text: what microsandbox accepts as one, and what this collection writes."""

from __future__ import annotations

import hashlib
import re

from .errors import RequestError, excerpt

_SHA256 = re.compile(r"sha256:[0-9a-f]{64}\Z")


def is_sha256(text: str) -> bool:
    """Return whether the text is ``sha256:`` and 64 lower-case hex digits."""
    return _SHA256.match(text) is not None


def require_sha256(text: str, what: str) -> str:
    """Return the text when it is a SHA-256 digest.

    Raises:
        RequestError: It is not ``sha256:`` and 64 lower-case hex digits.
    """
    if not is_sha256(text):
        raise RequestError(f"{what} is {excerpt(text)}, not sha256: and 64 lower-case hex digits", value=text[:128])
    return text


def sha256_digest(content: bytes) -> str:
    """Return the SHA-256 digest of the bytes as ``sha256:<hex>``."""
    return "sha256:" + hashlib.sha256(content).hexdigest()
