# Copyright: (c) 2026, sandboxops contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What stands in a cache where a file is to be installed, without following a link."""

from __future__ import annotations

import hashlib
import os
import shutil
import socket
from pathlib import Path
from typing import Callable

import pytest
from ansible_collections.sandboxops.microsandbox.plugins.module_utils._disk.sparse_file import Traffic
from ansible_collections.sandboxops.microsandbox.plugins.module_utils._formats.member_names import CacheFile
from ansible_collections.sandboxops.microsandbox.plugins.module_utils._observe.cache_target import (
    CacheTarget,
    look_at_target,
    observe_erofs_targets,
    observe_text_targets,
)

DATA = Path(__file__).parents[3] / "data/image-cache/tiny/cache"
LAYER = CacheFile("layers", "sha256_09c18e4ddac467043c18a302cf7a25533a22d4e8b0515d6e27ff92285a4bfd1b.erofs")
METADATA = CacheFile("manifests", "67beb1cae516629e39709875a7311227ecdc4546d01cfdb047e32bab725e6a68.json")
SIZE = 12288


@pytest.fixture
def cache(tmp_path: Path) -> Path:
    return Path(shutil.copytree(DATA, tmp_path / "cache"))


def place(cache: Path, name: CacheFile) -> Path:
    return cache / name.kind / name.file


def bind(path: Path) -> None:
    with socket.socket(socket.AF_UNIX) as listener:
        here = Path.cwd()
        os.chdir(path.parent)
        try:
            listener.bind("s")
            Path("s").rename(path.name)
        finally:
            os.chdir(here)


PLANTS: dict[str, Callable[[Path], object]] = {
    "directory": Path.mkdir,
    "fifo": os.mkfifo,
    "socket": bind,
    "dangling symlink": lambda path: path.symlink_to("/nonexistent/file"),
    "symlink to a file": lambda path: path.symlink_to(__file__),
}


def test_a_free_place_is_absent(cache: Path) -> None:
    place(cache, LAYER).unlink()
    assert look_at_target(str(cache), LAYER) == CacheTarget(str(place(cache, LAYER)))


@pytest.mark.parametrize("missing", ["layers", ""])
def test_a_place_in_a_directory_that_is_not_there_is_absent(cache: Path, missing: str) -> None:
    shutil.rmtree(cache / missing)
    target = look_at_target(str(cache), LAYER)
    assert (target.is_absent, target.is_foreign) == (True, False)


def test_a_file_is_one(cache: Path) -> None:
    target = look_at_target(str(cache), LAYER)
    assert target == CacheTarget(str(place(cache, LAYER)), is_absent=False, is_file=True, size_bytes=SIZE)
    assert not target.is_foreign


@pytest.mark.parametrize("kind", PLANTS)
def test_what_is_no_file_is_foreign(cache: Path, kind: str) -> None:
    place(cache, LAYER).unlink()
    PLANTS[kind](place(cache, LAYER))
    assert look_at_target(str(cache), LAYER).is_foreign
    assert observe_erofs_targets(str(cache), {LAYER: SIZE}, Traffic())[LAYER].is_foreign
    assert observe_text_targets(str(cache), [LAYER], 1 << 20)[LAYER].is_foreign


@pytest.mark.parametrize("kind", ["symlink", "dangling symlink", "file", "fifo"])
def test_a_place_in_what_is_no_directory_is_foreign(cache: Path, kind: str) -> None:
    (cache / "layers").rename(cache / "elsewhere")
    if kind == "symlink":
        (cache / "layers").symlink_to("elsewhere")
    elif kind == "file":
        (cache / "layers").touch()
    else:
        PLANTS[kind](cache / "layers")
    assert look_at_target(str(cache), LAYER).is_foreign


def test_a_file_of_the_wanted_size_is_hashed_and_judged(cache: Path) -> None:
    traffic = Traffic()
    target = observe_erofs_targets(str(cache), {LAYER: SIZE}, traffic)[LAYER]
    assert target.sha256 == "sha256:" + hashlib.sha256(place(cache, LAYER).read_bytes()).hexdigest()
    assert target.is_valid
    assert traffic.read == SIZE


def test_a_file_of_another_size_is_not_read(cache: Path) -> None:
    traffic = Traffic()
    target = observe_erofs_targets(str(cache), {LAYER: SIZE + 4096}, traffic)[LAYER]
    assert (target.size_bytes, target.sha256, target.is_valid, traffic.read) == (SIZE, None, False, 0)


def test_a_file_that_is_no_erofs_image_is_not_valid(cache: Path) -> None:
    place(cache, LAYER).write_bytes(b"\xee" * SIZE)
    target = observe_erofs_targets(str(cache), {LAYER: SIZE}, Traffic())[LAYER]
    assert (target.is_valid, target.sha256 is None) == (False, False)


def test_a_text_is_read_up_to_a_limit(cache: Path) -> None:
    content = place(cache, METADATA).read_bytes()
    for limit, expected in ((len(content), content), (len(content) - 1, None)):
        target = observe_text_targets(str(cache), [METADATA], limit)[METADATA]
        assert (target.content, target.size_bytes) == (expected, len(content))


def test_looking_changes_nothing(cache: Path, list_tree: Callable[[Path], object]) -> None:
    before = list_tree(cache)
    observe_erofs_targets(str(cache), {LAYER: SIZE}, Traffic())
    observe_text_targets(str(cache), [METADATA], 1 << 20)
    assert list_tree(cache) == before
