# Copyright: (c) 2026, sandboxops contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The errors of the library: low layers say whose problem it is, and the module's one exit reports it."""

from __future__ import annotations


class MicrosandboxError(Exception):
    """What the library refuses, as one sentence and the facts behind it.

    Args:
        message: Names the object, then both sides. Lower case, no full stop.
        facts: JSON values that a playbook can branch on.
    """

    code = "error"

    def __init__(self, message: str, **facts: object) -> None:
        super().__init__(message)
        self.message = message
        self.facts = facts


class RequestError(MicrosandboxError):
    """The task asks for something that no host can do."""

    code = "request"


class StateError(MicrosandboxError):
    """The host does not allow it now: a running sandbox, a taken name, a held lock, no space."""

    code = "state"


class SourceError(StateError):
    """The source of a transfer cannot be reached now or has fallen silent: trying again may help."""


class FormatError(MicrosandboxError):
    """Bytes do not follow their format."""

    code = "format"


class IntegrityError(MicrosandboxError):
    """Well formed, but not the bytes that they claim to be."""

    code = "integrity"


class UnsupportedError(MicrosandboxError):
    """A generation, an algorithm or a library that this host or collection does not have."""

    code = "unsupported"


def excerpt(text: str, limit: int = 80) -> str:
    """Return foreign text fit for a message: escaped, quoted and at most about ``limit`` characters long."""
    shown = "".join(c if c.isprintable() else c.encode("unicode_escape").decode("ascii") for c in text[: limit + 1])
    return "'" + (shown if len(shown) <= limit else shown[:limit] + "...") + "'"


def bytes_excerpt(content: bytes) -> str:
    """Return foreign bytes that should be UTF-8 as an excerpt of their text, whatever they are."""
    return excerpt(content[:256].decode("utf-8", "backslashreplace"))
