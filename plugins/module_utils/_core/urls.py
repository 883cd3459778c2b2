# Copyright: (c) 2026, sandboxops contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""URLs of archives: which are taken, which parts of them are secrets, and where credentials may go."""

from __future__ import annotations

import re
from typing import NamedTuple
from urllib.parse import unquote, urljoin, urlsplit, urlunsplit

from .errors import RequestError, excerpt

_PORTS = {"http": 80, "https": 443}
# A name whose labels are of a length that the DNS has, or an address; what else there is, URL parsers read differently.
_LABEL = r"[A-Za-z0-9_-]{1,63}"
_HOST = re.compile(rf"(?:{_LABEL}(?:\.{_LABEL})*\.?|\[[0-9A-Fa-f:.]+(?:%[0-9A-Za-z._~-]+)?\])(?::[0-9]*)?")


class SplitUrl(NamedTuple):
    """A URL, what is secret of it apart.

    Attributes:
        bare: Scheme, host and path.
        query: What stands behind the question mark; signatures are there.
        username: The user in it, or None.
        password: The user's password, or None.
    """

    bare: str
    query: str
    username: str | None
    password: str | None


def split_url(text: str, what: str) -> SplitUrl:
    """Take the secrets out of a URL.

    Args:
        text: The URL.
        what: Name of the option, for the error.

    Raises:
        RequestError: It is no HTTP URL with a host.
    """
    if any(not " " < character < "\x7f" for character in text):
        raise RequestError(
            f"{what} has a space, a control character or one beyond ASCII, which a URL must escape", option=what
        )
    try:
        parts = urlsplit(text)
        host, dummy = parts.netloc.rpartition("@")[2], parts.port
    except ValueError:
        host, parts = "", urlsplit("")
    if parts.scheme not in _PORTS or not _HOST.fullmatch(host):
        # Nothing of it is shown: what is no URL may be a secret.
        raise RequestError(f"{what} is no http:// or https:// URL with a host", option=what)
    bare = urlunsplit((parts.scheme, host, parts.path or "/", "", ""))
    username, password = (None if part is None else unquote(part) for part in (parts.username, parts.password))
    return SplitUrl(bare, parts.query, username, password)


def shown_url(url: str) -> str:
    """Return what may be printed of a URL: its scheme, host and path."""
    return excerpt(split_url(url, "url").bare, 200)[1:-1]


def redirected_url(url: str, location: str) -> str:
    """Return where a redirect leads.

    Raises:
        RequestError: It leads to no HTTP URL.
    """
    try:
        target = urljoin(url, location.replace(" ", "%20"))
    except ValueError:
        raise RequestError("the target of a redirect is no URL") from None
    split_url(target, "the target of a redirect")
    return target


def is_same_origin(one: str, other: str) -> bool:
    """Return whether two URLs have the same scheme, host and port, so that what is for one is for the other."""
    return _origin(one) == _origin(other)


def _origin(url: str) -> tuple[str, str | None, int | None]:
    parts = urlsplit(url)
    return parts.scheme, parts.hostname, parts.port or _PORTS.get(parts.scheme)
