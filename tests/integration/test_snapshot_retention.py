# Copyright: (c) 2026, sandboxops contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Retiring snapshots on a real home, checked, run, checked again and run again."""

from __future__ import annotations

import json
import os
import shutil
import time
from pathlib import Path
from typing import Any

import pytest
from file_listing import changes, list_tree
from real_ansible import Ansible, Result, Run, task
from role_runs import role_tasks, run_role, run_role_four_times, runs_of
from sample_homes import index_rows, make_home

ROLE = "snapshot_retention"
MINE = {"select_labels": ["team=ml"]}


def put_snapshot(home: Path, name: str, days: float, **changed: Any) -> str:
    """Put a snapshot of some age beside the others, without a row in the index, and return its digest."""
    manifest = json.loads(Path(home, "snapshots/first/manifest.json").read_text(encoding="utf-8"))
    captured = time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(time.time() - days * 86_400))
    manifest |= {"created_at": f"{captured}.000000001+00:00", "labels": {"team": "ml"}, "parent": None} | changed
    artifact = home / "snapshots" / name
    artifact.mkdir()
    artifact.joinpath("manifest.json").write_text(json.dumps(manifest, separators=(",", ":")), encoding="utf-8")
    os.link(home / "snapshots/first/upper.ext4", artifact / "upper.ext4")
    return name


def digests(ansible: Ansible, home: Path) -> dict[str, str]:
    return {found["name"]: found["digest"] for found in ansible.run("snapshot_info", home=home)["snapshots"]}


def names(home: Path) -> set[str]:
    return {path.name for path in (home / "snapshots").iterdir() if not path.name.startswith(".")}


def plan_of(results: list[Result]) -> dict[str, Any]:
    (plan,) = [r["ansible_facts"]["snapshot_retention_plan"] for r in results if "ansible_facts" in r]
    return plan


@pytest.fixture
def line(ansible: Ansible, home: Path) -> dict[str, str]:
    """Put one's own snapshots of two sandboxes into the home, and return all digests by name."""
    for name, days in (("new", 1), ("mid", 10), ("old", 40), ("older", 50)):
        put_snapshot(home, name, days)
    put_snapshot(home, "web", 99, source_sandbox="web")
    put_snapshot(home, "pinned", 60, labels={"team": "ml", "pinned": "yes"})
    known = digests(ansible, home)
    put_snapshot(home, "heir", 45, parent=known["older"], labels={"team": "ops"})
    ansible.run("snapshot_index", home=home)
    return digests(ansible, home)


def test_what_no_rule_keeps_is_planned_shown_and_removed(
    ansible: Ansible, machine: Path, home: Path, line: dict[str, str]
) -> None:
    rules = {"keep_last": 1, "keep_within": "5d", "keep_labels": ["pinned"]}
    checked, *dummy = run_role_four_times(ansible, machine, ROLE, home=home, **MINE, **rules)
    plan = plan_of(checked)
    assert {found["name"]: found["keep"] for found in plan["snapshots"]} == {
        "new": True,
        "mid": False,
        "old": False,
        "older": True,
        "pinned": True,
        "web": True,
    }
    assert names(home) == {"first", "second", "child", "new", "older", "pinned", "web", "heir"}
    assert index_rows(home).keys() == names(home)
    shown = [result["msg"] for result in checked if isinstance(result.get("msg"), list)]
    assert shown == [plan["lines"]]
    assert "heir, which stays, descends from it" in "\n".join(plan["lines"])
    assert set(plan["remove"]) == {line["mid"], line["old"]}


def test_where_nothing_is_to_go_nothing_changes(ansible: Ansible, machine: Path, home: Path) -> None:
    runs = run_role_four_times(ansible, machine, ROLE, home=home, **MINE, keep_last=0, changed=False)
    assert plan_of(runs[0])["snapshots"] == []
    assert [r["msg"] for r in runs[0] if isinstance(r.get("msg"), list)] == [["no snapshot here is selected"]]


def test_all_of_a_selection_goes_only_when_told_so(
    ansible: Ansible, machine: Path, home: Path, line: dict[str, str]
) -> None:
    everything = {"home": home, "select_source_sandbox": "web", "keep_last": 0}
    run_role_four_times(ansible, machine, ROLE, **everything, changed=False)
    assert "web" in names(home)
    run_role_four_times(ansible, machine, ROLE, **everything, allow_empty=True)
    assert names(home) == line.keys() - {"web"}


def test_children_go_with_their_parents(ansible: Ansible, machine: Path, home: Path) -> None:
    put_snapshot(home, "g1", 30)
    put_snapshot(home, "g2", 20, parent=digests(ansible, home)["g1"])
    put_snapshot(home, "g3", 10, parent=digests(ansible, home)["g2"])
    put_snapshot(home, "g4", 1)
    run_role_four_times(ansible, machine, ROLE, home=home, select_name="g?", keep_last=1)
    assert names(home) == {"first", "second", "child", "g4"}


def test_answers_of_a_survey_are_understood(ansible: Ansible, home: Path, line: dict[str, str]) -> None:
    answers = {
        "select_labels": "team=ml\n",
        "select_name": "",
        "select_source_sandbox": "base",
        "keep_last": "2",
        "keep_within": "",
        "keep_labels": "pinned\nchannel=golden",
        "group_by": "source_sandbox,label:team",
        "allow_empty": "false",
    }
    plan = plan_of(run_role(ansible, ROLE, check=True, home=home, **answers))
    assert plan["remove"] == [line["old"]]


@pytest.mark.parametrize(
    ("variables", "message"),
    [
        ({"keep_last": 1}, "the selection says nothing about whose snapshots may be removed"),
        ({"keep_last": 1, "select_name": "*"}, "the selection says nothing about whose snapshots may be removed"),
        (MINE, "there is no keep rule"),
        ({**MINE, "keep_within": "a month"}, "keep.within is 'a month', expected a duration"),
        ({**MINE, "keep_last": "three"}, "keep.last is 'three', expected a whole number"),
        ({**MINE, "keep_last": ""}, "there is no keep rule"),
        ({**MINE, "keep_last": 1, "group_by": ["sandbox"]}, "group_by has 'sandbox'"),
    ],
)
def test_what_cannot_be_meant_is_refused_and_removes_nothing(
    ansible: Ansible, machine: Path, home: Path, line: dict[str, str], variables: dict[str, Any], message: str
) -> None:
    before = list_tree(machine)
    results = run_role(ansible, ROLE, home=home, **variables)
    assert results[-1]["failed"]
    assert message in json.dumps(results[-1])
    assert changes(before, list_tree(machine)) == []
    assert line.keys() == names(home)


def test_an_approved_plan_is_applied_and_again(
    ansible: Ansible, machine: Path, home: Path, line: dict[str, str]
) -> None:
    # As a survey gives them.
    approved = f"{line['mid']}, {line['old']}\n" + "sha256:" + "0" * 64 + "\n"
    rules = {**MINE, "keep_last": 1, "keep_labels": ["pinned"]}
    run_role_four_times(ansible, machine, ROLE, home=home, **rules, approved=approved)
    assert names(home) == line.keys() - {"mid", "old"}


@pytest.mark.parametrize("change", ["one more to go", "one that is needed now", "captured anew"])
def test_what_changed_since_the_plan_is_refused(
    ansible: Ansible, machine: Path, home: Path, line: dict[str, str], change: str
) -> None:
    approved = [line["mid"], line["old"]]
    rules = {**MINE, "keep_last": 1, "keep_labels": ["pinned"]}
    if change == "one more to go":
        put_snapshot(home, "extra", 20)
    elif change == "one that is needed now":
        put_snapshot(home, "extra", 20, parent=line["mid"], labels={})
    else:
        for file in (home / "snapshots/old").iterdir():
            file.unlink()
        (home / "snapshots/old").rmdir()
        put_snapshot(home, "old", 30)
    before = list_tree(machine)
    results = run_role(ansible, ROLE, home=home, **rules, approved=approved)
    assert results[-1]["failed"]
    assert "nothing is removed: the host has changed since the plan was approved" in results[-1]["msg"]
    assert changes(before, list_tree(machine)) == []


def test_a_name_that_looks_like_a_template_stays_a_name(ansible: Ansible, machine: Path, home: Path) -> None:
    hostile = "{{ lookup('pipe', 'touch " + str(machine / "touched").replace("/", "\\x2f") + "') }}"
    put_snapshot(home, hostile, 5)
    put_snapshot(home, "new", 1)
    runs = run_role_four_times(ansible, machine, ROLE, home=home, **MINE, keep_last=1)
    assert plan_of(runs[0])["snapshots"][1]["name"] == hostile
    assert names(home) == {"first", "second", "child", "new"}
    assert not (machine / "touched").exists()


def test_the_playbook_hands_its_plan_on_from_check_mode(
    ansible: Ansible, machine: Path, home: Path, line: dict[str, str]
) -> None:
    variables = {
        "snapshot_retention_home": home,
        "snapshot_retention_select_labels": ["team=ml"],
        "snapshot_retention_keep_last": 1,
        "snapshot_retention_keep_labels": ["pinned"],
    }
    before = list_tree(machine)
    checked = ansible.playbook("retain", check=True, **variables)
    assert checked.exit_status == 0, checked.printed
    assert changes(before, list_tree(machine)) == []
    (stats,) = [result["ansible_stats"]["data"] for result in checked.results if "ansible_stats" in result]
    assert stats["snapshot_retention_approved"].keys() == {"localhost"}
    assert set(stats["snapshot_retention_approved"]["localhost"]) == {line["mid"], line["old"]}
    for changed in (2, 0):
        done = ansible.playbook("retain", **variables, **stats)
        assert done.exit_status == 0, done.printed
        assert f"changed={min(changed, 1)} " in done.printed
        assert not any("ansible_stats" in result for result in done.results)
    assert names(home) == line.keys() - {"mid", "old"}


@pytest.fixture
def pair(ansible: Ansible, machine: Path) -> dict[str, str]:
    """Make the homes of two hosts, of which the second lacks the newest snapshot, and return all digests by name."""
    home = make_home(machine / "more")
    for days in (1, 10, 20, 30):
        put_snapshot(home, f"golden-{days}", days)
    shutil.copytree(home, machine / "less")
    shutil.rmtree(machine / "less/snapshots/golden-1")
    return digests(ansible, home)


def retire_pair(ansible: Ansible, machine: Path, *, check: bool = False, **variables: Any) -> Run:
    """Keep three snapshots on each of the two hosts."""
    home = f"{machine}/{{{{ inventory_hostname }}}}"
    rules = {f"snapshot_retention_{key}": value for key, value in {**MINE, "keep_last": 3}.items()}
    return ansible.playbook(
        "retain", hosts="more,less", check=check, **rules, snapshot_retention_home=home, **variables
    )


def approved_in(checked: Run) -> dict[str, list[str]]:
    """Return the plans of all hosts, joined as ``set_stats`` joins mappings."""
    handed = [result["ansible_stats"]["data"] for result in checked.results if "ansible_stats" in result]
    plans = [each["snapshot_retention_approved"] for each in handed]
    return {host: remove for plan in plans for host, remove in plan.items()}


def test_hosts_that_differ_each_follow_their_own_plan(ansible: Ansible, machine: Path, pair: dict[str, str]) -> None:
    approved = approved_in(retire_pair(ansible, machine, check=True))
    assert approved == {"more": [pair["golden-30"]], "less": []}
    done = retire_pair(ansible, machine, snapshot_retention_approved=approved)
    assert done.exit_status == 0, done.printed
    assert names(machine / "more") == pair.keys() - {"golden-30"}
    assert names(machine / "less") == pair.keys() - {"golden-1"}


@pytest.mark.parametrize(
    ("is_answering", "message"),
    [(True, "the host has changed since the plan was approved"), (False, "no plan was approved for this host")],
)
def test_what_was_approved_for_another_host_is_refused(
    ansible: Ansible, machine: Path, pair: dict[str, str], is_answering: bool, message: str
) -> None:
    approved = {"more": [pair["golden-30"]], **({"less": []} if is_answering else {})}
    # Now the other host would lose the very snapshot that was approved for the first.
    shutil.copytree(machine / "more/snapshots/golden-1", machine / "less/snapshots/golden-1")
    before = list_tree(machine / "less")
    done = retire_pair(ansible, machine, snapshot_retention_approved=approved)
    assert done.exit_status != 0
    assert f"nothing is removed: {message}" in done.printed
    assert changes(before, list_tree(machine / "less")) == []
    assert names(machine / "more") == pair.keys() - {"golden-30"}


def test_marks_part_the_runs_of_a_role(ansible: Ansible, home: Path) -> None:
    tasks = [*role_tasks(ROLE, home=home, **MINE, keep_last=1), *role_tasks(ROLE, home=home, **MINE, keep_last=1)]
    first, second = runs_of(ansible.play(*tasks, task("snapshot_info", home=home)))
    assert len(second) == len(first) + 1
