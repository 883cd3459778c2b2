# Copyright: (c) 2026, sandboxops contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Image caches to work on: two images that the real microsandbox cached, put where a test needs them."""

from __future__ import annotations

import hashlib
import shutil
from pathlib import Path
from typing import NamedTuple

from sample_homes import DATA


class SampleImage(NamedTuple):
    """An image among the samples.

    Attributes:
        name: Its directory there.
        reference: Its reference.
        manifest_digest: Digest of its manifest.
        diff_ids: Its layers, from bottom to top.
    """

    name: str
    reference: str
    manifest_digest: str
    diff_ids: tuple[str, ...]

    def files(self) -> list[str]:
        """Return the names of its files, below the cache and in the order of an archive."""
        safe = self.manifest_digest.replace(":", "_")
        layers = [layer_name(diff_id) for diff_id in self.diff_ids]
        return [metadata_name(self.reference), f"fsmeta/{safe}.erofs", self.vmdk, *layers]

    @property
    def vmdk(self) -> str:
        """Return the name of its VMDK descriptor."""
        return f"vmdk/{self.manifest_digest.replace(':', '_')}.vmdk"


SHARED_LAYER = "sha256:09c18e4ddac467043c18a302cf7a25533a22d4e8b0515d6e27ff92285a4bfd1b"
BASE_LAYER = "sha256:7130da44c38db92290b94d13985a4435c685230979033d423a0d5bfa8358e894"
LAYER_BYTES = 12288
FSMETA_BYTES = 8192

# The first is the one that the snapshots of the home of 0.6.2 pin. Its upper layer is the only one of the second.
TINY = SampleImage(
    "tiny",
    "localhost/tiny:1",
    "sha256:9dfddbfb28e8b57d786c7c5b76ef918eb19f2bcf632a3bf8e58fdadfc407f714",
    (BASE_LAYER, SHARED_LAYER),
)
TINY2 = SampleImage(
    "tiny2",
    "example.com/team/tiny2:v2.0",
    "sha256:2a1f07f60b2a41b2d2118df658f28231f1918944ce75a173f379e7025c59f95e",
    (SHARED_LAYER,),
)


def add_image(home: Path, image: SampleImage) -> None:
    """Put an image into a home's cache, as if it had been pulled there."""
    cache = home / "cache"
    source = DATA / "image-cache" / image.name / "cache"
    for name in image.files():
        target = cache / name
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(source / name, target)
    vmdk = cache / image.vmdk
    vmdk.write_text(vmdk.read_text("utf-8").replace("{CACHE}", str(cache.resolve())), "utf-8")


def tag_image(home: Path, image: SampleImage, reference: str) -> None:
    """Let a reference, which may stand for another image so far, stand for this one."""
    cache = home / "cache"
    source = DATA / "image-cache" / image.name / "cache" / metadata_name(image.reference)
    shutil.copyfile(source, cache / metadata_name(reference))


def metadata_name(reference: str) -> str:
    """Return the name of the metadata file of a reference that leaves nothing to defaults."""
    return f"manifests/{hashlib.sha256(reference.encode()).hexdigest()}.json"


def layer_name(diff_id: str) -> str:
    """Return the name of a layer's file."""
    return f"layers/{diff_id.replace(':', '_')}.erofs"


def cache_content(home: Path) -> dict[str, bytes]:
    """Return what the files of a home's cache hold, without the locks on them."""
    cache = home / "cache"
    files = [path for path in cache.rglob("*") if path.is_file() and path.suffix != ".lock"]
    return {str(path.relative_to(cache)): path.read_bytes() for path in files}


def expected_content(home: Path, *images: SampleImage) -> dict[str, bytes]:
    """Return what a home's cache has to hold once it has these images and nothing else."""
    found = {}
    cache = (home / "cache").resolve()
    for image in images:
        source = DATA / "image-cache" / image.name / "cache"
        for name in image.files():
            found[name] = (source / name).read_bytes().replace(b"{CACHE}", str(cache).encode())
    return found
