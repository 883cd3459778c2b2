# Copyright: (c) 2026, sandboxops contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""An HTTP server on the loopback interface that keeps what is put there, like WebDAV, and can be made to fail."""

from __future__ import annotations

import base64
import re
import shutil
import ssl
import subprocess
import threading
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import NoReturn

_TIMEOUT_SECONDS = 30


class HttpStore:
    """A server over a directory, until it is closed.

    Attributes:
        files: The directory that it keeps everything in.
        url: URL of that directory.
        requests: The requests so far, each as its method, its path and the answer's status.
        refused: Pattern of requests, as ``METHOD PATH``, that are answered by 507.
        truncated: Pattern of requests of which it keeps the first half and says that all is well.
        certificate: What its certificate can be verified with, where it speaks TLS.

    Args:
        directory: Where it may write.
        credentials: The user and password that it demands, if any.
        token: The bearer token that it demands, if any.
        tls: Whether it speaks TLS, with a certificate of its own.
    """

    def __init__(
        self,
        directory: Path,
        *,
        credentials: tuple[str, str] | None = None,
        token: str | None = None,
        tls: bool = False,
    ) -> None:
        self.files = directory / "http-files"
        self.files.mkdir()
        self.requests: list[str] = []
        self.refused: str | None = None
        self.truncated: str | None = None
        self.certificate = directory / "http-certificate.pem"
        self._authorization = None
        if credentials is not None:
            self._authorization = "Basic " + base64.b64encode(":".join(credentials).encode()).decode()
        if token is not None:
            self._authorization = f"Bearer {token}"
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), type("Handler", (_Handler,), {"store": self}))
        self._server.daemon_threads = True
        if tls:
            self._server.socket = self._context().wrap_socket(self._server.socket, server_side=True)
        self.url = f"{'https' if tls else 'http'}://127.0.0.1:{self._server.server_port}"
        threading.Thread(target=self._server.serve_forever, daemon=True).start()

    def sent(self) -> list[str]:
        """Return the paths of all that was put and kept, in this order."""
        return [request.split()[1] for request in self.requests if re.match(r"PUT \S+ 2", request)]

    def close(self) -> None:
        """Stop serving."""
        self._server.shutdown()
        self._server.server_close()

    def is_welcome(self, authorization: str | None) -> bool:
        """Return whether a request may come in."""
        return self._authorization in (None, authorization)

    def _context(self) -> ssl.SSLContext:
        key = self.certificate.with_name("http-key.pem")
        command = ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", "/CN=127.0.0.1"]
        names = ["-addext", "subjectAltName=IP:127.0.0.1", "-keyout", key, "-out", self.certificate]
        subprocess.run([*command, *names], check=True, capture_output=True)
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(self.certificate, key)
        return context


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    timeout = _TIMEOUT_SECONDS
    store: HttpStore

    def do_GET(self) -> None:
        path = self._place()
        if not self.store.is_welcome(self.headers["Authorization"]):
            self._answer(HTTPStatus.UNAUTHORIZED)
        elif not path.is_file():
            self._answer(HTTPStatus.NOT_FOUND)
        elif not self._is(self.store.refused):
            self._answer(HTTPStatus.OK, path.stat().st_size)
            if self.command == "GET":
                with path.open("rb") as file:
                    shutil.copyfileobj(file, self.wfile)
        else:
            self._answer(HTTPStatus.INSUFFICIENT_STORAGE)

    do_HEAD = do_GET  # noqa: N815  http.server looks the methods up by these names

    def do_PUT(self) -> None:
        length = int(self.headers["Content-Length"])
        path = self._place()
        beside = path.with_name(f".{path.name}.part")
        path.parent.mkdir(parents=True, exist_ok=True)
        with beside.open("wb") as file:
            while rest := length - file.tell():
                file.write(self.rfile.read(min(rest, 1 << 20)) or self._hung_up())
            if self._is(self.store.truncated):
                file.truncate(length // 2)
        if not self.store.is_welcome(self.headers["Authorization"]):
            beside.unlink()
            self._answer(HTTPStatus.UNAUTHORIZED)
        elif self._is(self.store.refused):
            beside.unlink()
            self._answer(HTTPStatus.INSUFFICIENT_STORAGE)
        else:
            existed = path.exists()
            beside.replace(path)
            self._answer(HTTPStatus.NO_CONTENT if existed else HTTPStatus.CREATED)

    def log_message(self, *arguments: object) -> None:
        """Say nothing."""

    def _hung_up(self) -> NoReturn:
        raise ConnectionError(f"whoever sent {self.path} went away")

    def _place(self) -> Path:
        assert ".." not in self.path
        return self.store.files / self.path.lstrip("/")

    def _is(self, pattern: str | None) -> bool:
        return pattern is not None and re.search(pattern, f"{self.command} {self.path}") is not None

    def _answer(self, status: HTTPStatus, length: int = 0) -> None:
        self.store.requests.append(f"{self.command} {self.path} {status.value}")
        self.send_response(status)
        if status is not HTTPStatus.NO_CONTENT:
            self.send_header("Content-Length", str(length))
        self.end_headers()
