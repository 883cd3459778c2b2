# Copyright: (c) 2026, sandboxops contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Images that microsandbox cached, as members of archives."""

from __future__ import annotations

import json
import tarfile
from pathlib import Path
from typing import NamedTuple

DATA = Path(__file__).parents[3] / "data"


class Real(NamedTuple):
    """An image that microsandbox cached.

    Attributes:
        reference: Its reference.
        digest: Digest of its manifest.
        files: Its files by their names in an archive.
    """

    reference: str
    digest: str
    files: dict[str, bytes]

    def of(self, kind: str) -> list[str]:
        """Return the names of its files of a kind."""
        return [name for name in self.files if name.startswith(f"cache/{kind}/")]


def load(name: str) -> Real:
    """Return one of the images among the test data."""
    facts = json.loads(DATA.joinpath(f"image-cache/{name}.expected.json").read_text("utf-8"))
    cache = DATA / "image-cache" / name / "cache"
    files = {f"cache/{path.relative_to(cache)}": path.read_bytes() for path in sorted(cache.glob("*/*"))}
    vmdk = f"cache/{facts['vmdk']['path']}"
    files[vmdk] = files[vmdk].replace(b"{CACHE}", b"/their/cache")
    return Real(facts["reference"], facts["manifest_digest"], files)


TINY, TINY2 = load("tiny"), load("tiny2")
(SHARED,) = set(TINY.of("layers")) & set(TINY2.of("layers"))
(OWN,) = set(TINY.of("layers")) - {SHARED}


def member(name: str, content: bytes) -> bytes:
    """Return a file as an archive has it."""
    info = tarfile.TarInfo(name)
    info.size = len(content)
    return info.tobuf(tarfile.GNU_FORMAT) + content + bytes(-len(content) % 512)


def diff_id(name: str) -> str:
    """Return the layer that a file is named after."""
    return Path(name).stem.replace("_", ":")
