# Copyright: (c) 2026, sandboxops contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The record of verifications that an audit keeps on a host: JSON, version 1, ``<home>/.sandboxops-audit.json``."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass

from .._core.digests import is_sha256
from .._core.errors import FormatError, UnsupportedError, excerpt
from .._core.json_fields import Fields
from .._core.strict_json import parse_json
from .._core.utc_seconds import seconds_from_utc

VERIFIED = "verified"
DAMAGED = "damaged"

_VERSION = 1
_WHAT = "the record of verifications"
MAX_RECORD_BYTES = 16 << 20


@dataclass(frozen=True)
class Verification:
    """What the last verification of a snapshot found.

    Attributes:
        state: ``verified`` or ``damaged``.
        at: When, as ``YYYY-MM-DDTHH:MM:SSZ``; of damage, when it was found first.
    """

    state: str
    at: str


def parse_verification_record(text: str) -> dict[str, Verification]:
    """Parse a record, and return the last verification of every digest.

    Raises:
        FormatError: The text is no record.
        UnsupportedError: A later version of the collection wrote it.
    """
    content = text.encode("utf-8", "surrogateescape")
    fields = Fields(parse_json(content, what=_WHAT, max_bytes=MAX_RECORD_BYTES), _WHAT)
    version = fields.integer("version", 1 << 31)
    if version != _VERSION:
        raise UnsupportedError(f"{_WHAT} has the version {version}, this collection knows {_VERSION}", version=version)
    verifications = fields.fields("verifications")
    return {digest: _parse_verification(verifications.fields(digest), digest) for digest in verifications.names()}


def verification_record_text(verifications: Mapping[str, Verification]) -> str:
    """Return a record as text; the same verifications give the same text."""
    entries = {digest: {"state": found.state, "at": found.at} for digest, found in verifications.items()}
    return json.dumps({"version": _VERSION, "verifications": entries}, indent=1, sort_keys=True) + "\n"


def _parse_verification(fields: Fields, digest: str) -> Verification:
    if not is_sha256(digest):
        raise FormatError(f"{_WHAT} has an entry for {excerpt(digest)}, which is no digest")
    fields.require_exactly(("state", "at"))
    found = Verification(fields.text("state"), fields.text("at"))
    if found.state not in (VERIFIED, DAMAGED):
        raise FormatError(f"{_WHAT} has the state {excerpt(found.state)} for {digest}")
    seconds_from_utc(found.at)
    return found
