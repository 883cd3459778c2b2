# Copyright: (c) 2026, sandboxops contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""An HTTP server as the source of a download, through Ansible's own client: proxies, certificates and credentials."""

from __future__ import annotations

import contextlib
import http.client
import re
import socket
import ssl
import urllib.error
import urllib.request
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from ansible.module_utils.urls import open_url

from .._core.errors import FormatError, RequestError, SourceError, StateError, excerpt
from .._core.urls import is_same_origin, redirected_url, shown_url, split_url
from .._plan.download import Answer

_MOST_REDIRECTS = 5
_REDIRECTS = frozenset({301, 302, 303, 307, 308})

# RFC 9110, 5.1 and 5.5: a name is a token; a value has no control character but the tab, and is sent as Latin-1.
_HEADER_NAME = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")
_HEADER_VALUE = re.compile(r"[\t\x20-\x7e\x80-\xff]*")


@dataclass(frozen=True)
class HttpSource:
    """A server.

    Attributes:
        url: What to get, with its query.
        username: For basic authentication, or None.
        password: Of that user.
        headers: Further headers of the request.
        validate_certs: Whether its certificate must be valid.
        ca_path: File of certificates to trust instead of the system's, or None.
        timeout: How long to wait for a byte, in seconds.
    """

    url: str
    username: str | None = None
    password: str | None = None
    headers: Mapping[str, str] = field(default_factory=dict)
    validate_certs: bool = True
    ca_path: str | None = None
    timeout: float = 60

    @property
    def name(self) -> str:
        """Return what may be printed of it."""
        return shown_url(self.url)

    @contextlib.contextmanager
    def open_at(self, offset: int, validator: str | None) -> Iterator[HttpResponse]:
        """Ask for everything behind an offset.

        Args:
            offset: How much is there.
            validator: Tells which content that is of; of another one, everything is asked for.

        Raises:
            SourceError: It cannot be reached now.
            StateError: It is not who it has to be, or leads nowhere, or there are no certificates to know it by.
            RequestError: No request can have such headers.
        """
        _require_headers(self.headers)
        if self.ca_path is not None:
            _require_certificates(self.ca_path)
        headers = {"Accept-Encoding": "identity"}
        if offset:
            headers["Range"] = f"bytes={offset}-"
            if validator is not None:
                headers["If-Range"] = validator
        url = self.url
        for dummy in range(_MOST_REDIRECTS + 1):
            response = self._request(url, headers)
            with contextlib.closing(response):
                location = response.headers.get("Location")
                if response.status not in _REDIRECTS or not location:
                    yield HttpResponse(response, shown_url(url), self.timeout)
                    return
            url = self._follow(url, location)
        raise StateError(f"{self.name} redirects more than {_MOST_REDIRECTS} times", source=self.name)

    def _follow(self, url: str, location: str) -> str:
        try:
            target = redirected_url(url, location)
        except RequestError as exc:
            raise FormatError(f"{shown_url(url)} redirects to what is no HTTP URL", source=self.name) from exc
        if url.startswith("https:") and not target.startswith("https:"):
            raise StateError(f"{shown_url(url)} redirects to {shown_url(target)}, without encryption", source=self.name)
        return target

    def _request(self, url: str, headers: Mapping[str, str]) -> Any:
        """Send one request, with credentials only to the server that they are for."""
        is_ours = is_same_origin(url, self.url)
        name = shown_url(url)
        try:
            return open_url(
                url,
                headers={**(self.headers if is_ours else {}), **headers},
                timeout=self.timeout,
                validate_certs=self.validate_certs,
                ca_path=self.ca_path,
                url_username=self.username if is_ours else None,
                url_password=self.password if is_ours else None,
                force_basic_auth=True,
                follow_redirects="none",
                decompress=False,
                use_netrc=False,
                http_agent="sandboxops.microsandbox",
            )
        except urllib.error.HTTPError as exc:
            return exc
        except urllib.error.URLError as exc:
            if isinstance(exc.reason, ssl.SSLCertVerificationError):
                reason = exc.reason.verify_message
                raise StateError(f"{name} has no valid certificate: {reason}", source=name) from None
            raise SourceError(f"{name} cannot be reached: {_reason(exc.reason)}", source=name) from None
        except (OSError, http.client.HTTPException) as exc:
            raise SourceError(f"{name} cannot be reached: {_reason(exc)}", source=name) from None
        except ValueError:
            # Which quotes what it refuses: a proxy with its password, or where a redirect leads.
            _require_proxy(url)
            raise FormatError(f"{name} redirects to what is no HTTP URL", source=self.name) from None


class HttpResponse:
    """An answer.

    Attributes:
        answer: Its head.

    Args:
        response: What Ansible's client returned.
        name: Name of the source, for errors.
        timeout: How long a byte was waited for.
    """

    def __init__(self, response: Any, name: str, timeout: float) -> None:
        self._response = response
        self._name = name
        self._timeout = timeout
        headers = response.headers
        self.answer = Answer(
            status=response.status,
            length=_length(headers.get("Content-Length"), name),
            content_range=headers.get("Content-Range"),
            encoding=headers.get("Content-Encoding"),
            validator=_validator(headers.get("ETag"), headers.get("Last-Modified")),
        )

    def read(self, most_bytes: int) -> bytes:
        """Return what has come, or nothing at the end.

        Raises:
            SourceError: Nothing came for too long, or the connection broke.
        """
        try:
            piece: bytes = self._response.read1(most_bytes)
        except socket.timeout:  # which Python 3.9 does not count among TimeoutError
            raise SourceError(
                f"{self._name} sent no byte for {self._timeout:g} seconds", source=self._name, waited=self._timeout
            ) from None
        except (OSError, http.client.HTTPException) as exc:
            raise SourceError(f"{self._name} broke off: {_reason(exc)}", source=self._name) from None
        return piece


def _require_headers(headers: Mapping[str, str]) -> None:
    """Check what Python would refuse with an error that quotes it: a value is a secret, and so may be half a line."""
    for name, value in headers.items():
        if not _HEADER_NAME.fullmatch(name):
            raise RequestError("url_headers has a header whose name is not one of HTTP", option="url_headers")
        if not _HEADER_VALUE.fullmatch(value):
            raise RequestError(
                f"header {excerpt(name)} of url_headers has a line break or another character that no header can have",
                option="url_headers",
            )


def _require_certificates(path: str) -> None:
    """Check that there are certificates to trust: a server is not asked again for want of them."""
    try:
        ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT).load_verify_locations(cafile=path)
    except ssl.SSLError:
        raise StateError(f"{path}, which ca_path names, has no certificates in PEM form", path=path) from None
    except OSError as exc:
        raise StateError(f"{path}, which ca_path names, cannot be read: {exc.strerror}", path=path) from exc


def _require_proxy(url: str) -> None:
    """Check the proxy that the host's environment has for a URL, if it has one."""
    scheme = url.partition(":")[0]
    proxy = urllib.request.getproxies().get(scheme)
    if proxy:
        try:
            split_url(proxy if "://" in proxy else f"http://{proxy}", "the proxy")
        except RequestError:
            message = f"{shown_url(url)} cannot be asked: {scheme}_proxy in the host's environment is no URL of a proxy"
            raise StateError(message, source=shown_url(url)) from None


def _validator(etag: str | None, last_modified: str | None) -> str | None:
    # A weak ETag says nothing about single bytes, and is not allowed in If-Range.
    return etag if etag and etag.startswith('"') else last_modified


def _length(text: str | None, name: str) -> int | None:
    if text is None:
        return None
    if not text.isdecimal() or len(text) > 18:
        raise FormatError(f"{name} sends a Content-Length that is no number", source=name)
    return int(text)


def _reason(exc: object) -> str:
    """Return what went wrong, from errors that carry no URL."""
    if isinstance(exc, socket.timeout):
        return "timed out"
    if isinstance(exc, OSError) and exc.strerror:
        return exc.strerror
    return type(exc).__name__
