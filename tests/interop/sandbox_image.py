# Copyright: (c) 2026, sandboxops contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Images of a few small layers, made from the standard library alone, in the forms that microsandbox takes them in.

They hold text and no program: the tests need an image cache and a sandbox's writable disk, and nothing ever boots.
"""

from __future__ import annotations

import base64
import hashlib
import io
import json
import tarfile
from pathlib import Path
from typing import NamedTuple

_MEDIA_TYPE = "application/vnd.oci.image"
MANIFEST_MEDIA_TYPE = f"{_MEDIA_TYPE}.manifest.v1+json"
DOCKER_MANIFEST_MEDIA_TYPE = "application/vnd.docker.distribution.manifest.v2+json"


class SandboxImage(NamedTuple):
    """An image.

    Attributes:
        name: Repository and tag, without a registry.
        layers: The uncompressed layers, bottom to top.
    """

    name: str
    layers: tuple[bytes, ...]

    @property
    def reference(self) -> str:
        """The reference that the image is loaded under from a file."""
        return f"localhost/{self.name}"

    @property
    def diff_ids(self) -> list[str]:
        """Digests of the layers, bottom to top."""
        return [sha256(layer) for layer in self.layers]

    def config(self) -> bytes:
        """Return the image's configuration."""
        return _compact(
            {
                "architecture": "amd64",
                "os": "linux",
                "config": {"Cmd": ["/bin/true"]},
                "rootfs": {"type": "layers", "diff_ids": self.diff_ids},
            }
        )

    def manifest(self, spelling: str = "kept") -> bytes:
        """Return the image manifest, by default in the one spelling that microsandbox keeps when it pulls.

        A pull parses the manifest and stores it written anew, without spaces and in this order; any other spelling
        has another digest than the text in the cache.

        Args:
            spelling: How it is written: ``kept``; ``buildkit`` or ``docker`` as these do; ``debian`` with the
                configuration in it; or ``unknown``, as nobody does.
        """
        config = self.config()
        fields = {
            "schemaVersion": 2,
            "mediaType": MANIFEST_MEDIA_TYPE,
            "config": {"mediaType": f"{_MEDIA_TYPE}.config.v1+json", "digest": sha256(config), "size": len(config)},
            "layers": [
                {"mediaType": f"{_MEDIA_TYPE}.layer.v1.tar", "digest": sha256(layer), "size": len(layer)}
                for layer in self.layers
            ],
        }
        if spelling == "kept":
            return _compact(fields)
        if spelling == "debian":
            fields["config"]["data"] = base64.b64encode(config).decode()
            return _compact(fields) + b"\n"
        if spelling == "docker":
            fields["mediaType"] = DOCKER_MANIFEST_MEDIA_TYPE
            for descriptor in (fields["config"], *fields["layers"]):
                descriptor["digest"] = descriptor.pop("digest")
            return json.dumps(fields, indent=3).encode()
        fields["annotations"] = {"org.opencontainers.image.authors": "A & B <ab@example.com>"}
        text = json.dumps(fields, indent=2 if spelling == "buildkit" else 7)
        return text.replace("&", r"\u0026").replace("<", r"\u003c").replace(">", r"\u003e").encode()

    def write_archive(self, path: Path) -> None:
        """Write the docker-archive that ``msb load`` takes, a layer that occurs twice once."""
        config = self.config()
        config_name = f"{sha256(config)[len('sha256:') :]}.json"
        names = [f"{diff_id[len('sha256:') :]}/layer.tar" for diff_id in self.diff_ids]
        manifest = [{"Config": config_name, "RepoTags": [self.reference], "Layers": names}]
        members = {config_name: config, **dict(zip(names, self.layers)), "manifest.json": _compact(manifest)}
        path.write_bytes(_tar(members))


def sha256(content: bytes) -> str:
    """Return the digest of the bytes as images spell it."""
    return f"sha256:{hashlib.sha256(content).hexdigest()}"


def _compact(value: object) -> bytes:
    return json.dumps(value, separators=(",", ":")).encode()


def _tar(members: dict[str, bytes | None]) -> bytes:
    """Return a tar stream of the members; None stands for a directory."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w", format=tarfile.USTAR_FORMAT) as tar:
        for name, content in members.items():
            member = tarfile.TarInfo(name)
            if content is None:
                member.type, member.mode = tarfile.DIRTYPE, 0o755
                tar.addfile(member)
            else:
                member.size = len(content)
                tar.addfile(member, io.BytesIO(content))
    return buffer.getvalue()


_SYSTEM = _tar({"etc": None, "etc/hostname": b"golden\n", "etc/os-release": b"ID=golden\n"})
_LIBRARY = _tar({"usr": None, "usr/lib": None, "usr/lib/words": b"one two three\n" * 2_000})
_APPLICATION = _tar({"opt": None, "opt/app.txt": b"application\n", "etc": None, "etc/hostname": b"app\n"})

GOLDEN = SandboxImage("golden:1", (_SYSTEM,))
BASE = SandboxImage("base:1", (_SYSTEM, _LIBRARY))
APP = SandboxImage("app:1", (_SYSTEM, _LIBRARY, _APPLICATION))  # shares the layers of BASE
REPEATED = SandboxImage("repeated:1", (_SYSTEM, _APPLICATION, _SYSTEM))  # the same layer at two heights
