# Copyright: (c) 2026, sandboxops contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which bundles are made, and which of them each host gets."""

from __future__ import annotations

from typing import Any

import pytest
from ansible_collections.sandboxops.microsandbox.plugins.module_utils._core.errors import RequestError
from ansible_collections.sandboxops.microsandbox.plugins.module_utils._plan.image_seed import (
    HostCache,
    SeedImage,
    SeedPlan,
    parse_cache,
    parse_source,
    plan_seed,
)

PYTHON = SeedImage("python:3.12", "sha256:p", {"base": 1000, "python": 300}, 10)
NODE = SeedImage("node:22", "sha256:n", {"base": 1000, "node": 200}, 20)
IMAGES = (PYTHON, NODE)
ALL = ("python:3.12", "node:22")


def cache(whole: tuple[str, ...] = (), layers: tuple[str, ...] = (), trees: tuple[str, ...] = ()) -> HostCache:
    return HostCache(frozenset(whole), frozenset(whole) | frozenset(trees), frozenset(layers))


def plan(**caches: HostCache) -> SeedPlan:
    return plan_seed(IMAGES, caches)


@pytest.mark.parametrize(
    ("found", "images", "excluded", "layers", "added", "carried"),
    [
        (cache(), ALL, (), 3, 1530, 1530),
        (cache(layers=("base", "foreign")), ALL, ("base",), 2, 530, 530),
        (cache(whole=("node:22",), layers=("base", "node")), ("python:3.12",), ("base",), 1, 310, 310),
        (cache(layers=("base", "node", "python")), ALL, ("base", "node", "python"), 0, 30, 30),
        (cache(trees=("node:22",), layers=("base", "python")), ALL, ("base", "python"), 1, 210, 230),
    ],
)
def test_a_bundle_brings_what_a_host_lacks_and_no_layer_that_it_has(
    found: HostCache, images: tuple[str, ...], excluded: tuple[str, ...], layers: int, added: int, carried: int
) -> None:
    planned = plan(host=found)
    (bundle,) = planned.bundles
    host = planned.hosts["host"]
    assert tuple(image.reference for image in bundle.images) == images == host.images
    assert bundle.exclude_layers == excluded
    assert (host.layers, host.added_bytes, host.carried_bytes) == (layers, added, carried)
    assert bundle.carried_bytes == carried


def test_a_host_that_has_every_image_gets_nothing() -> None:
    planned = plan(host=cache(whole=ALL))
    assert planned.bundles == ()
    assert (planned.hosts["host"].file, planned.hosts["host"].summary) == (None, "has every image")


def test_hosts_that_lack_the_same_share_a_bundle_whatever_else_they_have() -> None:
    planned = plan(a=cache(layers=("base",)), b=cache(), c=cache(layers=("base", "foreign")), d=cache(whole=ALL))
    assert [bundle.hosts for bundle in planned.bundles] == [("a", "c"), ("b",)]
    assert planned.hosts["a"].file == planned.hosts["c"].file != planned.hosts["b"].file


def test_a_layer_of_two_images_is_counted_once_and_a_tree_of_two_references_too() -> None:
    again = SeedImage("python:latest", "sha256:p", PYTHON.layers, 10)
    planned = plan_seed((PYTHON, again), {"host": cache()})
    assert planned.hosts["host"].added_bytes == 1310


def test_the_name_of_a_bundle_says_what_is_in_it_and_that_of_the_directory_for_whom() -> None:
    some, others = plan(a=cache()), plan(b=cache())
    assert some.bundles[0].file == others.bundles[0].file
    assert some.directory != others.directory
    assert some == plan(a=cache())
    moved = SeedImage("python:3.12", "sha256:q", PYTHON.layers, 10)
    assert plan_seed((moved, NODE), {"a": cache()}).bundles[0].file != some.bundles[0].file


def test_a_person_reads_what_a_host_lacks() -> None:
    summary = plan(host=cache(layers=("base",))).hosts["host"].summary
    assert summary == "lacks 2 of 3 layers, 530 bytes in all, of 'python:3.12', 'node:22'"


def answer(**changed: Any) -> dict[str, Any]:
    image = {
        "reference": "python:3.12",
        "manifest_digest": "sha256:p",
        "boots_offline": True,
        "layers": [{"diff_id": "base", "size_bytes": 1000}, {"diff_id": "python", "size_bytes": 300}],
        "tree_bytes": 10,
    }
    return {"images": [image | changed], "cached_layers": ["base"]}


def test_the_answers_of_the_module_are_understood() -> None:
    assert parse_source(answer()) == (PYTHON,)
    assert parse_cache(answer()) == cache(whole=("python:3.12",), layers=("base",))
    lacking = {"boots_offline": False, "layers": [], "tree_bytes": None}
    assert parse_cache(answer(**lacking)) == cache(layers=("base",))
    with pytest.raises(RequestError, match="image 'python:3.12' is not whole at the source"):
        parse_source(answer(**lacking))
