# Copyright: (c) 2026, sandboxops contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""An audit of hosts with one fault each: the report names every fault, and a second audit changes nothing."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
from pathlib import Path
from typing import Any, Callable

import pytest
from chromium import look_on_a_phone, print_page, take_picture
from file_listing import changes, list_tree
from fleet_runs import Audit, Fleet
from sample_homes import CHILD, FIRST, SECOND, change_database, make_home
from sample_images import TINY, add_image

_MARKUP = "<img src=x onerror=document.title='taken'>"
_SCRIPT = "</style><script>document.title='taken'</script>{{ lookup('pipe', 'touch taken') }}"
_DESIRED = [{"name": "first", "digest": FIRST}, {"name": "second", "digest": SECOND}, {"digest": CHILD}]
_FAULTY = {"damaged", "gone", "image", "missing", "power", "stale", "swapped"}


def put_copy(home: Path, name: str, labels: dict[str, str]) -> None:
    """Put a copy of the first snapshot with other labels beside it."""
    manifest = json.loads(Path(home, "snapshots/first/manifest.json").read_text(encoding="utf-8"))
    artifact = home / "snapshots" / name
    artifact.mkdir()
    content = json.dumps(manifest | {"labels": labels}, separators=(",", ":"))
    artifact.joinpath("manifest.json").write_text(content, encoding="utf-8")
    shutil.copy(home / "snapshots/first/upper.ext4", artifact)


@pytest.fixture(scope="module")
def fleet(directories: Callable[[], Path], collections: Path) -> Fleet:
    """Hosts with one fault of each kind, a healthy one and a hostile one."""
    made = Fleet(directories(), collections, _DESIRED)
    for name in ("damaged", "healthy", "hostile", "image", "missing", "power", "stale", "swapped"):
        home = make_home(made.homes / name)
        shutil.rmtree(home / "cache")
        if name != "image":
            add_image(home, TINY)
    store = {path.name: path / "snapshots" for path in made.homes.iterdir()}
    with (store["damaged"] / "first/upper.ext4").open("r+b") as file:
        file.write(b"another content")
    shutil.rmtree(store["missing"] / "second")
    (store["power"] / ".sandboxops-staging-dead").mkdir()
    update = "UPDATE snapshot_index SET image_ref = 'other' WHERE name = 'first'"
    change_database(made.homes / "stale", [(update, ())])
    shutil.rmtree(store["swapped"] / "first")
    put_copy(made.homes / "healthy", "first-copy", {})
    shutil.move(store["healthy"] / "first-copy", store["swapped"] / "first")
    put_copy(made.homes / "hostile", _MARKUP, {"team": _SCRIPT, _SCRIPT: "x"})
    return made


@pytest.fixture(scope="module")
def hosts(fleet: Fleet) -> dict[str, Any]:
    """The inventory of the fleet."""
    silent = {"ansible_connection": "ssh", "ansible_host": "127.0.0.1", "ansible_port": 1}
    return {path.name: {} for path in sorted(fleet.homes.iterdir())} | {"gone": silent}


@pytest.fixture(scope="module")
def first(fleet: Fleet, hosts: dict[str, Any]) -> Audit:
    """The first audit of the fleet."""
    return fleet.audit(hosts)


def kinds(audit: Audit) -> dict[str, set[tuple[str, str]]]:
    found: dict[str, set[tuple[str, str]]] = {}
    for problem in audit.report["problems"]:
        found.setdefault(problem["host"], set()).add((problem["kind"], problem["subject"]))
    return found


def test_the_report_names_the_fault_of_every_host(first: Audit) -> None:
    assert first.exit_status == 0, first.printed
    found = kinds(first)
    assert found.pop("swapped") >= {("other_digest", "first")}
    assert found.pop("hostile") == {("index_row_missing", _MARKUP)}
    assert found == {
        "damaged": {("damaged", "first")},
        "gone": {("unreachable", "gone")},
        "image": {("not_offline", "first"), ("not_offline", "second"), ("not_offline", "child")},
        "missing": {("missing", "second"), ("index_artifact_missing", "second")},
        "power": {("orphans", "staging")},
        "stale": {("index_row_stale", "first")},
    }
    ranks = [problem["severity"] for problem in first.report["problems"]]
    assert ranks == sorted(ranks)
    states = {host["name"]: host["status"] for host in first.report["hosts"]}
    assert (states["healthy"], states["gone"], states["damaged"]) == ("ok", "unreachable", "problems")


def test_a_second_audit_changes_nothing(fleet: Fleet, hosts: dict[str, Any], first: Audit) -> None:
    assert sum(first.changed.values()) > 0
    before = list_tree(fleet.homes.parent / "report") | list_tree(fleet.homes)
    again = fleet.audit(hosts)
    assert set(again.changed.values()) == {0}, again.printed
    assert changes(before, list_tree(fleet.homes.parent / "report") | list_tree(fleet.homes)) == []


def test_the_report_is_drawn_up_when_no_host_answers(fleet: Fleet, hosts: dict[str, Any], first: Audit) -> None:
    directory = fleet.homes.parent / "silence"
    audit = fleet.audit({"gone": hosts["gone"]}, snapshot_audit_report_dir=str(directory))
    assert audit.exit_status == 0, audit.printed
    assert kinds(audit) == {"gone": {("unreachable", "gone")}}


def test_one_report_is_on_all_batches_and_on_hosts_that_were_lost_before(fleet: Fleet, first: Audit) -> None:
    lose: Any = {"ansible.builtin.fail": {"msg": "lost"}, "when": "inventory_hostname == 'lost'"}
    role = {"ansible.builtin.import_role": {"name": "sandboxops.microsandbox.snapshot_audit"}}
    play = {"name": "Test", "hosts": "all", "gather_facts": False, "serial": 2, "tasks": [lose, role]}
    playbook = fleet.homes.parent / "batches.json"
    playbook.write_text(json.dumps([play]), encoding="utf-8")
    directory = fleet.homes.parent / "batches"
    some: dict[str, Any] = {"damaged": {}, "lost": {}, "healthy": {}}
    for home in (fleet.homes / "damaged", fleet.homes / "healthy"):
        home.joinpath(".sandboxops-audit.json").unlink()
    audit = fleet.audit(some, playbook=str(playbook), snapshot_audit_report_dir=str(directory))
    assert audit.printed.count("Sum the fleet up") == 1, audit.printed
    assert kinds(audit) == {"damaged": {("damaged", "first")}, "lost": {("failed", "lost")}}
    assert audit.report["summary"]["hosts"] == 3
    again = fleet.audit(some, playbook=str(playbook), snapshot_audit_report_dir=str(directory))
    assert set(again.changed.values()) == {0}, again.printed


def test_the_report_comes_when_the_last_host_of_the_last_batch_is_unreachable(
    fleet: Fleet, hosts: dict[str, Any]
) -> None:
    role = {"ansible.builtin.import_role": {"name": "sandboxops.microsandbox.snapshot_audit"}}
    play = {"name": "Test", "hosts": "all", "gather_facts": True, "gather_subset": "!all,!min", "serial": 1}
    playbook = fleet.homes.parent / "last.json"
    playbook.write_text(json.dumps([play | {"ignore_unreachable": True, "tasks": [role]}]), encoding="utf-8")
    some = {name: hosts[name] for name in ("healthy", "gone")}
    directory = fleet.homes.parent / "last"
    audit = fleet.audit(some, playbook=str(playbook), snapshot_audit_report_dir=str(directory))
    assert kinds(audit) == {"gone": {("unreachable", "gone")}}
    assert {host["name"] for host in audit.report["hosts"]} == {"healthy", "gone"}


def test_a_limited_audit_leaves_the_report_on_all_hosts(fleet: Fleet, hosts: dict[str, Any], first: Audit) -> None:
    directory = fleet.homes.parent / "report"
    before = list_tree(directory)
    audit = fleet.audit(hosts, "--limit", "healthy,missing")
    assert audit.exit_status == 0, audit.printed
    assert {"/fleet-report-limited.json", "/fleet-report-limited.html"} == {
        path.replace(str(directory), "") for path in list_tree(directory).keys() - before.keys()
    }
    assert audit.report == first.report
    limited = json.loads((directory / "fleet-report-limited.json").read_text(encoding="utf-8"))
    assert (sorted(host["name"] for host in limited["hosts"]), limited["limit"]) == (
        ["healthy", "missing"],
        "healthy,missing",
    )
    for path in directory.glob("*-limited.*"):
        path.unlink()


@pytest.mark.parametrize(
    ("rule", "message"),
    [
        ({"snapshot_audit_desired": "golden"}, "desired is 'golden', not a list as JSON"),
        ({"snapshot_audit_verify_percent": 150}, "verify_percent is '150', expected 0 to 100"),
    ],
)
def test_rules_that_cannot_be_meant_fail_every_host_before_its_audit(
    fleet: Fleet, hosts: dict[str, Any], rule: dict[str, Any], message: str
) -> None:
    audit = fleet.audit({name: hosts[name] for name in ("damaged", "healthy")}, **rule)
    assert message in audit.printed
    assert "List the snapshots" not in audit.printed
    assert len(re.findall(r"^(damaged|healthy) .* failed=1 ", audit.printed, re.MULTILINE)) == 2


def test_every_host_fails_when_the_host_of_the_report_is_silent(fleet: Fleet, hosts: dict[str, Any]) -> None:
    some = {name: hosts[name] for name in ("gone", "healthy", "stale")}
    audit = fleet.audit(some, "--limit", "!gone", snapshot_audit_report_host="gone")
    assert f"there is no report in {fleet.homes.parent}/report on gone: " in audit.printed
    assert len(re.findall(r"^(healthy|stale) .* failed=1 ", audit.printed, re.MULTILINE)) == 2, audit.printed


def test_check_mode_predicts_and_writes_nothing(fleet: Fleet, first: Audit) -> None:
    home = make_home(fleet.homes.parent / "fresh")
    before = list_tree(fleet.homes.parent)
    fresh = {"fresh": {"snapshot_audit_home": str(home)}}
    audit = fleet.audit(fresh, "--check", "--diff", snapshot_audit_report_dir=str(home.parent / "report-of-fresh"))
    assert audit.exit_status == 0, audit.printed
    assert audit.changed["fresh"] == 3
    after = list_tree(fleet.homes.parent)
    shutil.rmtree(home)
    assert [line for line in changes(before, after) if "/inventory.json" not in line and "/.ansible" not in line] == []


def test_snapshots_take_turns(fleet: Fleet, first: Audit) -> None:
    home = make_home(fleet.homes.parent / "turns")
    for number in range(2):
        put_copy(home, f"copy-{number}", {"number": str(number)})
    turns = {"turns": {"snapshot_audit_home": str(home)}}
    options = {"snapshot_audit_verify_percent": 34, "snapshot_audit_report_dir": str(home.parent / "report-of-turns")}
    record = home / ".sandboxops-audit.json"
    seen = []
    for dummy in range(3):
        audit = fleet.audit(turns, **options)
        assert audit.exit_status == 0, audit.printed
        seen.append(set(json.loads(record.read_text(encoding="utf-8"))["verifications"]))
    assert [len(digests) for digests in seen] == [2, 3, 3]
    assert set(audit.changed.values()) == {0}
    assert oct(record.stat().st_mode & 0o777) == "0o644"
    shutil.rmtree(home)


@pytest.mark.parametrize("is_reported", [True, False], ids=["with-a-report", "without-a-report"])
def test_a_strict_audit_fails_the_hosts_with_problems(
    fleet: Fleet, hosts: dict[str, Any], first: Audit, is_reported: bool
) -> None:
    some = {name: hosts[name] for name in ("damaged", "healthy")}
    directory = str(fleet.homes.parent / "strict") if is_reported else ""
    audit = fleet.audit(some, snapshot_audit_strict=True, snapshot_audit_report_dir=directory)
    assert audit.exit_status != 0
    assert "the audit has found problems on this host, damaged" in audit.printed
    assert re.search(r"^damaged .* failed=1 ", audit.printed, re.MULTILINE)
    assert re.search(r"^healthy .* failed=0 ", audit.printed, re.MULTILINE)


@pytest.mark.skipif(os.geteuid() != 0, reason="mounting needs root")
def test_a_read_only_home_is_named_though_nothing_has_to_be_recorded(fleet: Fleet) -> None:
    home = make_home(fleet.homes.parent / "sealed")
    shutil.rmtree(home / "cache")
    add_image(home, TINY)
    sealed = {"sealed": {"snapshot_audit_home": str(home)}}
    directory = str(fleet.homes.parent / "report-of-sealed")
    assert kinds(fleet.audit(sealed, snapshot_audit_report_dir=directory)) == {}
    subprocess.run(["mount", "--bind", home, home], check=True)
    try:
        subprocess.run(["mount", "-o", "remount,bind,ro", home], check=True)
        audit = fleet.audit(sealed, snapshot_audit_report_dir=directory)
    finally:
        subprocess.run(["umount", home], check=True)
        shutil.rmtree(home)
    assert kinds(audit) == {"sealed": {("read_only", "file system")}}
    assert "mounted read-only" in audit.page.read_text(encoding="utf-8")


def test_the_page_looks_like_something_by_day_by_night_and_on_a_phone(first: Audit) -> None:
    day = take_picture(first.page, 900, 500)
    night = take_picture(first.page, 900, 500, "--blink-settings=preferredColorScheme=0")
    phone = take_picture(first.page, 500, 700)
    assert all(picture.different_rows > 100 for picture in (day, night, phone))
    assert day.pixel(2, 2) == phone.pixel(2, 2) == (0xF4, 0xF5, 0xF7)
    assert night.pixel(2, 2) == (0x10, 0x14, 0x18)


def test_the_page_can_be_printed(first: Audit) -> None:
    text = print_page(first.page)
    assert "Hosts and their snapshots" in text
    assert all(host in text for host in (*_FAULTY, "healthy"))
    assert FIRST[7:19] in text


@pytest.mark.parametrize("is_guarded", [True, False], ids=["as-written", "without-its-policy"])
def test_markup_of_hosts_does_nothing_in_a_browser(first: Audit, tmp_path: Path, is_guarded: bool) -> None:
    page = first.page.read_text(encoding="utf-8")
    if not is_guarded:
        page, count = re.subn(r'<meta http-equiv="Content-Security-Policy"[^>]*>', "", page)
        assert count == 1
    seen = look_on_a_phone(page, tmp_path)
    assert seen["title"] == "Fleet of microsandbox snapshots"
    assert (seen["active"], seen["refreshing"]) == (0, 0)
    assert _MARKUP in seen["text"]
    assert _SCRIPT in seen["text"]
    assert seen["width"] <= 390
    assert seen["head"] == "none"


def test_no_text_of_a_host_is_run_as_a_template(fleet: Fleet, first: Audit) -> None:
    assert "lookup(" in first.page.read_text(encoding="utf-8")
    assert not list(fleet.homes.parent.rglob("taken"))
