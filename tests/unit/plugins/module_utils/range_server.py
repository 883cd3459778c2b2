# Copyright: (c) 2026, sandboxops contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A web server on the loopback interface that serves one file, ranges of it too, and misbehaves as it is told."""

from __future__ import annotations

import base64
import re
import ssl
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import NamedTuple

_PIECE_BYTES = 1 << 16
_LONGEST_STALL_SECONDS = 30


class Request(NamedTuple):
    """What was asked for, and by whom."""

    path: str
    range: str | None
    authorization: str | None
    token: str | None


@dataclass
class RangeServer:
    """The server, and how it behaves; all of that can be changed while it runs.

    Attributes:
        content: The file, at every path.
        has_ranges: Whether it serves ranges.
        etag: ETag of the file, or None.
        statuses: What the next requests are answered with, before any is answered well.
        sends: How many bytes of the answer the next requests get before the connection ends.
        stalls: Whether it falls silent then instead, until it is stopped.
        announced: The length that it announces, if not the true one.
        is_chunked: Whether it announces none.
        encoding: A Content-Encoding that it claims.
        bytes_per_second: How fast it sends, or None for no limit.
        user: User and password that it demands.
        redirects: Where paths lead instead of to the file.
        requests: What it was asked.
        sent_bytes: How much it has sent.
        url: Where it is.
    """

    content: bytes
    has_ranges: bool = True
    etag: str | None = '"one"'
    statuses: list[int] = field(default_factory=list)
    sends: list[int] = field(default_factory=list)
    stalls: bool = False
    announced: int | None = None
    is_chunked: bool = False
    encoding: str | None = None
    bytes_per_second: int | None = None
    user: tuple[str, str] | None = None
    redirects: dict[str, str] = field(default_factory=dict)
    requests: list[Request] = field(default_factory=list)
    sent_bytes: int = 0
    url: str = ""
    stopped: threading.Event = field(default_factory=threading.Event)

    @contextmanager
    def running(self, certificate: Path | None = None, key: Path | None = None) -> Iterator[RangeServer]:
        """Serve until the block ends, with TLS when there is a certificate."""
        server = ThreadingHTTPServer(("127.0.0.1", 0), type("Handler", (_Handler,), {"told": self}))
        server.daemon_threads = True
        scheme = "http"
        if certificate is not None:
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            context.load_cert_chain(certificate, key)
            server.socket = context.wrap_socket(server.socket, server_side=True)
            scheme = "https"
        self.url = f"{scheme}://127.0.0.1:{server.server_port}"
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)
        thread.start()
        try:
            yield self
        finally:
            self.stopped.set()
            server.shutdown()
            server.server_close()
            thread.join()


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    told: RangeServer

    def do_GET(self) -> None:
        told = self.told
        asked = self.headers.get("Range")
        told.requests.append(Request(self.path, asked, self.headers.get("Authorization"), self.headers.get("X-Token")))
        self.close_connection = True
        if told.statuses:
            self._end(told.statuses.pop(0))
        elif self.path in told.redirects:
            self._end(302, Location=told.redirects[self.path])
        elif told.user is not None and not self._is_user(told.user):
            self._end(401)
        else:
            self._send_file(self._start(asked))

    def log_message(self, *arguments: object) -> None:
        """Say nothing."""

    def _is_user(self, user: tuple[str, str]) -> bool:
        wanted = base64.b64encode(":".join(user).encode()).decode()
        return self.headers.get("Authorization") == f"Basic {wanted}"

    def _start(self, asked: str | None) -> int | None:
        """Return where the answer begins, None for everything."""
        if asked is None or not self.told.has_ranges:
            return None
        condition = self.headers.get("If-Range")
        if condition is not None and condition != self.told.etag:
            return None
        found = re.fullmatch(r"bytes=([0-9]+)-", asked)
        assert found is not None, asked
        return int(found.group(1))

    def _end(self, status: int, **headers: str) -> None:
        self.send_response(status)
        for name, value in {"Content-Length": "0", "Connection": "close", **headers}.items():
            self.send_header(name.replace("_", "-"), value)
        self.end_headers()

    def _send_file(self, start: int | None) -> None:
        told = self.told
        whole = len(told.content)
        if start is not None and start >= whole:
            self._end(416, Content_Range=f"bytes */{whole}")
            return
        body = memoryview(told.content)[start or 0 :]
        self.send_response(200 if start is None else 206)
        if start is not None:
            self.send_header("Content-Range", f"bytes {start}-{whole - 1}/{whole}")
        if told.etag is not None:
            self.send_header("ETag", told.etag)
        if told.encoding is not None:
            self.send_header("Content-Encoding", told.encoding)
        if told.is_chunked:
            self.send_header("Transfer-Encoding", "chunked")
        else:
            self.send_header("Content-Length", str(len(body) if told.announced is None else told.announced))
        self.send_header("Connection", "close")
        self.end_headers()
        most = told.sends.pop(0) if told.sends else len(body)
        self._send_body(body[:most], is_all=most >= len(body))

    def _send_body(self, body: memoryview, is_all: bool) -> None:
        told = self.told
        for start in range(0, len(body), _PIECE_BYTES):
            piece = body[start : start + _PIECE_BYTES]
            try:
                self.wfile.write(b"%x\r\n%b\r\n" % (len(piece), bytes(piece)) if told.is_chunked else piece)
            except OSError:
                return
            told.sent_bytes += len(piece)
            if told.bytes_per_second is not None:
                time.sleep(len(piece) / told.bytes_per_second)
        if is_all and told.is_chunked:
            self.wfile.write(b"0\r\n\r\n")
        if not is_all and told.stalls:
            self.wfile.flush()
            told.stopped.wait(_LONGEST_STALL_SECONDS)
