# Copyright: (c) 2026, sandboxops contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The layers that a cache has: those that a bundle may leave out, and no others."""

from __future__ import annotations

import os
import shutil
from pathlib import Path
from typing import Callable

import pytest
from ansible_collections.sandboxops.microsandbox.plugins.module_utils._observe.cached_layers import observe_layers

DATA = Path(__file__).parents[3] / "data/image-cache/tiny/cache"
LOWER = "7130da44c38db92290b94d13985a4435c685230979033d423a0d5bfa8358e894"
UPPER = "09c18e4ddac467043c18a302cf7a25533a22d4e8b0515d6e27ff92285a4bfd1b"


@pytest.fixture
def cache(tmp_path: Path) -> Path:
    return Path(shutil.copytree(DATA, tmp_path / "cache"))


def layer(cache: Path, digest: str = LOWER) -> Path:
    return cache / f"layers/sha256_{digest}.erofs"


def test_valid_layers_are_listed_in_order(cache: Path) -> None:
    assert observe_layers(str(cache)) == (f"sha256:{UPPER}", f"sha256:{LOWER}")


@pytest.mark.parametrize("name", ["", "layers"])
def test_without_a_directory_there_is_none(cache: Path, name: str) -> None:
    shutil.rmtree(cache / name)
    assert observe_layers(str(cache)) == ()


def test_what_is_no_directory_has_none(cache: Path) -> None:
    shutil.rmtree(cache / "layers")
    cache.joinpath("layers").touch()
    assert observe_layers(str(cache)) == ()


def test_a_directory_that_is_a_link_has_none(cache: Path) -> None:
    cache.joinpath("layers").rename(cache / "elsewhere")
    cache.joinpath("layers").symlink_to("elsewhere")
    assert observe_layers(str(cache)) == ()


def cut(path: Path) -> None:
    os.truncate(path, 8192)


def fill(path: Path) -> None:
    path.write_bytes(bytes(12288))


def link(path: Path) -> None:
    path.symlink_to(path.rename(path.parents[1] / "elsewhere"))


def plant_directory(path: Path) -> None:
    path.unlink()
    path.mkdir()


def plant_fifo(path: Path) -> None:
    path.unlink()
    os.mkfifo(path)


@pytest.mark.parametrize("spoil", [cut, fill, link, plant_directory, plant_fifo, Path.unlink])
def test_a_layer_that_would_not_boot_is_left_out(cache: Path, spoil: Callable[[Path], object]) -> None:
    spoil(layer(cache))
    assert observe_layers(str(cache)) == (f"sha256:{UPPER}",)


@pytest.mark.parametrize(
    "name",
    [
        f"sha256_{'a' * 63}.erofs",
        f"sha256_{'A' * 64}.erofs",
        f"sha512_{'a' * 128}.erofs",
        f"sha256_{'a' * 64}.erofs\n",
        f"sha256_{'a' * 64}.erofs.lock",
        f"x-sha256_{'a' * 64}.erofs",
        f".sha256_{'a' * 64}.erofs",
    ],
)
def test_other_names_are_no_layers(cache: Path, name: str) -> None:
    shutil.copy(layer(cache), cache / "layers" / name)
    assert len(observe_layers(str(cache))) == 2


def test_a_layer_of_no_known_image_counts(cache: Path) -> None:
    shutil.copy(layer(cache), layer(cache, "a" * 64))
    assert f"sha256:{'a' * 64}" in observe_layers(str(cache))


def test_looking_changes_nothing(cache: Path, list_tree: Callable[[Path], object]) -> None:
    before = list_tree(cache)
    observe_layers(str(cache))
    assert list_tree(cache) == before
