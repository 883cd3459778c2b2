# Copyright: (c) 2026, sandboxops contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What lies in a home's image cache, read with nothing of ours."""

from __future__ import annotations

import json
from pathlib import Path

_KINDS = {"manifests": ".json", "fsmeta": ".erofs", "layers": ".erofs", "vmdk": ".vmdk"}


def cache_files(home: Path) -> dict[str, bytes]:
    """Return the content of every cache file by ``<kind>/<name>``, without locks and leases."""
    files = {}
    for kind, ending in _KINDS.items():
        for path in sorted((home / "cache" / kind).glob(f"*{ending}")):
            files[f"{kind}/{path.name}"] = path.read_bytes()
    return files


def image_files(home: Path, manifest_digest: str) -> dict[str, bytes]:
    """Return the cache files that the image of a manifest digest consists of, as its metadata names them."""
    files = cache_files(home)
    wanted = []
    for name, content in files.items():
        if not name.startswith("manifests/"):
            continue
        metadata = json.loads(content)
        if metadata["manifest_digest"] == manifest_digest:
            image = _file_name(manifest_digest)
            wanted += [name, f"fsmeta/{image}.erofs", f"vmdk/{image}.vmdk"]
            wanted += [f"layers/{_file_name(layer['diff_id'])}.erofs" for layer in metadata["layers"]]
    return {name: files[name] for name in wanted}


def moved(files: dict[str, bytes], old_home: Path, new_home: Path) -> dict[str, bytes]:
    """Return the files as they must be in another home: alike, but for the paths that a VMDK descriptor holds."""
    old, new = (f'"{home}/cache/'.encode() for home in (old_home, new_home))
    return {name: content.replace(old, new) if name.startswith("vmdk/") else content for name, content in files.items()}


def without_vmdk(files: dict[str, bytes]) -> dict[str, bytes]:
    """Return the files whose bytes are the same in every home."""
    return {name: content for name, content in files.items() if not name.startswith("vmdk/")}


def _file_name(digest: str) -> str:
    return digest.replace(":", "_")
