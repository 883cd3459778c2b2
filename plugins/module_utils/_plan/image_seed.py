# Copyright: (c) 2026, sandboxops contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which images and layers each host of a fleet lacks, and the fewest bundles that bring them."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from .._core.errors import RequestError, excerpt
from .._formats.fleet_report import human_bytes

_KEY_DIGITS = 32


@dataclass(frozen=True)
class SeedImage:
    """An image that hosts are to have.

    Attributes:
        reference: Its reference.
        manifest_digest: Digest of its manifest at the source.
        layers: Sizes of its distinct layers by their diff ids.
        tree_bytes: Size of the tree that the layers make.
    """

    reference: str
    manifest_digest: str
    layers: Mapping[str, int]
    tree_bytes: int


@dataclass(frozen=True)
class HostCache:
    """What the image cache of a host has.

    Attributes:
        whole: References of the images that boot offline there.
        trees: References of those whose tree is there, whole or not.
        layers: Diff ids of all its layers.
    """

    whole: frozenset[str]
    trees: frozenset[str]
    layers: frozenset[str]


@dataclass(frozen=True)
class SeedBundle:
    """A bundle for all hosts that lack the same.

    Attributes:
        file: Its name, which tells what is in it.
        images: The images that it brings.
        exclude_layers: Diff ids of their layers that these hosts have.
        carried_bytes: Size of the layers and trees in it.
        hosts: The hosts.
    """

    file: str
    images: tuple[SeedImage, ...]
    exclude_layers: tuple[str, ...]
    carried_bytes: int
    hosts: tuple[str, ...]


@dataclass(frozen=True)
class HostSeed:
    """What a host gets.

    Attributes:
        file: Name of the bundle that brings what it lacks; None where it lacks nothing.
        images: References of the images that are not whole there.
        layers: How many layers it lacks of them.
        added_bytes: Size of the layers and trees that its cache will have more.
        carried_bytes: Size of the layers and trees in the bundle.
        summary: All of it in one line.
    """

    file: str | None
    images: tuple[str, ...]
    layers: int
    added_bytes: int
    carried_bytes: int
    summary: str


@dataclass(frozen=True)
class SeedPlan:
    """What is shipped to whom.

    Attributes:
        directory: Name for the directory of the bundles, which no plan for other hosts has.
        bundles: One for every set of hosts that lack the same.
        hosts: What each host gets.
    """

    directory: str
    bundles: tuple[SeedBundle, ...]
    hosts: Mapping[str, HostSeed]


def parse_source(answer: Mapping[str, Any]) -> tuple[SeedImage, ...]:
    """Return the images that the module ``image_cache_info`` found at the source.

    Raises:
        RequestError: One of them is not whole there.
    """
    images = []
    for found in answer.get("images", ()):
        if not found["boots_offline"]:
            raise RequestError(f"image {excerpt(found['reference'])} is not whole at the source")
        layers = {str(layer["diff_id"]): int(layer["size_bytes"]) for layer in found["layers"]}
        images.append(SeedImage(str(found["reference"]), found["manifest_digest"], layers, int(found["tree_bytes"])))
    return tuple(images)


def parse_cache(answer: Mapping[str, Any]) -> HostCache:
    """Return what the module ``image_cache_info`` found on a host, of the images of the source."""
    images = answer.get("images", ())
    return HostCache(
        frozenset(found["reference"] for found in images if found["boots_offline"]),
        frozenset(found["reference"] for found in images if found["tree_bytes"] is not None),
        frozenset(answer.get("cached_layers", ())),
    )


def plan_seed(images: Iterable[SeedImage], caches: Mapping[str, HostCache]) -> SeedPlan:
    """Decide which bundles to make, and which of them each host gets.

    Args:
        images: The images that every host is to have.
        caches: What the hosts have, by their names.
    """
    wanted = tuple(images)
    bundles: dict[str, SeedBundle] = {}
    hosts = {}
    for name, cache in sorted(caches.items()):
        lacking = tuple(image for image in wanted if image.reference not in cache.whole)
        hosts[name] = _seed_host(lacking, cache)
        file = hosts[name].file
        if file is not None:
            has = tuple(sorted(cache.layers & _layers(lacking).keys()))
            sharing = bundles[file].hosts if file in bundles else ()
            bundles[file] = SeedBundle(file, lacking, has, hosts[name].carried_bytes, (*sharing, name))
    directory = f"seed-{_key([[bundle.file, bundle.hosts] for bundle in bundles.values()])}"
    return SeedPlan(directory, tuple(bundles.values()), hosts)


def _seed_host(lacking: tuple[SeedImage, ...], cache: HostCache) -> HostSeed:
    if not lacking:
        return HostSeed(None, (), 0, 0, 0, "has every image")
    layers = _layers(lacking)
    missing = {diff_id: size for diff_id, size in layers.items() if diff_id not in cache.layers}
    has = sorted(layers.keys() - missing.keys())
    trees = {image.manifest_digest: image for image in lacking}.values()
    added = sum(missing.values()) + sum(image.tree_bytes for image in trees if image.reference not in cache.trees)
    carried = sum(missing.values()) + sum(image.tree_bytes for image in trees)
    references = tuple(image.reference for image in lacking)
    key = _key([[[image.reference, image.manifest_digest] for image in lacking], has])
    summary = f"lacks {len(missing)} of {len(layers)} layers, {human_bytes(added)} in all, of " + ", ".join(
        excerpt(reference) for reference in references
    )
    return HostSeed(f"{key}.tar.zst", references, len(missing), added, carried, summary)


def _layers(images: Iterable[SeedImage]) -> dict[str, int]:
    return {diff_id: size for image in images for diff_id, size in image.layers.items()}


def _key(value: Any) -> str:
    text = json.dumps(value, separators=(",", ":"))
    return hashlib.sha256(text.encode("utf-8")).hexdigest()[:_KEY_DIGITS]
