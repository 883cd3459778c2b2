# Copyright: (c) 2026, sandboxops contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Bringing a release to hosts through the real playbook: what moves, what stays, and what a bad host does to others."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import socket
import subprocess
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from distribution_runs import RELEASE, DistributionFleet, make_builder, release
from file_listing import changes, list_tree
from http_store import HttpStore
from real_ansible import COLLECTION, Ansible
from sample_homes import DATA, FIRST, SECOND, add_sandbox, change_database, index_rows, make_home
from sample_images import TINY, cache_content, expected_content

_LARGE_BYTES = 48 << 20


class Released(NamedTuple):
    """A release store that is a directory.

    Attributes:
        store: The directory.
        record: Its release.
        builder: The home that it came from.
    """

    store: Path
    record: dict[str, Any]
    builder: Path

    @property
    def latest(self) -> Path:
        """Return the file with the record."""
        return self.store / f"{RELEASE}.json"

    @property
    def archive(self) -> Path:
        """Return the archive."""
        return Path(self.store, self.record["archive"]["file"])


@pytest.fixture(scope="module")
def made(new_ansible: Callable[[], Ansible], directories: Callable[[], Path]) -> Released:
    """A release that tests only read."""
    directory = directories()
    builder = make_builder(directory)
    store = directory / "store"
    return Released(store, release(new_ansible(), builder, store, "first", with_image=True), builder)


@pytest.fixture
def released(made: Released, machine: Path) -> Released:
    """A release of a test's own."""
    shutil.copytree(made.store, machine / "store")
    return made._replace(store=machine / "store")


@pytest.fixture
def new_fleet(machine: Path, collections: Path) -> Callable[[int], DistributionFleet]:
    return lambda hosts: DistributionFleet(machine, collections, hosts=hosts)


def make_other_home(fleet: DistributionFleet, host: str) -> Path:
    """Let a host have a home with an index, in which the released snapshot is not, and return it."""
    home = make_home(fleet.home(host))
    for name in ("first", "child"):
        shutil.rmtree(home / "snapshots" / name)
    change_database(home, [("DELETE FROM snapshot_index WHERE name IN ('first', 'child')", ())])
    return home


def take_name(fleet: DistributionFleet, host: str) -> None:
    """Let a host have another snapshot by the release's name."""
    home = make_other_home(fleet, host)
    home.joinpath("snapshots/second").rename(home / f"snapshots/{RELEASE}")


def make_unreachable(fleet: DistributionFleet, host: str) -> None:
    with closing(socket.socket()) as server:
        server.bind(("127.0.0.1", 0))
        port = server.getsockname()[1]  # nobody listens there any more
    fleet.hosts[host] |= {"ansible_connection": "ssh", "ansible_host": "127.0.0.1", "ansible_port": port}


def put_large_release(ansible: Ansible, machine: Path) -> Released:
    """Publish a snapshot whose layer does not compress."""
    builder = make_builder(machine)
    upper = add_sandbox(builder, "large", upper_bytes=_LARGE_BYTES)
    upper.write_bytes(os.urandom(_LARGE_BYTES))
    ansible.run("snapshot", home=builder, name="large", sandbox="large")
    store = machine / "store"
    return Released(store, release(ansible, builder, store, "large", level=1), builder)


def test_a_release_comes_to_all_hosts_once_and_as_predicted(
    released: Released, new_fleet: Callable[[int], DistributionFleet]
) -> None:
    fleet = new_fleet(3)
    with_index = make_other_home(fleet, "h2")
    before = list_tree(fleet.homes)

    predicted = fleet.run("--check", snapshot_distribute_release=released.latest)
    assert changes(before, list_tree(fleet.homes)) == []
    assert predicted.exit_status == 0, predicted.printed
    assert predicted.summary() == ["would be installed (3): h1, h2, h3"]

    applied = fleet.run(snapshot_distribute_release=released.latest)
    size = released.record["archive"]["size_bytes"]
    assert applied.exit_status == 0, applied.printed
    assert applied.states() == dict.fromkeys(("h1", "h2", "h3"), "installed")
    assert applied.received() == dict.fromkeys(("h1", "h2", "h3"), size)
    assert applied.counts("changed") == predicted.counts("changed") == dict.fromkeys(("h1", "h2", "h3"), 2)
    for host in fleet.hosts:
        home = fleet.home(host)
        original = released.builder / "snapshots/first"
        installed = home / f"snapshots/{RELEASE}"
        assert (installed / "upper.ext4").read_bytes() == (original / "upper.ext4").read_bytes()
        assert expected_content(home, TINY).items() <= cache_content(home).items()
        assert list((home / ".sandboxops-transfer").iterdir()) == []
    assert index_rows(with_index)[RELEASE] == FIRST

    settled = list_tree(fleet.homes)
    for options in (["--check"], []):
        again = fleet.run(*options, snapshot_distribute_release=released.latest)
        assert again.exit_status == 0, again.printed
        assert again.summary() == ["already there (3): h1, h2, h3"]
        assert set(again.counts("changed").values()) == {0}
        assert changes(settled, list_tree(fleet.homes)) == []


def write_play(fleet: DistributionFleet, name: str, *, uses: int = 1, **keywords: Any) -> Path:
    """Write a play that uses the role, maybe more than once, behind those of a playbook, and return the playbook."""
    path = fleet.machine / f"{name}.yml"
    plays = json.loads(path.read_text(encoding="utf-8")) if path.exists() else []
    task = {"ansible.builtin.include_role": {"name": f"{COLLECTION}.snapshot_distribute"}}
    play = {"name": "Distribute", "hosts": "fleet", "gather_facts": False, "tasks": [task] * uses, **keywords}
    path.write_text(json.dumps([*plays, play]), encoding="utf-8")
    return path


def test_the_keyword_check_mode_is_a_check_like_the_option(
    released: Released, new_fleet: Callable[[int], DistributionFleet]
) -> None:
    fleet = new_fleet(3)
    make_unreachable(fleet, "h1")
    playbook = write_play(fleet, "checked", check_mode=True)
    before = list_tree(fleet.homes)
    checked = fleet.run(playbook=playbook, snapshot_distribute_release=released.latest)
    assert changes(before, list_tree(fleet.homes)) == []
    assert checked.summary()[0] == "would be installed (2): h2, h3", checked.printed
    assert checked.counts("failed") == {"h1": 1, "h2": 0, "h3": 0}


def test_hosts_that_have_the_release_get_nothing_though_the_store_is_gone(
    released: Released, new_fleet: Callable[[int], DistributionFleet]
) -> None:
    fleet = new_fleet(1)
    assert fleet.run(snapshot_distribute_release=released.latest).exit_status == 0
    released.archive.unlink()
    again = fleet.run(snapshot_distribute_release=released.latest)
    assert again.exit_status == 0, again.printed
    assert again.states() == {"h1": "present"}


def test_a_missing_row_in_the_index_comes_without_the_archive(
    released: Released, new_fleet: Callable[[int], DistributionFleet]
) -> None:
    fleet = new_fleet(1)
    home = make_other_home(fleet, "h1")
    fleet.run(snapshot_distribute_release=released.latest)
    change_database(home, [("DELETE FROM snapshot_index WHERE name = ?", (RELEASE,))])
    repaired = fleet.run(snapshot_distribute_release=released.latest)
    assert repaired.outcomes()["h1"]["state"] == "present"
    assert repaired.outcomes()["h1"]["changed"]
    assert repaired.received() == {"h1": 0}
    assert index_rows(home)[RELEASE] == FIRST


def test_a_bad_host_keeps_no_other_from_its_end_and_a_relaunch_touches_only_those_not_done(
    released: Released, new_fleet: Callable[[int], DistributionFleet]
) -> None:
    fleet = new_fleet(5)
    take_name(fleet, "h1")
    make_unreachable(fleet, "h2")
    taken = list_tree(fleet.home("h1"))
    run = fleet.run(snapshot_distribute_release=released.latest)
    assert run.exit_status != 0
    assert run.states() == {
        "h1": "failed",
        "h2": "unreachable",
        "h3": "installed",
        "h4": "installed",
        "h5": "installed",
    }
    assert run.outcomes()["h1"]["code"] == "state"
    assert SECOND in run.outcomes()["h1"]["problem"]
    assert changes(taken, list_tree(fleet.home("h1"))) == []
    assert run.counts("failed") == {"h1": 1, "h2": 1, "h3": 0, "h4": 0, "h5": 0}
    lines = run.summary()
    assert "installed (3): h3, h4, h5" in lines
    assert "failed (1): h1" in lines
    assert "unreachable (1): h2" in lines

    done = {host: list_tree(fleet.home(host)) for host in ("h3", "h4", "h5")}
    fleet.hosts["h2"] = {}
    again = fleet.run(snapshot_distribute_release=released.latest, snapshot_distribute_force=True)
    assert again.exit_status == 0, again.printed
    assert again.states() == dict.fromkeys(("h1", "h2"), "installed") | dict.fromkeys(("h3", "h4", "h5"), "present")
    assert {host: again.recap[host]["changed"] for host in done} == dict.fromkeys(done, 0)
    assert {host: changes(done[host], list_tree(fleet.home(host))) for host in done} == {host: [] for host in done}


@pytest.mark.parametrize(
    ("bad", "budget", "begun"),
    [
        pytest.param("taken", 0, 2, id="one-of-two-and-none-may"),
        pytest.param("unreachable", 0, 2, id="unreachable-counts"),
        pytest.param("taken", 50, 5, id="one-of-two-and-half-may"),
        pytest.param("unreachable", 49, 2, id="unreachable-is-more-than-49"),
    ],
)
def test_no_batch_begins_behind_one_with_more_failures_than_the_budget(
    released: Released, new_fleet: Callable[[int], DistributionFleet], bad: str, budget: int, begun: int
) -> None:
    fleet = new_fleet(5)
    (take_name if bad == "taken" else make_unreachable)(fleet, "h1")
    run = fleet.run(
        snapshot_distribute_release=released.latest,
        distribute_serial=2,
        distribute_max_fail_percentage=budget,
    )
    assert run.exit_status != 0
    assert run.states()["h2"] == "installed"
    assert sorted(run.states()) == [f"h{number}" for number in range(1, begun + 1)]
    assert (f"not begun ({5 - begun}): h3, h4, h5" in run.summary()) == (begun == 2)


def test_batches_of_a_survey_grow(released: Released, new_fleet: Callable[[int], DistributionFleet]) -> None:
    fleet = new_fleet(5)
    run = fleet.run(snapshot_distribute_release=released.latest, distribute_serial="1, 40%,100%")
    assert run.exit_status == 0, run.printed
    sums = [result["msg"] for result in run.results if result["task"].endswith("Sum up the hosts so far")]
    assert [lines[0] for lines in sums] == [
        "installed (1): h1",
        "installed (3): h1, h2, h3",
        "installed (5): h1, h2, h3, h4, h5",
    ]


def test_a_full_file_system_is_refused_before_the_first_byte(
    released: Released, new_fleet: Callable[[int], DistributionFleet]
) -> None:
    fleet = new_fleet(2)
    fleet.home("h1").mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=40k", "tmpfs", fleet.home("h1")], check=True)
    try:
        run = fleet.run(snapshot_distribute_release=released.latest)
        assert list(fleet.home("h1").iterdir()) == []
    finally:
        subprocess.run(["umount", fleet.home("h1")], check=True)
    assert run.states() == {"h1": "failed", "h2": "installed"}
    assert run.outcomes()["h1"]["code"] == "state"
    assert "bytes free" in run.outcomes()["h1"]["problem"]
    assert run.received()["h1"] == 0


def test_a_host_that_can_never_take_the_release_gets_nothing(
    released: Released, new_fleet: Callable[[int], DistributionFleet]
) -> None:
    fleet = new_fleet(2)
    make_home(fleet.home("h1"), "0.7.11")
    fleet.hosts["h2"] = {"snapshot_distribute_name": "a/b"}
    before = list_tree(fleet.homes)
    run = fleet.run(snapshot_distribute_release=released.latest)
    assert changes(before, list_tree(fleet.homes)) == []
    outcomes = run.outcomes()
    assert {host: outcome["code"] for host, outcome in outcomes.items()} == {"h1": "unsupported", "h2": "request"}
    assert "is of generation G3" in outcomes["h1"]["problem"]
    assert "'a/b' is a path, not a bare name" in outcomes["h2"]["problem"]


def test_an_archive_that_is_for_other_hosts_does_not_wait(
    released: Released, new_fleet: Callable[[int], DistributionFleet]
) -> None:
    fleet = new_fleet(1)
    # Whose snapshot no import takes, which only the import itself can tell.
    content = Path(DATA, "g3-archives/basic-0.7.11-zst.msb").read_bytes()
    archive = {**released.record["archive"], "size_bytes": len(content)}
    archive["sha256"] = f"sha256:{hashlib.sha256(content).hexdigest()}"
    released.archive.write_bytes(content)
    record = {**released.record, "archive": archive}
    run = fleet.run(snapshot_distribute_release=record, snapshot_distribute_store=released.store)
    assert run.outcomes()["h1"]["code"] == "unsupported", run.outcomes()
    assert run.received() == {"h1": len(content)}
    assert list(fleet.home("h1").joinpath(".sandboxops-transfer").iterdir()) == []


def test_an_archive_that_is_not_the_recorded_one_changes_no_host(
    released: Released, new_fleet: Callable[[int], DistributionFleet]
) -> None:
    fleet = new_fleet(1)
    content = bytearray(released.archive.read_bytes())
    content[len(content) // 2] ^= 1
    released.archive.write_bytes(content)
    run = fleet.run(snapshot_distribute_release=released.latest)
    assert run.states() == {"h1": "failed"}
    assert run.outcomes()["h1"]["code"] == "integrity"
    assert not (fleet.home("h1") / "snapshots").exists()


def test_a_record_that_names_another_snapshot_than_its_archive_has_changes_no_host(
    released: Released, new_fleet: Callable[[int], DistributionFleet]
) -> None:
    fleet = new_fleet(1)
    lie = {**released.record, "digest": SECOND}
    run = fleet.run(snapshot_distribute_release=lie, snapshot_distribute_store=released.store)
    assert run.states() == {"h1": "failed"}
    assert run.outcomes()["h1"]["code"] == "integrity"
    home = fleet.home("h1")
    assert not (home / "snapshots" / RELEASE).exists()
    assert list((home / ".sandboxops-transfer").iterdir()) == []


def test_a_pin_that_the_record_does_not_have_ends_the_play(
    released: Released, new_fleet: Callable[[int], DistributionFleet]
) -> None:
    fleet = new_fleet(2)
    pinned = f"sha256:{hashlib.sha256(released.latest.read_bytes()).hexdigest()}"
    wrong = fleet.run(
        snapshot_distribute_release=released.latest, snapshot_distribute_release_checksum="sha256:" + "0" * 64
    )
    assert wrong.exit_status != 0
    assert wrong.states() == {}
    assert pinned in wrong.printed
    assert list(fleet.homes.iterdir()) == []
    right = fleet.run(snapshot_distribute_release=released.latest, snapshot_distribute_release_checksum=pinned)
    assert right.exit_status == 0, right.printed


def test_an_immutable_record_finds_its_store(released: Released, new_fleet: Callable[[int], DistributionFleet]) -> None:
    fleet = new_fleet(1)
    run = fleet.run(snapshot_distribute_release=released.archive.with_name(f"{FIRST[7:]}.json"))
    assert run.states() == {"h1": "installed"}, run.printed


@pytest.mark.parametrize("place", ["golden.json", "/nowhere/golden.json", "ftp://releases/golden.json"])
def test_a_record_that_is_nowhere_is_an_error_for_all(
    new_fleet: Callable[[int], DistributionFleet], place: str
) -> None:
    fleet = new_fleet(2)
    run = fleet.run(snapshot_distribute_release=place)
    assert run.exit_status != 0
    assert list(fleet.homes.iterdir()) == []


def test_a_record_by_itself_is_refused_without_the_store(
    released: Released, new_fleet: Callable[[int], DistributionFleet]
) -> None:
    fleet = new_fleet(1)
    run = fleet.run(snapshot_distribute_release=released.latest.read_text(encoding="utf-8"))
    assert run.exit_status != 0
    assert "for a record by itself" in run.printed
    assert list(fleet.homes.iterdir()) == []


def test_a_transfer_that_was_killed_goes_on_where_it_ended(
    ansible: Ansible, machine: Path, new_fleet: Callable[[int], DistributionFleet]
) -> None:
    large = put_large_release(ansible, machine)
    fleet = new_fleet(1)
    partial = fleet.home("h1") / ".sandboxops-transfer" / ".*"
    fleet.run_until(partial, snapshot_distribute_release=large.latest)
    assert not (fleet.home("h1") / "snapshots" / RELEASE).exists()
    run = fleet.run(snapshot_distribute_release=large.latest)
    assert run.states() == {"h1": "installed"}, run.printed
    outcome = run.outcomes()["h1"]
    size = large.record["archive"]["size_bytes"]
    assert 0 < outcome["resumed_bytes"] == size - outcome["received_bytes"]
    assert list((fleet.home("h1") / ".sandboxops-transfer").iterdir()) == []


def test_an_archive_that_waits_for_its_import_is_not_moved_again(
    released: Released, new_fleet: Callable[[int], DistributionFleet]
) -> None:
    fleet = new_fleet(1)
    waiting = fleet.home("h1") / f".sandboxops-transfer/{RELEASE}.tar.zst"
    waiting.parent.mkdir(parents=True)
    shutil.copyfile(released.archive, waiting)
    waiting.chmod(0o600)
    run = fleet.run(snapshot_distribute_release=released.latest)
    assert run.states() == {"h1": "installed"}, run.printed
    assert run.received() == {"h1": 0}
    assert not waiting.exists()


def test_an_archive_that_a_killed_run_left_behind_its_import_goes(
    released: Released, new_fleet: Callable[[int], DistributionFleet]
) -> None:
    fleet = new_fleet(1)
    fleet.run(snapshot_distribute_release=released.latest)
    left = fleet.home("h1") / f".sandboxops-transfer/{RELEASE}.tar.zst"
    shutil.copyfile(released.archive, left)
    run = fleet.run(snapshot_distribute_release=released.latest)
    assert run.states() == {"h1": "present"}
    assert not left.exists()


@pytest.fixture
def served(released: Released, machine: Path) -> Iterator[HttpStore]:
    """The release on a server that speaks TLS and demands a password."""
    server = HttpStore(machine, credentials=("fleet", "very-secret"), tls=True)
    try:
        shutil.copytree(released.store, server.files, dirs_exist_ok=True)
        yield server
    finally:
        server.close()


def at_server(served: HttpStore) -> dict[str, Any]:
    """Return the variables for the release on the server."""
    return {
        "snapshot_distribute_release": f"{served.url}/{RELEASE}.json",
        "snapshot_distribute_store_username": "fleet",
        "snapshot_distribute_store_password": "very-secret",
        "snapshot_distribute_store_ca_path": served.certificate,
    }


def test_hosts_get_the_archive_from_a_server_and_the_record_is_read_once(
    released: Released, served: HttpStore, new_fleet: Callable[[int], DistributionFleet]
) -> None:
    fleet = new_fleet(3)
    variables = {**at_server(served), "distribute_serial": 1}
    predicted = fleet.run("--check", **variables)
    assert predicted.exit_status == 0, predicted.printed
    assert not any(released.record["archive"]["file"] in request for request in served.requests)
    served.requests.clear()
    applied = fleet.run("-vvv", **variables)
    assert applied.exit_status == 0, applied.printed
    assert applied.states() == dict.fromkeys(("h1", "h2", "h3"), "installed")
    assert served.requests.count(f"GET /{RELEASE}.json 200") == 1
    assert served.requests.count(f"GET /{released.record['archive']['file']} 200") == 3
    given = json.dumps({"snapshot_distribute_store_password": "very-secret"})[1:-1]
    assert "very-secret" not in applied.printed.replace(given, "")
    served.requests.clear()
    again = fleet.run(**variables)
    assert again.states() == dict.fromkeys(("h1", "h2", "h3"), "present")
    assert served.requests == [f"GET /{RELEASE}.json 200"]


def test_each_use_of_the_role_reads_the_record_once_for_all_its_batches(
    released: Released, served: HttpStore, new_fleet: Callable[[int], DistributionFleet]
) -> None:
    fleet = new_fleet(2)
    for uses in (1, 2):
        playbook = write_play(fleet, "again", uses=uses, serial=1)
    run = fleet.run(playbook=playbook, **at_server(served))
    assert run.exit_status == 0, run.printed
    assert run.states() == dict.fromkeys(("h1", "h2"), "present")
    assert served.requests.count(f"GET /{RELEASE}.json 200") == 3


def test_a_password_in_the_url_of_the_record_is_printed_nowhere(
    released: Released, served: HttpStore, new_fleet: Callable[[int], DistributionFleet]
) -> None:
    fleet = new_fleet(1)
    variables = at_server(served) | {"snapshot_distribute_store_username": "", "snapshot_distribute_store_password": ""}
    with_password = served.url.replace("//", "//fleet:very-secret@")
    variables["snapshot_distribute_release"] = f"{with_password}/{RELEASE}.json"
    run = fleet.run("-vvv", **variables)
    assert run.exit_status == 0, run.printed
    assert run.states() == {"h1": "installed"}
    served.files.joinpath(f"{RELEASE}.json").unlink()
    lost = fleet.run("-vvv", **variables)
    assert lost.exit_status != 0
    assert f"{served.url}/{RELEASE}.json answers 404" in lost.printed
    given = json.dumps(variables, default=str)[1:-1]
    for each in (run, lost):
        assert "very-secret" not in each.printed.replace(given, "")
        assert "very-secret" not in json.dumps(each.results)


def test_a_server_without_the_archive_fails_each_host_and_keeps_what_came(
    released: Released, served: HttpStore, new_fleet: Callable[[int], DistributionFleet]
) -> None:
    fleet = new_fleet(1)
    Path(served.files, released.record["archive"]["file"]).unlink()
    run = fleet.run(**at_server(served))
    assert run.states() == {"h1": "failed"}
    assert run.outcomes()["h1"]["code"] == "state"
    assert "404" in run.outcomes()["h1"]["problem"]
