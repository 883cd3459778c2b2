# Copyright: (c) 2026, sandboxops contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A container registry on the loopback interface, as much of one as a pull needs."""

from __future__ import annotations

import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import NamedTuple

from sandbox_image import DOCKER_MANIFEST_MEDIA_TYPE, MANIFEST_MEDIA_TYPE, SandboxImage, sha256


class _Body(NamedTuple):
    content: bytes
    media_type: str = "application/octet-stream"


class LoopbackRegistry:
    """Serves published images over plain HTTP until it is closed.

    Attributes:
        host: Its address and port, as image references name it.
    """

    def __init__(self) -> None:
        self._bodies = {"/v2/": _Body(b"{}", "application/json")}
        bodies = self._bodies

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_GET(self) -> None:
                body = bodies.get(self.path)
                content = body.content if body else b"{}"
                self.send_response(200 if body else 404)
                self.send_header("Content-Type", body.media_type if body else "application/json")
                self.send_header("Content-Length", str(len(content)))
                if body:
                    self.send_header("Docker-Content-Digest", sha256(content))
                self.end_headers()
                if self.command == "GET":
                    self.wfile.write(content)

            do_HEAD = do_GET  # noqa: N815  http.server looks the methods up by these names

            def log_message(self, *arguments: object) -> None:
                """Say nothing."""

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        self.host = f"127.0.0.1:{self._server.server_port}"
        threading.Thread(target=self._server.serve_forever, daemon=True).start()

    def publish(self, image: SandboxImage, *, name: str | None = None, spelling: str = "kept") -> str:
        """Serve an image, in place of what the name stood for, and return its reference.

        Args:
            image: The image.
            name: Repository and tag, those of the image when None.
            spelling: How the manifest is spelled; see ``SandboxImage.manifest``.
        """
        repository, tag = (name or image.name).split(":")
        media_type = DOCKER_MANIFEST_MEDIA_TYPE if spelling == "docker" else MANIFEST_MEDIA_TYPE
        manifest = _Body(image.manifest(spelling), media_type)
        for reference in (tag, sha256(manifest.content)):
            self._bodies[f"/v2/{repository}/manifests/{reference}"] = manifest
        for blob in (image.config(), *image.layers):
            self._bodies[f"/v2/{repository}/blobs/{sha256(blob)}"] = _Body(blob)
        return f"{self.host}/{repository}:{tag}"

    def close(self) -> None:
        """Stop serving."""
        self._server.shutdown()
        self._server.server_close()
