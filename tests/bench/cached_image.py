# Copyright: (c) 2026, sandboxops contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""An image of eight large layers in the cache of a home of 0.6.2, and a stopped sandbox of it.

usage: cached_image.py HOME LAYER_BYTES SITE_PACKAGES    to put the image into the home's cache
"""

from __future__ import annotations

import json
import sqlite3
import sys
import sysconfig
from collections.abc import Iterator
from pathlib import Path

sys.path.insert(1, str(Path(__file__).resolve().parents[1] / "hostile"))
sys.path.insert(1, str(Path(__file__).resolve().parents[1] / "interop"))

from contenders import Programs
from image_samples import Image, disk_text, erofs
from measured import run
from real_062 import IMAGE_REFERENCE, Sdk062

_BLOCK_BYTES = 4096
_CHUNK_BYTES = 1 << 20
_FSMETA_SHARE = 32  # a layer's bytes to one byte of the merged tree

IMAGE = Image(IMAGE_REFERENCE, {f"layer {number}": b"" for number in range(8)})


def add_image(home: Path, layer_bytes: int, programs: Programs) -> None:
    """Put the image with layers of this size into a home's cache, in a process of its own: the runner stays small."""
    run([sys.executable, __file__, home, str(layer_bytes), programs.packages])


def pin_image(sdk: Sdk062, sandbox: str) -> None:
    """Let a sandbox be one of the image."""
    with sqlite3.connect(sdk.home / "db/msb.db") as connection:
        connection.execute(
            "UPDATE sandbox SET config = json_set(config, '$.manifest_digest', json(?)) WHERE name = ?",
            [json.dumps(IMAGE.digest), sandbox],
        )
    connection.close()


def _make_image(home: Path, layer_bytes: int, packages: Path) -> None:
    """Put the image into a home's cache: valid as far as microsandbox looks, and filled with installed packages.

    Args:
        home: The home.
        layer_bytes: Size of each layer.
        packages: Site packages to fill the layers with.
    """
    content = _content(packages)
    sizes = {IMAGE.fsmeta_name: _whole_blocks(layer_bytes // _FSMETA_SHARE)}
    sizes.update(dict.fromkeys(IMAGE.layer_names, _whole_blocks(layer_bytes)))
    for name, size in sizes.items():
        _write_erofs(home / name, size, content)
    disk = disk_text((str(home.resolve() / name), size) for name, size in sizes.items())
    for name, written in ((IMAGE.vmdk_name, disk.encode()), (IMAGE.metadata_name, IMAGE.metadata())):
        (home / name).parent.mkdir(parents=True, exist_ok=True)
        (home / name).write_bytes(written)


def _whole_blocks(size: int) -> int:
    return max(1, size // _BLOCK_BYTES) * _BLOCK_BYTES


def _write_erofs(path: Path, size: int, content: Iterator[bytes]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("xb") as file:
        left = size - file.write(erofs(said_blocks=size // _BLOCK_BYTES))
        while left:
            left -= file.write(next(content)[:left])


def _content(packages: Path) -> Iterator[bytes]:
    """Yield installed packages again and again: no zstd window of these levels reaches from one copy to the next."""
    while True:
        for source in (Path(sysconfig.get_path("stdlib")), packages):
            for path in sorted(source.rglob("*")):
                if path.is_file() and not path.is_symlink():
                    with path.open("rb") as file:
                        yield from iter(lambda file=file: file.read(_CHUNK_BYTES), b"")


if __name__ == "__main__":
    _make_image(Path(sys.argv[1]), int(sys.argv[2]), Path(sys.argv[3]))
