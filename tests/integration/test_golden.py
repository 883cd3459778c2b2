# Copyright: (c) 2026, sandboxops contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""From a sandbox to all hosts in one run: through a directory of the controller, one of the builder, and a server."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from distribution_runs import Distribution, DistributionFleet, make_builder
from file_listing import changes, list_tree
from http_store import HttpStore

HOSTS = ("h1", "h2")


@pytest.fixture
def fleet(machine: Path, collections: Path) -> DistributionFleet:
    """Two hosts without anything, and a builder that is none of them."""
    make_builder(machine)
    fleet = DistributionFleet(machine, collections, hosts=len(HOSTS))
    fleet.controller = {"snapshot_publish_home": f"{machine}/builder"}
    return fleet


def golden(fleet: DistributionFleet, *options: str, **variables: Any) -> Distribution:
    asked = {"snapshot_publish_name": "golden", "snapshot_publish_sandbox": "base"}
    return fleet.run(*options, playbook="golden", **(asked | variables))


def require_four_runs(fleet: DistributionFleet, **variables: Any) -> None:
    """Check, run, check again and run again: the first check predicts, and the last two change nothing."""
    before = list_tree(fleet.homes)
    predicted = golden(fleet, "--check", **variables)
    assert predicted.exit_status == 0, predicted.printed
    assert changes(before, list_tree(fleet.homes)) == []
    assert all(predicted.recap[host]["changed"] for host in HOSTS), predicted.printed

    applied = golden(fleet, **variables)
    assert applied.exit_status == 0, applied.printed
    assert applied.states() == dict.fromkeys(HOSTS, "installed")
    for host in HOSTS:
        layer = fleet.home(host) / "snapshots/golden/upper.ext4"
        assert layer.read_bytes() == Path(fleet.machine, "builder/snapshots/golden/upper.ext4").read_bytes()

    settled = list_tree(fleet.homes)
    for options in (("--check",), ()):
        again = golden(fleet, *options, **variables)
        assert again.exit_status == 0, again.printed
        assert set(again.counts("changed").values()) == {0}, again.printed
        assert again.states() == dict.fromkeys(HOSTS, "present")
        assert changes(settled, list_tree(fleet.homes)) == []


def test_a_sandbox_of_the_controller_comes_to_all_hosts(fleet: DistributionFleet) -> None:
    require_four_runs(fleet, snapshot_publish_store=fleet.machine / "store")


def test_a_directory_of_the_builder_goes_through_the_controller(fleet: DistributionFleet) -> None:
    builder = {"snapshot_publish_home": f"{fleet.machine}/builder"}
    fleet.others = {"builder": builder}
    fleet.controller = {}
    require_four_runs(fleet, publish_host="builder", snapshot_publish_store=fleet.machine / "store")
    assert len(list(fleet.machine.glob(".sandboxops-releases/golden/*.tar.zst"))) == 1


@pytest.fixture
def new_server(machine: Path) -> Callable[[], HttpStore]:
    return lambda: HttpStore(machine, credentials=("fleet", "very-secret"))


def test_a_release_goes_through_a_server_with_one_set_of_credentials(
    fleet: DistributionFleet, new_server: Callable[[], HttpStore]
) -> None:
    with closing(new_server()) as server:
        fleet.common |= {
            "snapshot_publish_store": server.url,
            "snapshot_publish_store_username": "fleet",
            "snapshot_publish_store_password": "very-secret",
        }
        require_four_runs(fleet)


def test_a_run_without_the_builder_distributes_the_latest_release(fleet: DistributionFleet) -> None:
    fleet.common["snapshot_publish_store"] = f"{fleet.machine}/store"
    assert golden(fleet, "--limit", "h1,localhost").exit_status == 0
    run = golden(fleet, "--limit", "fleet")
    assert run.exit_status == 0, run.printed
    assert run.states() == {"h1": "present", "h2": "installed"}


def test_nothing_is_distributed_when_nothing_was_published(fleet: DistributionFleet) -> None:
    run = golden(fleet, snapshot_publish_store=fleet.machine / "store", snapshot_publish_sandbox="missing")
    assert run.exit_status != 0
    assert run.states() == {}
    assert list(fleet.homes.iterdir()) == []


@pytest.mark.parametrize(
    ("pattern", "hosts"), [("fleet", "h1, h2"), ("h1*", "h1")], ids=["several hosts", "one host by a pattern"]
)
def test_a_builder_that_is_not_one_host_by_its_name_is_refused_before_anything_is_done(
    fleet: DistributionFleet, pattern: str, hosts: str
) -> None:
    fleet.common["snapshot_publish_home"] = f"{fleet.machine}/builder"
    before = list_tree(fleet.machine / "builder")
    run = golden(fleet, publish_host=pattern, snapshot_publish_store=fleet.machine / "store")
    assert run.exit_status != 0
    assert f"publish_host is {pattern}, which stands for {hosts}; a release comes from one host" in run.printed
    assert run.states() == {}
    assert changes(before, list_tree(fleet.machine / "builder")) == []
    assert not fleet.machine.joinpath("store").exists()


def test_a_builder_that_is_nowhere_is_named(fleet: DistributionFleet) -> None:
    run = golden(fleet, publish_host="nosuch", snapshot_publish_store=fleet.machine / "store")
    assert run.exit_status != 0
    assert "publish_host is nosuch, and no host of the inventory has this name" in run.printed
    assert run.states() == {}
