# Copyright: (c) 2026, sandboxops contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""An image of one small layer that ``msb load`` accepts, made from the standard library alone.

It holds text and no program: the tests need a sandbox's writable disk, and nothing ever boots.
"""

from __future__ import annotations

import hashlib
import io
import json
import tarfile
from pathlib import Path

REFERENCE = "localhost/golden:1"
_FILES = {"etc/hostname": b"golden\n", "etc/os-release": b"ID=golden\n"}


def write_sandbox_image(path: Path, reference: str = REFERENCE) -> None:
    """Write a docker-archive that is the same for the same reference."""
    layer = _tar({"etc": None, **_FILES})
    layer_hex = hashlib.sha256(layer).hexdigest()
    config = json.dumps(
        {
            "architecture": "amd64",
            "os": "linux",
            "config": {"Cmd": ["/bin/true"]},
            "rootfs": {"type": "layers", "diff_ids": [f"sha256:{layer_hex}"]},
        }
    ).encode()
    config_name = f"{hashlib.sha256(config).hexdigest()}.json"
    layer_name = f"{layer_hex}/layer.tar"
    manifest = json.dumps([{"Config": config_name, "RepoTags": [reference], "Layers": [layer_name]}]).encode()
    path.write_bytes(_tar({config_name: config, layer_name: layer, "manifest.json": manifest}))


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
