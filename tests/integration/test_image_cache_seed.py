# Copyright: (c) 2026, sandboxops contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Images for hosts that have nothing, all but one layer, or everything: each gets what it lacks, and once."""

from __future__ import annotations

import json
import re
import shutil
from pathlib import Path
from typing import Any, Callable

import pytest
from file_listing import Listing, changes, list_tree
from local_hosts import PlaybookRun, run_playbook
from sample_homes import make_home
from sample_images import (
    BASE_LAYER,
    FSMETA_BYTES,
    LAYER_BYTES,
    TINY,
    TINY2,
    add_image,
    cache_content,
    expected_content,
    layer_name,
    tag_image,
)

BOTH = [TINY.reference, TINY2.reference]
TRANSFER, INSTALL = "Transfer the bundle", "Install the images"


class Fleet:
    """A source whose cache has two images, and hosts that have some of them."""

    def __init__(self, directories: Callable[[], Path], collections: Path) -> None:
        self.homes = directories()
        self._directory = directories()
        self._collections = collections
        for image in (TINY, TINY2):
            add_image(self.homes / "source", image)
        # One has all of the one image, and so a layer of the other one; one has nothing; one has all.
        add_image(self.homes / "most", TINY2)
        for image in (TINY, TINY2):
            add_image(self.homes / "full", image)
        for name in ("empty", "empty2"):
            self.homes.joinpath(name).mkdir()

    def seed(
        self, hosts: str, *options: str, playbook: str = "seed", silent: str = "", **variables: Any
    ) -> PlaybookRun:
        """Run the playbook, or another one that has the role, on some of the hosts, of which one may be silent."""
        known: dict[str, dict[str, Any]] = {
            path.name: {"image_cache_seed_home": path} for path in sorted(self.homes.iterdir())
        }
        wanted = {"image_cache_seed_images": BOTH, "image_cache_seed_source_home": self.homes / "source"}
        if hosts != "all":
            known = {name: known[name] for name in hosts.split(",")}
        if silent:
            known[silent] |= {"ansible_connection": "ssh", "ansible_host": "127.0.0.1", "ansible_port": 1}
        return run_playbook(self._directory, self._collections, playbook, known, *options, **wanted | variables)

    def write_playbook(self, **keywords: Any) -> str:
        """Write a playbook that has the role with keywords of its own, and return its path."""
        role = {"ansible.builtin.import_role": {"name": "sandboxops.microsandbox.image_cache_seed"}, **keywords}
        path = self._directory / "playbook.json"
        path.write_text(json.dumps([{"hosts": "all", "gather_facts": False, "tasks": [role]}]), encoding="utf-8")
        return str(path)

    def listing(self) -> Listing:
        """List all that the hosts and the source have."""
        return list_tree(self.homes)

    def leftovers(self) -> list[str]:
        """Return what stands in the directories that bundles come through."""
        return [str(path.relative_to(self.homes)) for path in self.homes.glob("*/.sandboxops-transfer/*")]

    def failed(self, run: PlaybookRun) -> set[str]:
        """Return the hosts that Ansible counts as failed."""
        return set(re.findall(r"^(\S+) +:.* failed=1 ", run.printed, re.MULTILINE))

    def require_seeded(self, *names: str) -> None:
        """Check that the caches of hosts have both images and nothing else."""
        for name in names:
            home = self.homes / name
            assert cache_content(home) == expected_content(home, TINY, TINY2), name


@pytest.fixture
def fleet(directories: Callable[[], Path], collections: Path) -> Fleet:
    return Fleet(directories, collections)


def test_every_host_gets_the_layers_that_it_lacks_and_a_second_run_changes_nothing(fleet: Fleet) -> None:
    before = fleet.listing()
    checked = fleet.seed("empty,empty2,full,most", "--check")
    assert checked.exit_status == 0, checked.printed
    assert changes(before, fleet.listing()) == []
    assert {host for host, count in checked.changed.items() if count} == {"empty", "empty2", "most"}
    predicted = {host: checked.of(host, "Show what the host lacks")[0]["msg"] for host in checked.results}
    assert predicted["full"] == "has every image"
    assert predicted["empty"] == predicted["empty2"]
    # Both images have two layers together, and one tree each.
    assert predicted["empty"].startswith("lacks 2 of 2 layers, 40.0 KiB in all, of 'localhost/tiny:1', 'example.com/")
    assert predicted["most"] == "lacks 1 of 2 layers, 20.0 KiB in all, of 'localhost/tiny:1'"

    done = fleet.seed("empty,empty2,full,most")
    assert done.exit_status == 0, done.printed
    fleet.require_seeded("empty", "empty2", "full", "most")
    added = {host: [result["bundle"]["added_bytes"] for result in done.of(host, INSTALL)] for host in done.results}
    assert added == {
        "empty": [2 * (LAYER_BYTES + FSMETA_BYTES)],
        "empty2": [2 * (LAYER_BYTES + FSMETA_BYTES)],
        "most": [LAYER_BYTES + FSMETA_BYTES],
        "full": [],
    }
    assert {host: count > 0 for host, count in done.changed.items()} == {
        "empty": True,
        "empty2": True,
        "most": True,
        "full": False,
    }
    assert fleet.leftovers() == []

    settled = fleet.listing()
    for options in (["--check"], []):
        again = fleet.seed("empty,empty2,full,most", *options)
        assert set(again.changed.values()) == {0}, again.printed
        assert changes(settled, fleet.listing()) == []


def test_hosts_that_lack_the_same_share_one_bundle_and_no_byte_more_travels(fleet: Fleet) -> None:
    done = fleet.seed("all")
    (export,) = [result for host in done.results for result in done.of(host, "Export what hosts lack")]
    bundles = {tuple(item["item"]["hosts"]): item["bundle"] for item in export["results"]}
    assert bundles.keys() == {("empty", "empty2"), ("most",)}
    assert bundles["most",]["excluded_layers"] == [TINY2.diff_ids[0]]
    assert bundles["empty", "empty2"]["excluded_layers"] == []
    for hosts, bundle in bundles.items():
        for host in hosts:
            (transfer,) = done.of(host, TRANSFER)
            assert transfer["bytes"]["received"] == bundle["size"] < bundle["carried_bytes"]
    for host in ("full", "source"):
        assert done.of(host, TRANSFER) == done.of(host, INSTALL) == []


def test_a_source_that_is_another_host_sends_its_bundles_through_the_controller(
    fleet: Fleet, directories: Callable[[], Path]
) -> None:
    passage = directories()
    places = {"image_cache_seed_source": "source", "image_cache_seed_controller_dir": passage}
    done = fleet.seed("empty,most,source", **places)
    assert done.exit_status == 0, done.printed
    (fetched,) = [result for host in done.results for result in done.of(host, "Fetch the bundles from the source")]
    assert [Path(item["dest"]).parents[1] for item in fetched["results"]] == [passage, passage]
    fleet.require_seeded("empty", "most")
    assert fleet.leftovers() == list(passage.iterdir()) == []
    again = fleet.seed("empty,most,source", **places)
    assert set(again.changed.values()) == {0}, again.printed


def test_the_keyword_check_mode_is_a_check_like_the_option(fleet: Fleet, directories: Callable[[], Path]) -> None:
    before, passage = fleet.listing(), directories()
    places = {"image_cache_seed_source": "source", "image_cache_seed_controller_dir": passage}
    checked = fleet.seed("empty,most,source", playbook=fleet.write_playbook(check_mode=True), **places)
    assert checked.exit_status == 0, checked.printed
    assert {host for host, count in checked.changed.items() if count} == {"empty", "most"}
    assert changes(before, fleet.listing()) == list(passage.iterdir()) == []


def test_a_cache_that_lost_a_file_is_made_whole_without_a_layer(fleet: Fleet) -> None:
    Path(fleet.homes / "full/cache", TINY.vmdk).unlink()
    done = fleet.seed("full")
    assert done.exit_status == 0, done.printed
    assert done.of("full", "Show what the host lacks")[0]["msg"].startswith("lacks 0 of 2 layers, 0 bytes in all")
    assert done.of("full", INSTALL)[0]["bundle"]["added_bytes"] == 0
    fleet.require_seeded("full")


def test_a_reference_that_stands_for_another_image_is_moved_only_when_told_so(fleet: Fleet) -> None:
    tag_image(fleet.homes / "most", TINY2, TINY.reference)
    refused = fleet.seed("empty,most")
    assert refused.exit_status != 0
    (failure,) = refused.of("most", INSTALL)
    assert failure["failed"]
    assert failure["error"]["code"] == "state"
    # What goes wrong on one host is not the other's business, and nothing is left behind.
    fleet.require_seeded("empty")
    assert fleet.leftovers() == []
    forced = fleet.seed("empty,most", image_cache_seed_force="true")
    assert forced.exit_status == 0, forced.printed
    assert forced.changed["empty"] == 0
    fleet.require_seeded("most")


def test_images_may_be_those_that_snapshots_pin(fleet: Fleet) -> None:
    home = make_home(fleet.homes.parent / "with-snapshots")
    shutil.rmtree(home / "cache")
    add_image(home, TINY)
    answers = {"image_cache_seed_images": "", "image_cache_seed_snapshots": "first\nsecond\n"}
    done = fleet.seed("empty", image_cache_seed_source_home=home, **answers)
    shutil.rmtree(home)
    assert done.exit_status == 0, done.printed
    host = fleet.homes / "empty"
    assert cache_content(host) == expected_content(host, TINY)


def test_a_source_that_lacks_an_image_ships_nothing(fleet: Fleet) -> None:
    Path(fleet.homes / "source/cache", layer_name(BASE_LAYER)).unlink()
    before = fleet.listing()
    done = fleet.seed("empty,most", image_cache_seed_images=f"{TINY.reference}, {TINY2.reference}")
    assert done.exit_status != 0
    assert f"image '{TINY.reference}' is not whole in {fleet.homes}/source/cache" in done.printed
    assert fleet.failed(done) == {"empty", "most"}
    assert changes(before, fleet.listing()) == []


def test_a_pin_holds_at_the_source(fleet: Fleet) -> None:
    before = fleet.listing()
    done = fleet.seed("empty", image_cache_seed_pin={TINY.reference: TINY2.manifest_digest})
    assert done.exit_status != 0
    assert f"wanted is '{TINY2.manifest_digest}'" in done.printed
    assert changes(before, fleet.listing()) == []


def test_hosts_without_images_to_bring_are_told_what_is_asked_of_them(fleet: Fleet) -> None:
    done = fleet.seed("empty", image_cache_seed_images="\n")
    assert done.exit_status != 0
    assert "image_cache_seed_images or image_cache_seed_snapshots" in done.printed


def test_batches_of_hosts_get_bundles_of_their_own(fleet: Fleet) -> None:
    done = fleet.seed("empty,empty2,most", seed_serial="1, 50%", image_cache_seed_throttle="1")
    assert done.exit_status == 0, done.printed
    assert done.printed.count("Show what the host lacks") == 3
    fleet.require_seeded("empty", "empty2", "most")
    assert fleet.leftovers() == []


def test_a_source_without_room_for_bundles_leaves_the_hosts_alone(fleet: Fleet) -> None:
    fleet.homes.joinpath("file").write_text("in the way", encoding="utf-8")
    before = {name: list_tree(fleet.homes / name) for name in ("empty", "most")}
    done = fleet.seed("empty,most", image_cache_seed_source_work_dir=fleet.homes / "file")
    assert done.exit_status != 0
    for name, listing in before.items():
        assert changes(listing, list_tree(fleet.homes / name)) == []
    assert done.of("empty", TRANSFER) == done.of("most", TRANSFER) == []
    assert fleet.failed(done) == {"empty", "most"}


def test_a_source_that_is_silent_fails_every_host(fleet: Fleet) -> None:
    places = {"image_cache_seed_source": "source", "seed_hosts": "empty,most"}
    done = fleet.seed("empty,most,source", silent="source", **places)
    assert "source source: " in done.printed
    assert fleet.failed(done) == {"empty", "most"}
