# Copyright: (c) 2026, sandboxops contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Whether an answer of an HTTP server continues what is there, starts again, or is none to go by: pure decisions."""

from __future__ import annotations

from dataclasses import dataclass

from .._core.errors import FormatError, IntegrityError, SourceError, StateError, UnsupportedError, excerpt
from .._formats.content_range import parse_content_range

# What a server says when the same request may succeed later.
_LATER = frozenset({408, 425, 429, 500, 502, 503, 504})
_BACKOFF_SECONDS = 0.5
_MOST_BACKOFF_SECONDS = 15.0
# A connection that brought that much was no failed attempt.
_PROGRESS_BYTES = 1 << 20


@dataclass(frozen=True)
class Answer:
    """The head of an answer.

    Attributes:
        status: Status code.
        length: Content-Length, or None.
        content_range: Content-Range, or None.
        encoding: Content-Encoding, or None.
        validator: A strong ETag or else Last-Modified, which tells whether a later answer is of the same content.
    """

    status: int
    length: int | None = None
    content_range: str | None = None
    encoding: str | None = None
    validator: str | None = None


@dataclass(frozen=True)
class Start:
    """Where the bytes of an answer belong.

    Attributes:
        offset: How much of what is there stays.
        total_bytes: Length of the whole, or None when the source does not say.
        has_body: Whether the answer brings bytes; else all of them are there.
    """

    offset: int
    total_bytes: int | None
    has_body: bool = True


def plan_start(answer: Answer, have_bytes: int, size_bytes: int | None, source: str) -> Start:
    """Decide where the bytes of an answer belong.

    Args:
        answer: The answer to a request for everything behind ``have_bytes``.
        have_bytes: How much is there.
        size_bytes: How long the whole has to be, or None when nobody knows.
        source: Name of the source, for errors.

    Raises:
        SourceError: The source may have it later.
        StateError: The source does not have it, or refuses.
        IntegrityError: The source has another length.
        FormatError: The answer contradicts itself or the request.
        UnsupportedError: The content is encoded.
    """
    if answer.status in _LATER:
        raise SourceError(f"{source} answers with status {answer.status}", status=answer.status, source=source)
    if answer.encoding not in (None, "", "identity"):
        raise UnsupportedError(
            f"{source} encodes what it sends as {excerpt(answer.encoding or '')}, which was not asked for",
            source=source,
        )
    if answer.status == 200:
        start = Start(0, answer.length)
    elif answer.status == 206 and answer.content_range is not None:
        start = _continued(answer.content_range, have_bytes, source)
    elif answer.status == 416 and have_bytes:
        start = _behind_the_end(answer.content_range, have_bytes)
    else:
        raise StateError(f"{source} answers with status {answer.status}", status=answer.status, source=source)
    if size_bytes is not None and start.total_bytes not in (None, size_bytes):
        raise IntegrityError(
            f"{source} has {start.total_bytes} bytes, wanted {size_bytes}",
            source=source,
            expected=size_bytes,
            actual=start.total_bytes,
        )
    return start


def _continued(content_range: str, have_bytes: int, source: str) -> Start:
    found = parse_content_range(content_range)
    if found.start != have_bytes:
        raise FormatError(
            f"{source} sends bytes from {found.start} on, asked for those from {have_bytes} on",
            source=source,
            expected=have_bytes,
            actual=found.start,
        )
    return Start(have_bytes, found.total)


def _behind_the_end(content_range: str | None, have_bytes: int) -> Start:
    """Judge an answer that nothing is behind what is there: it is whole, or none of it counts."""
    total = parse_content_range(content_range).total if content_range else None
    if total == have_bytes:
        return Start(have_bytes, total, has_body=False)
    # The next request is for everything, and says how much that is.
    return Start(0, None, has_body=False)


def require_length(received_bytes: int, expected_bytes: int | None, source: str) -> None:
    """Check that an answer that has ended brought all that it announced.

    Raises:
        SourceError: The connection ended before.
    """
    if expected_bytes is not None and received_bytes < expected_bytes:
        raise SourceError(
            f"{source} ended the connection after {received_bytes} of {expected_bytes} bytes",
            source=source,
            expected=expected_bytes,
            actual=received_bytes,
        )


def attempts_after(attempts: int, gained_bytes: int) -> int:
    """Return how many attempts in a row have failed, when one more has, after so many bytes that never came before."""
    return 1 if gained_bytes >= _PROGRESS_BYTES else attempts + 1


def backoff_seconds(attempts: int) -> float:
    """Return how long to wait after so many attempts in a row have failed."""
    return min(_BACKOFF_SECONDS * 2.0 ** (attempts - 1), _MOST_BACKOFF_SECONDS)
