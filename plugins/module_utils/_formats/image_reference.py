# Copyright: (c) 2026, sandboxops contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""References of OCI images, and the key under which the image cache keeps one, microsandbox 0.4.4 to 0.7.11.

The grammar is Docker's, in ASCII: ``[domain[:port]/]path[:tag][@digest]``.
"""

from __future__ import annotations

import hashlib
import re

from .._core.errors import FormatError, excerpt

_MAX_REFERENCE_LENGTH = 512
_MAX_REPOSITORY_LENGTH = 255
_DEFAULT_DOMAIN = "docker.io"
_OLD_DEFAULT_DOMAIN = "index.docker.io"
_OFFICIAL_IMAGES = "library/"
_DEFAULT_TAG = ":latest"
_DIGEST_HEX_LENGTH = {"sha256": 64, "sha384": 96, "sha512": 128}

_LABEL = r"[A-Za-z0-9](?:[A-Za-z0-9-]*[A-Za-z0-9])?"
_COMPONENT = r"[a-z0-9]+(?:(?:\.|__?|-+)[a-z0-9]+)*"
_REFERENCE = re.compile(
    rf"(?P<name>(?:{_LABEL}(?:\.{_LABEL})*(?::[0-9]+)?/)?{_COMPONENT}(?:/{_COMPONENT})*)"
    r"(?P<tag>:[A-Za-z0-9_][A-Za-z0-9_.-]{0,127})?"
    r"(?:@(?P<algorithm>[a-z0-9]+):(?P<hex>[0-9A-Fa-f]+))?\Z"
)


def normalize_reference(text: str) -> str:
    """Return a reference with everything spelt out that it leaves to defaults: ``domain/path[:tag][@digest]``.

    Raises:
        FormatError: The text is no reference, or longer than any that is worth a name.
    """
    if len(text) > _MAX_REFERENCE_LENGTH:
        raise _refusal(text, f"has {len(text)} characters, {_MAX_REFERENCE_LENGTH} are allowed")
    match = _REFERENCE.match(text)
    if match is None:
        raise _refusal(text, "is not [domain/]path[:tag][@digest]")
    domain, path = _split_name(match["name"])
    if len(path) > _MAX_REPOSITORY_LENGTH:
        raise _refusal(text, f"names a repository of {len(path)} characters, {_MAX_REPOSITORY_LENGTH} are allowed")
    name = f"{domain}/{path}{match['tag'] or ''}"
    algorithm = match["algorithm"]
    if algorithm is None:
        return name if match["tag"] else name + _DEFAULT_TAG
    if len(match["hex"]) != _DIGEST_HEX_LENGTH.get(algorithm):
        known = ", ".join(f"{kind} and {length}" for kind, length in _DIGEST_HEX_LENGTH.items())
        raise _refusal(text, f"has a digest of {algorithm[:20]} and {len(match['hex'])} hex digits, known are {known}")
    return f"{name}@{algorithm}:{match['hex']}"


def reference_key(text: str) -> str:
    """Return the name, without ending, under which the image cache keeps the metadata of a reference: 64 hex digits.

    Raises:
        FormatError: The text is no reference.
    """
    return hashlib.sha256(normalize_reference(text).encode("ascii")).hexdigest()


def _split_name(name: str) -> tuple[str, str]:
    first, slash, rest = name.partition("/")
    # Without a dot or a port the first component is part of the path, an upper-case one too.
    domain, path = (first, rest) if slash and ("." in first or ":" in first or first == "localhost") else ("", name)
    if domain in ("", _OLD_DEFAULT_DOMAIN):
        domain = _DEFAULT_DOMAIN
    if domain == _DEFAULT_DOMAIN and "/" not in path:
        path = _OFFICIAL_IMAGES + path
    return domain, path


def _refusal(text: str, why: str) -> FormatError:
    return FormatError(f"the image reference {excerpt(text)} {why}", reference=text[:_MAX_REPOSITORY_LENGTH])
