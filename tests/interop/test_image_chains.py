# Copyright: (c) 2026, sandboxops contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A chain travels with the images of all its links in our archives, and microsandbox takes it when they are one."""

from __future__ import annotations

from pathlib import Path
from typing import Callable

import pytest
from cache_listing import cache_files, image_files, moved
from our_modules import OurModules
from real_062 import Sdk062, SdkRefusal
from real_0711 import Msb0711, MsbRefusal

_NAMES = ["base", "app", "repeated"]
_NO_HOME = Path("/microsandbox")  # what a descriptor in our archives names, so that they are alike on every host

OnHome062 = Callable[[str], Sdk062]
OnHome0711 = Callable[[str], Msb0711]
OnHomeOurs = Callable[[str], OurModules]


def _export(modules: OurModules, head: str, **options: object) -> Path:
    """Return our archive of a chain with its images."""
    archive = modules.home.parent / "chain.tar.zst"
    modules.run(
        "snapshot_archive",
        state="exported",
        snapshot=head,
        path=archive,
        with_image=True,
        with_parents=True,
        **options,
    )
    return archive


def _chain_over_three_images(sdk: Sdk062) -> list[str]:
    """Give the snapshots of three images one line of descent and return their digests, the oldest first."""
    digests = [sdk.call("open", path_or_name="base")["digest"]]
    for name in ("app", "repeated"):
        sdk.call("remove", path_or_name=name)
        digests.append(sdk.create_with_parent(name, name, digests[-1]))
    return digests


def test_a_chain_on_one_image_is_imported_with_it_by_both_versions(
    images_062: Sdk062, sdk062: OnHome062, msb0711: OnHome0711, ours: OnHomeOurs
) -> None:
    opened = images_062.call("open", path_or_name="base")
    head = images_062.create_with_parent("base", "child", opened["digest"])
    archive = _export(ours("builder"), "child", layout="dense")
    sdk, msb = sdk062("target6"), msb0711("target7")

    imported = sdk.call("import", archive=archive)
    msb.run("snapshot", "import", archive)

    assert imported["digest"] == head
    assert {row["digest"] for row in sdk.call("list")} == {opened["digest"], head}
    assert len(msb.snapshots()) == 2
    shipped = image_files(images_062.home, opened["image_manifest_digest"])
    assert cache_files(sdk.home) == moved(shipped, images_062.home, _NO_HOME)
    assert cache_files(msb.home) == moved(shipped, images_062.home, msb.home)


def test_a_chain_over_several_images_is_imported_by_us_and_boots_offline_at_every_link(
    images_062: Sdk062, sdk062: OnHome062, msb0711: OnHome0711, ours: OnHomeOurs
) -> None:
    digests = _chain_over_three_images(images_062)
    references = [images_062.call("open", path_or_name=name)["image_ref"] for name in _NAMES]
    archive = _export(ours("builder"), "repeated")
    target = sdk062("target")
    target.call("list")

    result = ours("target").run("snapshot_archive", state="imported", path=archive, name="golden")

    assert [snapshot["digest"] for snapshot in result["snapshots"]] == digests
    assert [snapshot["image"]["boots_offline"] for snapshot in result["snapshots"]] == [True] * 3
    assert cache_files(target.home) == moved(cache_files(images_062.home), images_062.home, target.home)
    assert [target.offline_refusal(reference) for reference in references] == [None] * 3
    assert [msb0711("target").offline_refusal(reference) for reference in references] == [None] * 3


def test_a_chain_over_several_images_is_refused_by_both_versions_and_leaves_nothing(
    images_062: Sdk062, sdk062: OnHome062, msb0711: OnHome0711, ours: OnHomeOurs
) -> None:
    _chain_over_three_images(images_062)
    archive = _export(ours("builder"), "repeated", layout="dense")
    sdk, msb = sdk062("target6"), msb0711("target7")

    with pytest.raises(SdkRefusal, match="unexpected cache artifact"):
        sdk.call("import", archive=archive)
    with pytest.raises(MsbRefusal, match="unexpected cache artifact"):
        msb.run("snapshot", "import", archive)

    assert cache_files(sdk.home) == cache_files(msb.home) == {}
