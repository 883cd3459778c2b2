# Copyright: (c) 2026, sandboxops contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Publishing to a directory, of sandboxes that rest or run.

No microVM boots here: ``msb`` is a script that changes what the database of a real home says of the sandbox.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from file_listing import changes, list_tree
from real_ansible import Ansible, Result
from role_runs import any_changed, role_tasks, run_role, run_role_four_times, runs_of
from sample_homes import change_database, flip_a_byte, make_home, read_database
from sample_images import TINY, add_image

ROLE = "snapshot_publish"

# What a file beside it says decides what a command comes to.
_MSB = """#!{python}
import os, pathlib, sqlite3, sys
verb, name = sys.argv[1:]
database = pathlib.Path(os.environ["MSB_HOME"], "db/msb.db")
here = pathlib.Path(__file__).parent
with here.joinpath("calls.txt").open("a") as calls:
    calls.write(f"{{verb}} {{name}}\\n")
broken = here / f"{{verb}}-says.txt"
if broken.exists():
    sys.exit(broken.read_text())
hidden = database.with_suffix(".hidden")
if hidden.exists():
    hidden.replace(database)
leads_to = here / f"{{verb}}-leads-to.txt"
status = leads_to.read_text() if leads_to.exists() else {{"stop": "Stopped", "start": "Running"}}[verb]
connection = sqlite3.connect(database)
connection.execute("UPDATE sandbox SET status = ? WHERE name = ?", (status, name))
connection.commit()
connection.close()
if here.joinpath(f"{{verb}}-hides.txt").exists():
    database.rename(hidden)
    database.write_bytes(b"no database" * 999)
if here.joinpath(f"{{verb}}-breaks.txt").exists():
    here.joinpath("broken.txt").touch()
"""

# The next module after a command that breaks it comes to nothing.
_PYTHON = """#!/bin/sh
if [ -e {here}/broken.txt ]; then
    rm {here}/broken.txt
    echo "the machine is out of breath" >&2
    exit 1
fi
exec {python} "$@"
"""


class Builder:
    """A home with a sandbox that can be stopped and started.

    Attributes:
        home: The home.
        store: The directory that is the release store.
        python: What runs modules, and fails once when a command has broken it.
    """

    def __init__(self, machine: Path) -> None:
        self.home = make_home(machine / "home")
        add_image(self.home, TINY)
        self.store = machine / "releases"
        self._programs = machine / "programs"
        self._programs.mkdir()
        self._msb = self._programs / "msb"
        self._msb.write_text(_MSB.format(python=sys.executable), encoding="utf-8")
        self._msb.chmod(0o755)
        self.python = self._programs / "python"
        self.python.write_text(_PYTHON.format(here=self._programs, python=sys.executable), encoding="utf-8")
        self.python.chmod(0o755)

    def asked(self, **more: Any) -> dict[str, Any]:
        """Return the role's variables for a release of the sandbox base."""
        commands = {f"{verb}_command": [self._msb, verb, "base"] for verb in ("stop", "start")}
        wish = {"home": self.home, "name": "golden", "sandbox": "base", "store": self.store, **commands}
        return wish | more

    def make(
        self, verb: str, *, say: str | None = None, lead_to: str | None = None, hide: bool = False, fault: bool = False
    ) -> None:
        """Make a command fail, lead to another state, hide the database until the next, or break one look behind it."""
        if say is not None:
            self._programs.joinpath(f"{verb}-says.txt").write_text(say, encoding="utf-8")
        if lead_to is not None:
            self._programs.joinpath(f"{verb}-leads-to.txt").write_text(lead_to, encoding="utf-8")
        if hide:
            self._programs.joinpath(f"{verb}-hides.txt").touch()
        if fault:
            self._programs.joinpath(f"{verb}-breaks.txt").touch()

    def set_status(self, status: str) -> None:
        """Let the database say that the sandbox is in a state."""
        change_database(self.home, [("UPDATE sandbox SET status = ? WHERE name = 'base'", (status,))])

    @property
    def status(self) -> str:
        """Return what the database says of the sandbox."""
        ((status,),) = read_database(self.home, "SELECT status FROM sandbox WHERE name = 'base'")
        return str(status)

    @property
    def calls(self) -> list[str]:
        """Return how msb was called."""
        calls = self._programs / "calls.txt"
        return calls.read_text(encoding="utf-8").splitlines() if calls.exists() else []

    def kept(self) -> set[str]:
        """Return the files in the store."""
        return {str(path.relative_to(self.store)) for path in self.store.rglob("*") if path.is_file()}


@pytest.fixture
def builder(machine: Path) -> Builder:
    return Builder(machine)


def facts(results: list[Result]) -> dict[str, Any]:
    """Return what a run of the role has set."""
    found: dict[str, Any] = {}
    for result in results:
        found |= result.get("ansible_facts", {})
    return found


def message(results: list[Result]) -> str:
    assert results[-1]["failed"], results[-1]
    return str(results[-1]["msg"])


def test_a_release_is_an_archive_its_record_and_the_latest(ansible: Ansible, machine: Path, builder: Builder) -> None:
    wish = builder.asked(labels={"team": "größe"})
    checked, applied, *again = run_role_four_times(ansible, machine, ROLE, **wish)
    assert facts(checked)["snapshot_publish_release"] == {}
    assert [facts(run)["snapshot_publish_changed"] for run in (checked, applied, *again)] == [True, True, False, False]
    release = facts(applied)["snapshot_publish_release"]
    stem = f"golden/{release['digest'][7:]}"
    assert builder.kept() == {f"{stem}.tar.zst", f"{stem}.json", "golden.json"}
    for name in (f"{stem}.json", "golden.json"):
        assert json.loads(builder.store.joinpath(name).read_text(encoding="utf-8")) == release
    assert {key: release[key] for key in ("name", "labels", "source_sandbox", "image")} == {
        "name": "golden",
        "labels": {"team": "größe"},
        "source_sandbox": "base",
        "image": {"reference": TINY.reference, "manifest_digest": TINY.manifest_digest, "included": True},
    }
    assert [facts(run)["snapshot_publish_release"] for run in again] == [release, release]
    archive = builder.store / release["archive"]["file"]
    inspected = ansible.run("snapshot_info", home=builder.home, archive=archive, verify=True, strict=True)
    assert inspected["archive"]["sha256"] == release["archive"]["sha256"]
    assert inspected["archive"]["size"] == release["archive"]["size_bytes"]
    assert builder.calls == []


def test_what_is_released_can_be_installed_elsewhere_by_its_record(
    ansible: Ansible, machine: Path, builder: Builder
) -> None:
    release = facts(run_role(ansible, ROLE, **builder.asked()))["snapshot_publish_release"]
    target = machine / "other-home"
    installed = ansible.run(
        "snapshot_archive",
        home=target,
        state="imported",
        path=builder.store / release["archive"]["file"],
        checksum=release["archive"]["sha256"],
        digest=release["digest"],
        name=release["name"],
    )
    assert not installed["failed"], installed["msg"]
    assert installed["snapshots"][-1]["image"]["boots_offline"]
    allocated = sum(path.stat().st_blocks * 512 for path in target.rglob("*") if path.is_file())
    assert release["archive"]["unpacked_bytes"] <= allocated + 65536
    assert allocated <= release["archive"]["unpacked_bytes"] + 65536


@pytest.mark.parametrize("check", [True, False])
def test_a_running_sandbox_is_left_alone_unless_told_otherwise(
    ansible: Ansible, machine: Path, builder: Builder, check: bool
) -> None:
    builder.set_status("Running")
    before = list_tree(machine)
    assert (
        message(run_role(ansible, ROLE, check=check, **builder.asked()))
        == "sandbox base is Running, a capture needs one that is at rest; snapshot_publish_stop: true stops it and"
        " starts it again"
    )
    assert changes(before, list_tree(machine)) == []


def test_a_sandbox_is_down_for_its_capture_alone(ansible: Ansible, machine: Path, builder: Builder) -> None:
    builder.set_status("Running")
    before = list_tree(machine)
    checked = run_role(ansible, ROLE, check=True, **builder.asked(stop=True))
    assert any_changed(checked)
    shown = " ".join(str(result.get("msg")) for result in checked)
    assert "would be stopped by" in shown
    assert "would become the latest release of golden" in shown
    assert changes(before, list_tree(machine)) == []

    run = ansible.play(*role_tasks(ROLE, **builder.asked(stop=True)))
    assert run.exit_status == 0, run.printed
    assert builder.calls == ["stop base", "start base"]
    assert builder.status == "Running"
    steps = [_step(result) for result in runs_of(run)[0]]
    assert [step for step in steps if step] == ["stop", "capture", "start", "export"]


def _step(result: Mapping[str, Any]) -> str | None:
    if "cmd" in result:
        return str(result["cmd"][1])
    return "capture" if "snapshot" in result else "export" if "archive" in result else None


def test_a_sandbox_that_rests_is_not_started(ansible: Ansible, builder: Builder) -> None:
    run_role(ansible, ROLE, **builder.asked(stop=True))
    assert builder.calls == []
    assert builder.kept()


def test_a_snapshot_that_stays_is_published_though_its_sandbox_runs(
    ansible: Ansible, machine: Path, builder: Builder
) -> None:
    run_role(ansible, ROLE, **builder.asked(store=machine / "elsewhere"))
    builder.set_status("Running")
    as_it_is = builder.asked(stop=True, recreate="never", labels={"team": "another"})
    *dummy, again = run_role_four_times(ansible, machine, ROLE, **as_it_is)
    assert facts(again)["snapshot_publish_release"]["labels"] == {}
    assert builder.calls == []
    assert len(builder.kept()) == 3


def test_a_capture_that_is_bound_to_fail_stops_no_sandbox(ansible: Ansible, machine: Path, builder: Builder) -> None:
    builder.set_status("Running")
    damaged = builder.home / "snapshots/second/upper.ext4"
    os.truncate(damaged, damaged.stat().st_size - 4096)
    later = make_home(machine / "later", "0.7.11")
    change_database(later, [("UPDATE sandbox SET status = 'Running' WHERE name = 'base'", ())])
    wishes: list[tuple[dict[str, Any], str]] = [
        ({"name": "second"}, "upper.ext4 has"),
        ({"home": later}, f"home {later} is of generation G3"),
        ({"name": "first"}, "/snapshots/first has descendants, which would lose their parent"),
    ]
    tasks = [each for wish, dummy in wishes for each in role_tasks(ROLE, True, **builder.asked(stop=True, **wish))]
    before = list_tree(machine)
    checked = runs_of(ansible.play(*[{**each, "ignore_errors": True} for each in tasks]))
    applied = run_role(ansible, ROLE, **builder.asked(stop=True, name="first"))
    for results, (dummy, why) in zip((*checked, applied), (*wishes, wishes[-1])):
        told = next(result["msg"] for result in results if result["failed"])
        assert told.startswith("sandbox base is not stopped for a capture as ")
        assert why in told
    assert builder.calls == []
    assert changes(before, list_tree(machine)) == []


def test_a_sandbox_whose_capture_fails_runs_again(ansible: Ansible, builder: Builder) -> None:
    builder.set_status("Running")
    Path(builder.home, "sandboxes/base/upper.ext4").unlink()
    results = run_role(ansible, ROLE, **builder.asked(stop=True))
    assert builder.calls == ["stop base", "start base"]
    assert builder.status == "Running"
    (failure,) = [result for result in results if result["failed"]]
    assert "has no upper" in failure["msg"]
    assert builder.kept() == set()


def test_a_sandbox_that_does_not_come_up_again_is_no_secret(ansible: Ansible, builder: Builder) -> None:
    builder.set_status("Running")
    builder.make("start", say="no memory left")
    told = message(run_role(ansible, ROLE, **builder.asked(stop=True)))
    assert "sandbox base was stopped for its capture and is still down" in told
    assert "ended with 1, no memory left" in told
    assert builder.status == "Stopped"
    assert builder.kept() == set()


def test_a_sandbox_that_cannot_be_stopped_is_not_started(ansible: Ansible, builder: Builder) -> None:
    builder.set_status("Running")
    builder.make("stop", say="it does not listen")
    results = run_role(ansible, ROLE, **builder.asked(stop=True))
    (failure,) = [result for result in results if result["failed"]]
    assert failure["stderr"] == "it does not listen"
    assert builder.calls == ["stop base"]
    assert builder.status == "Running"


def test_one_that_takes_too_long_to_stop_is_started_again(ansible: Ansible, builder: Builder) -> None:
    builder.set_status("Running")
    builder.make("stop", lead_to="Draining")
    results = run_role(ansible, ROLE, **builder.asked(stop=True, stop_timeout=12))
    (look, failure) = [result for result in results if result["failed"]]
    assert look["attempts"] == 12
    assert look["sandboxes"][0]["status"] == "Draining"
    assert "sandbox base was stopped by " in failure["msg"]
    assert "after 12 looks is Draining; a capture needs one that is at rest" in failure["msg"]
    assert builder.calls == ["stop base", "start base"]
    assert builder.status == "Running"
    assert builder.kept() == set()


def test_one_that_cannot_be_looked_at_is_started_again(ansible: Ansible, builder: Builder) -> None:
    builder.set_status("Running")
    builder.make("stop", hide=True)
    results = run_role(ansible, ROLE, **builder.asked(stop=True, stop_timeout=6))
    (look, failure) = [result for result in results if result["failed"]]
    assert look["attempts"] == 6
    assert "after 6 looks nothing is known of it: " in failure["msg"]
    assert "is no sound SQLite database" in failure["msg"]
    assert builder.calls == ["stop base", "start base"]
    assert builder.status == "Running"
    assert builder.kept() == set()


def test_one_that_can_neither_be_looked_at_nor_started_is_no_secret(ansible: Ansible, builder: Builder) -> None:
    builder.set_status("Running")
    builder.make("stop", hide=True)
    builder.make("start", say="no memory left")
    told = message(run_role(ansible, ROLE, **builder.asked(stop=True, stop_timeout=6)))
    assert "sandbox base was stopped for its capture and may be still down" in told
    assert "ended with 1, no memory left" in told
    assert builder.calls == ["stop base", "start base"]


def test_a_look_that_fails_once_does_not_end_the_wait(ansible: Ansible, builder: Builder) -> None:
    builder.set_status("Running")
    builder.make("stop", fault=True)
    ansible.use(builder.python)
    results = run_role(ansible, ROLE, **builder.asked(stop=True))
    assert [result for result in results if result["failed"]] == []
    assert [result["attempts"] for result in results if "sandboxes" in result and "attempts" in result] == [2]
    assert builder.calls == ["stop base", "start base"]
    assert builder.status == "Running"
    assert len(builder.kept()) == 3


@pytest.mark.parametrize("status", ["Paused", "Draining", "Starting"])
def test_what_neither_runs_nor_rests_is_not_touched(ansible: Ansible, builder: Builder, status: str) -> None:
    builder.set_status(status)
    told = message(run_role(ansible, ROLE, **builder.asked(stop=True)))
    assert told.startswith(f"sandbox base is {status}, ")
    assert builder.calls == []


@pytest.mark.parametrize("store", ["http://127.0.0.1:9/releases", "/dev/null/releases"])
def test_a_store_that_is_out_of_reach_stops_no_sandbox(ansible: Ansible, builder: Builder, store: str) -> None:
    builder.set_status("Running")
    results = run_role(ansible, ROLE, **builder.asked(stop=True, store=store))
    assert message(results)
    assert ("cannot be reached" in json.dumps(results[-1])) == store.startswith("http")
    assert builder.calls == []
    assert builder.status == "Running"


def test_a_damaged_snapshot_is_not_published(ansible: Ansible, builder: Builder) -> None:
    run_role(ansible, ROLE, **builder.asked(store=builder.store.parent / "elsewhere"))
    upper = builder.home / "snapshots/golden/upper.ext4"
    with upper.open("r+b") as file:
        file.seek(8192)
        file.write(b"not what was captured")
    results = run_role(ansible, ROLE, **builder.asked(recreate="never"))
    assert results[-1]["error"]["code"] == "integrity"
    assert builder.kept() == set()


def test_a_release_never_changes(ansible: Ansible, builder: Builder) -> None:
    wish = builder.asked(with_image=False)
    release = facts(run_role(ansible, ROLE, **wish))["snapshot_publish_release"]
    assert not release["image"]["included"]
    before = list_tree(builder.store)
    told = message(run_role(ansible, ROLE, **builder.asked()))
    assert "without its image, and a release never changes" in told
    assert changes(before, list_tree(builder.store)) == []


def test_a_release_does_not_get_its_ancestors_afterwards(ansible: Ansible, builder: Builder) -> None:
    wish = builder.asked(name="child", recreate="never")
    bare, whole = role_tasks(ROLE, **wish), role_tasks(ROLE, **wish, with_parents=True)
    published, refused = runs_of(ansible.play(*bare, *whole))
    assert facts(published)["snapshot_publish_release"]["archive"]["snapshots"] == 1
    assert "and without its ancestors, and a release never changes" in message(refused)
    shutil.rmtree(builder.store)
    for results in runs_of(ansible.play(*whole, *bare)):
        assert facts(results)["snapshot_publish_release"]["archive"]["snapshots"] == 2


def test_commands_may_be_text(ansible: Ansible, builder: Builder) -> None:
    builder.set_status("Running")
    wish = builder.asked(stop=True)
    wish |= {f"{verb}_command": f"'{wish[f'{verb}_command'][0]}' {verb} base" for verb in ("stop", "start")}
    checked, applied = runs_of(ansible.play(*role_tasks(ROLE, True, **wish), *role_tasks(ROLE, False, **wish)))
    shown = " ".join(str(result.get("msg")) for result in checked)
    assert f"would be stopped by {wish['stop_command']}, and started again by {wish['start_command']}" in shown
    assert facts(applied)["snapshot_publish_changed"]
    assert builder.calls == ["stop base", "start base"]


def test_an_archive_without_a_record_gets_one(ansible: Ansible, machine: Path, builder: Builder) -> None:
    release = facts(run_role(ansible, ROLE, **builder.asked()))["snapshot_publish_release"]
    kept = builder.kept()
    for path in builder.store.rglob("*.json"):
        path.unlink()
    run_role_four_times(ansible, machine, ROLE, **builder.asked())
    assert builder.kept() == kept
    assert json.loads(builder.store.joinpath("golden.json").read_bytes()) == release


@pytest.mark.parametrize("place", [0.1, 0.5])
def test_a_damaged_archive_without_a_record_is_exported_anew(
    ansible: Ansible, machine: Path, builder: Builder, place: float
) -> None:
    release = facts(run_role(ansible, ROLE, **builder.asked()))["snapshot_publish_release"]
    for path in builder.store.rglob("*.json"):
        path.unlink()
    flip_a_byte(builder.store / release["archive"]["file"], place)
    checked, applied, *again = run_role_four_times(ansible, machine, ROLE, **builder.asked())
    assert facts(checked)["snapshot_publish_release"] == {}
    assert [facts(run)["snapshot_publish_release"] for run in (applied, *again)] == [release] * 3
    archive = builder.store / release["archive"]["file"]
    assert "sha256:" + hashlib.sha256(archive.read_bytes()).hexdigest() == release["archive"]["sha256"]


@pytest.mark.parametrize(
    "wrong",
    [
        {"name": "../golden"},
        {"name": "golden.json"},
        {"store": "releases"},
        {"store": "https://user:word@example.com/releases"},
        {"store": "https://example.com/releases?key=word"},
        {"store": "s3://"},
        {"labels": "team"},
    ],
    ids=str,
)
def test_what_cannot_be_published_is_refused_at_once(
    ansible: Ansible, machine: Path, builder: Builder, wrong: dict[str, Any]
) -> None:
    before = list_tree(machine)
    told = message(run_role(ansible, ROLE, **builder.asked(**wrong)))
    assert told.startswith("a release is named by 1 to 128 of")
    assert "word" not in told
    assert changes(before, list_tree(machine)) == []


def test_the_playbook_takes_the_answers_of_a_survey_and_hands_the_release_on(
    ansible: Ansible, builder: Builder
) -> None:
    builder.set_status("Running")
    answers = {
        "publish_host": "localhost",
        "snapshot_publish_sandbox": "base",
        "snapshot_publish_name": "golden",
        "snapshot_publish_store": builder.store,
        "snapshot_publish_labels": "team=ml\n stage = gold \n",
        "snapshot_publish_stop": "true",
        "snapshot_publish_recreate": "if_changed",
        "snapshot_publish_with_image": "false",
    }
    more = {key: value for key, value in builder.asked().items() if key in ("home", "stop_command", "start_command")}
    run = ansible.playbook("publish", **answers, **{f"{ROLE}_{key}": value for key, value in more.items()})
    assert run.exit_status == 0, run.printed
    (handed_on,) = [result["ansible_stats"]["data"] for result in run.results if "ansible_stats" in result]
    release = json.loads(builder.store.joinpath("golden.json").read_bytes())
    assert handed_on == {"snapshot_distribute_release": release, "snapshot_distribute_store": str(builder.store)}
    assert release["labels"] == {"team": "ml", "stage": "gold"}
    assert not release["image"]["included"]
    assert builder.calls == ["stop base", "start base"]
