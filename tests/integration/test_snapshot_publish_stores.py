# Copyright: (c) 2026, sandboxops contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Publishing to stores behind a network: a server that takes PUT, and S3."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Callable

import pytest
from file_listing import changes, list_tree
from http_store import HttpStore
from real_ansible import Ansible, Result, Run
from role_runs import any_changed, role_tasks, run_role, run_role_four_times, runs_of
from s3_store import S3Store
from s3_tools import S3Tools, ensure_s3_tools
from sample_homes import change_database, flip_a_byte, make_home, write_sparse
from sample_images import TINY, add_image

ROLE = "snapshot_publish"
SECRET = "kept-from-all-logs"  # noqa: S105  one made up for these tests


@pytest.fixture
def builder(machine: Path) -> Path:
    """The home of the builder, with the image of its sandboxes."""
    home = make_home(machine / "home")
    add_image(home, TINY)
    return home


def asked(home: Path, store: str, **more: Any) -> dict[str, Any]:
    return {"home": home, "name": "golden", "sandbox": "base", "labels": {"team": "ml"}, "store": store, **more}


def release_of(results: list[Result]) -> dict[str, Any]:
    (release,) = [
        result["ansible_facts"]["snapshot_publish_release"]
        for result in results
        if "snapshot_publish_release" in result.get("ansible_facts", {})
    ]
    return release


def play(ansible: Ansible, variables: dict[str, Any], check: bool = False) -> tuple[Run, list[Result]]:
    run = ansible.play(*role_tasks(ROLE, **variables), check=check)
    return run, runs_of(run)[0]


def kept_by(store: HttpStore) -> set[str]:
    return {str(path.relative_to(store.files)) for path in store.files.rglob("*") if path.is_file()}


def left_over(home: Path) -> list[Path]:
    """Return the archives that wait on the builder until they have been sent."""
    return [path for path in home.glob(".sandboxops-release*/*") if path.is_file()]


@pytest.fixture
def http(machine: Path) -> Iterator[HttpStore]:
    store = HttpStore(machine)
    yield store
    store.close()


def test_what_a_server_lacks_is_put_there_and_the_record_that_names_it_last(
    ansible: Ansible, machine: Path, builder: Path, http: HttpStore
) -> None:
    dummy, applied, *again = run_role_four_times(ansible, machine, ROLE, **asked(builder, f"{http.url}/releases"))
    release = release_of(applied)
    stem = f"/releases/golden/{release['digest'][7:]}"
    assert http.sent() == [f"{stem}.tar.zst", f"{stem}.json", "/releases/golden.json"]
    assert release["archive"]["file"] == f"golden/{release['digest'][7:]}.tar.zst"
    archive = http.files / "releases" / release["archive"]["file"]
    assert archive.stat().st_size == release["archive"]["size_bytes"]
    inspected = ansible.run("snapshot_info", home=builder, archive=archive)
    assert inspected["archive"]["sha256"] == release["archive"]["sha256"]
    latest = Path(http.files, "releases/golden.json").read_bytes()
    assert latest == Path(http.files, f"{stem[1:]}.json").read_bytes()
    assert json.loads(latest) == release
    assert [release_of(results) for results in again] == [release, release]
    assert not list(builder.glob(".sandboxops-release*"))


def test_a_new_capture_becomes_the_latest_release_and_leaves_the_old_one(
    ansible: Ansible, builder: Path, http: HttpStore
) -> None:
    wish = asked(builder, http.url)
    first = release_of(run_role(ansible, ROLE, **wish))
    upper = builder / "sandboxes/base/upper.ext4"
    write_sparse(upper, upper.stat().st_size, {4096: b"something new"})
    second = release_of(run_role(ansible, ROLE, **wish))
    assert second["digest"] != first["digest"]
    stems = [release["archive"]["file"].removesuffix(".tar.zst") for release in (first, second)]
    assert kept_by(http) == {f"{stem}{end}" for stem in stems for end in (".tar.zst", ".json")} | {"golden.json"}
    assert json.loads(http.files.joinpath("golden.json").read_bytes()) == second
    assert json.loads(http.files.joinpath(f"{stems[0]}.json").read_bytes()) == first


@pytest.mark.parametrize("trouble", ["refused", "truncated"])
def test_no_record_names_an_archive_that_did_not_arrive_and_the_next_run_brings_it(
    ansible: Ansible, builder: Path, http: HttpStore, trouble: str
) -> None:
    wish = asked(builder, http.url)
    setattr(http, trouble, r"PUT .*\.tar\.zst")
    run, results = play(ansible, wish)
    assert run.exit_status != 0
    said = {"refused": "answers 507 to the archive", "truncated": "answers 201 to the archive"}
    assert said[trouble] in results[-1]["msg"]
    assert ("answers 404 when asked what it has of it" in results[-1]["msg"]) == (trouble == "refused")
    assert (" bytes then" in results[-1]["msg"]) == (trouble == "truncated")
    assert {path for path in kept_by(http) if path.endswith(".json")} == set()
    assert len(left_over(builder)) == 1
    setattr(http, trouble, None)
    release = release_of(run_role(ansible, ROLE, **wish))
    assert left_over(builder) == []
    assert http.files.joinpath(release["archive"]["file"]).stat().st_size == release["archive"]["size_bytes"]


def test_an_archive_that_was_damaged_while_it_waited_is_not_sent(
    ansible: Ansible, builder: Path, http: HttpStore
) -> None:
    wish = asked(builder, http.url)
    http.refused = r"PUT .*\.tar\.zst"
    play(ansible, wish)
    (waiting,) = left_over(builder)
    flip_a_byte(waiting, 0.5)
    http.refused = None
    release = release_of(run_role(ansible, ROLE, **wish))
    sent = http.files.joinpath(release["archive"]["file"])
    assert "sha256:" + hashlib.sha256(sent.read_bytes()).hexdigest() == release["archive"]["sha256"]
    inspected = ansible.run("snapshot_info", home=builder, archive=sent, verify=True, strict=True)
    assert not inspected["failed"], inspected["msg"]


@pytest.mark.parametrize("lost", ["*.tar.zst", "*.json"])
def test_what_the_server_has_lost_is_put_there_again(
    ansible: Ansible, builder: Path, http: HttpStore, lost: str
) -> None:
    wish = asked(builder, http.url)
    release = release_of(run_role(ansible, ROLE, **wish))
    kept = kept_by(http)
    for path in http.files.rglob(lost):
        path.unlink()
    checked = run_role(ansible, ROLE, check=True, **wish)
    assert any_changed(checked)
    assert release_of(run_role(ansible, ROLE, **wish)) == release
    assert kept_by(http) == kept


def test_where_nothing_was_captured_yet_check_mode_says_so_and_asks_for_no_more(
    ansible: Ansible, machine: Path, builder: Path, http: HttpStore
) -> None:
    before = list_tree(machine)
    run, results = play(ansible, asked(builder, http.url), check=True)
    assert run.exit_status == 0, run.printed
    assert any_changed(results)
    assert "golden" in run.printed
    assert changes(before, list_tree(machine)) == []
    assert http.sent() == []


@pytest.mark.parametrize("way", ["password", "token"])
def test_a_server_that_wants_to_know_who_comes_is_told_and_nobody_else(
    ansible: Ansible, machine: Path, builder: Path, way: str
) -> None:
    if way == "password":
        keys: dict[str, Any] = {"store_username": "builder", "store_password": SECRET}
        store = HttpStore(machine, credentials=("builder", SECRET))
    else:
        keys = {"store_headers": {"Authorization": f"Bearer {SECRET}"}}
        store = HttpStore(machine, token=SECRET)
    try:
        stranger, results = play(ansible, asked(builder, store.url))
        assert stranger.exit_status != 0
        assert "401" in json.dumps(results[-1])
        assert store.sent() == []
        run, results = play(ansible, asked(builder, store.url, **keys))
        assert run.exit_status == 0, run.printed
        assert len(store.sent()) == 3
        store.refused = "PUT"
        upper = builder / "sandboxes/base/upper.ext4"
        write_sparse(upper, upper.stat().st_size, {4096: b"something new"})
        broken, failed = play(ansible, asked(builder, store.url, **keys))
        assert broken.exit_status != 0
        assert "507" in json.dumps(failed[-1])
        for text in (run.printed, broken.printed, json.dumps(results), json.dumps(failed)):
            assert SECRET not in text
    finally:
        store.close()


def test_a_server_with_a_certificate_of_its_own_is_believed_by_that_alone(
    ansible: Ansible, machine: Path, builder: Path
) -> None:
    store = HttpStore(machine, tls=True)
    try:
        run, dummy = play(ansible, asked(builder, store.url))
        assert run.exit_status != 0
        assert "certificate" in run.printed.lower()
        run, dummy = play(ansible, asked(builder, store.url, store_ca_path=store.certificate))
        assert run.exit_status == 0, run.printed
        assert len(store.sent()) == 3
    finally:
        store.close()


@pytest.fixture(scope="module")
def s3_tools() -> S3Tools:
    return ensure_s3_tools()


@pytest.fixture
def s3(machine: Path, s3_tools: S3Tools, directories: Callable[[], Path]) -> Iterator[S3Store]:
    # Its log is no part of what the role changes.
    store = S3Store(directories(), s3_tools)
    yield store
    store.close()


@pytest.fixture
def aws(directories: Callable[[], Path], collections: Path, s3_tools: S3Tools) -> Ansible:
    """Ansible with the collection amazon.aws, and with boto3 on the builder."""
    paths = Path(f"{collections}:{s3_tools.collections}")
    ansible = Ansible(directories(), paths)
    ansible.use(s3_tools.python)
    return ansible


def s3_wish(home: Path, store: S3Store, **more: Any) -> dict[str, Any]:
    keys = {"s3_endpoint_url": store.endpoint, "s3_region": "us-east-1"}
    keys |= {"s3_access_key": "builder", "s3_secret_key": SECRET}
    return asked(home, f"s3://{store.bucket}/teams/ml", **keys, **more)


def test_a_bucket_gets_the_archive_its_record_and_the_latest(
    aws: Ansible, machine: Path, builder: Path, s3: S3Store
) -> None:
    dummy, applied, *again = run_role_four_times(aws, machine, ROLE, **s3_wish(builder, s3))
    release = release_of(applied)
    stem = f"teams/ml/golden/{release['digest'][7:]}"
    objects = s3.objects()
    assert objects.keys() == {f"{stem}.tar.zst", f"{stem}.json", "teams/ml/golden.json"}
    assert len(objects[f"{stem}.tar.zst"]) == release["archive"]["size_bytes"]
    assert json.loads(objects[f"{stem}.json"]) == release
    assert objects["teams/ml/golden.json"] == objects[f"{stem}.json"]
    put = [request.partition("?")[0] for request in s3.requests() if request.startswith("PUT /releases/")]
    assert list(dict.fromkeys(put)) == [
        f"PUT /releases/{key}" for key in (f"{stem}.tar.zst", f"{stem}.json", "teams/ml/golden.json")
    ]
    assert [release_of(results) for results in again] == [release, release]
    assert SECRET not in json.dumps([applied, again])


def test_an_archive_that_a_bucket_has_lost_in_part_is_put_there_again(aws: Ansible, builder: Path, s3: S3Store) -> None:
    release = release_of(run_role(aws, ROLE, **s3_wish(builder, s3)))
    before = s3.objects()
    s3.put(f"teams/ml/{release['archive']['file']}", b"half of it")
    assert any_changed(run_role(aws, ROLE, check=True, **s3_wish(builder, s3)))
    assert release_of(run_role(aws, ROLE, **s3_wish(builder, s3))) == release
    assert s3.objects() == before


def test_keys_that_s3_does_not_give_away_stay_out_of_what_is_printed(aws: Ansible, builder: Path, s3: S3Store) -> None:
    run, results = play(aws, s3_wish(builder, s3))
    assert run.exit_status == 0, run.printed
    for text in (run.printed, json.dumps(results)):
        assert SECRET not in text
        assert "Signature=" not in text


def test_a_bucket_that_is_not_there_is_named(aws: Ansible, builder: Path, s3: S3Store) -> None:
    wish = s3_wish(builder, s3) | {"store": "s3://nobody-has-this"}
    run, results = play(aws, wish)
    assert run.exit_status != 0
    assert "nobody-has-this" in json.dumps(results[-1])


def test_a_missing_collection_is_named_before_the_sandbox_stops(ansible: Ansible, machine: Path, builder: Path) -> None:
    change_database(builder, [("UPDATE sandbox SET status = 'Running' WHERE name = 'base'", ())])
    before = list_tree(machine)
    wish = asked(builder, "s3://releases", stop=True, stop_command=["false"], start_command=["false"])
    run, results = play(ansible, wish)
    assert run.exit_status != 0
    assert "amazon.aws" in json.dumps(results[-1])
    assert "ansible-galaxy collection install amazon.aws" in json.dumps(results[-1])
    assert changes(before, list_tree(machine)) == []
