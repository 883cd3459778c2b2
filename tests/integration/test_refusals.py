# Copyright: (c) 2026, sandboxops contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the modules refuse: with which code, in which words, and that it leaves no trace, checked or run."""

from __future__ import annotations

import fcntl
import hashlib
import json
import os
import shutil
from pathlib import Path
from typing import Any, Callable, NamedTuple

import pytest
from file_listing import Listing, changes, list_tree
from real_ansible import Ansible, Result, task
from sample_homes import CHILD, DATA, FIRST, SECOND, add_sandbox, make_home

CHAIN = DATA / "g1-archives/chain3-0.6.2-parents.tar.zst"
CHAIN_HEAD = "sha256:7928c1995b78ef90745a61889dedafbc305a5545bbb7e738940e7a6d3807e3d9"
CHAIN_ROOT_NAME = "sha256-7874ed43828e8358"
NOTHING = "sha256:" + "0" * 64


class Refusal(NamedTuple):
    """A task that fails.

    Attributes:
        module: The module.
        options: Its options; ``MACHINE`` in them is the directory of the test.
        code: Code of the error; None for what Ansible itself refuses.
        words: What the message has to hold.
        place: Directory in which a run makes something before it can tell, and takes it away again.
    """

    module: str
    options: dict[str, Any]
    code: str | None
    words: tuple[str, ...]
    place: str = ""


def capture(code: str | None, *words: str, place: str = "", **options: Any) -> Refusal:
    return Refusal("snapshot", {"name": "new", "sandbox": "base", **options}, code, words, place)


def removal(code: str | None, *words: str, **options: Any) -> Refusal:
    return Refusal("snapshot", {"state": "absent", **options}, code, words)


def inspection(code: str | None, *words: str, **options: Any) -> Refusal:
    return Refusal("snapshot_info", options, code, words)


def export(code: str | None, *words: str, **options: Any) -> Refusal:
    usual = {"state": "exported", "snapshot": "second", "path": "MACHINE/new.tar.zst"}
    return Refusal("snapshot_archive", {**usual, **options}, code, words)


def install(code: str | None, *words: str, place: str = "", **options: Any) -> Refusal:
    usual = {"state": "imported", "path": "MACHINE/chain.tar.zst"}
    return Refusal("snapshot_archive", {**usual, **options}, code, words, place)


REFUSALS = {
    "a running sandbox": capture("state", "'busy' is Running", sandbox="busy"),
    "a draining sandbox": capture("state", "'draining' is Draining", sandbox="draining"),
    "a paused sandbox": capture("state", "'paused' is Paused", sandbox="paused"),
    "a starting sandbox": capture("state", "'starting' is Starting", sandbox="starting"),
    "a sandbox in an unknown state": capture("unsupported", "unknown state 'stopped'", sandbox="odd"),
    "a sandbox on a directory": capture("state", "'bindroot'", "OCI image", sandbox="bindroot"),
    "a sandbox that was never started": capture("state", "'unpinned' pins no OCI image", sandbox="unpinned"),
    "a sandbox in memory": capture("unsupported", "'volatile'", "'tmpfs'", sandbox="volatile"),
    "a symlink as upper": capture("state", "upper.ext4", "no regular file", sandbox="linked"),
    "a fifo as upper": capture("state", "upper.ext4", "no regular file", sandbox="fifo"),
    "a directory as upper": capture("state", "upper.ext4", "no regular file", sandbox="directory"),
    "no upper": capture("state", "'empty' has no upper at", sandbox="empty"),
    "no sandbox": capture("state", "there is no sandbox 'nobody'", sandbox="nobody"),
    "no database": capture("state", "has no database", home="MACHINE/none", place="MACHINE"),
    "a sandbox's name with a slash": capture("request", "'../base'", sandbox="../base"),
    "an empty name": capture("request", "name", name=""),
    "a name with a slash": capture("request", "'a/b'", name="a/b"),
    "a name with a backslash": capture("request", "'a\\b'", name="a\\b"),
    "a name with a colon": capture("request", "'sha256:a'", name="sha256:a"),
    "a hidden name": capture("request", "'.hidden'", name=".hidden"),
    "a name with a tilde": capture("request", "'~root'", name="~root"),
    "a name with a line break": capture("request", "'a\\nb'", name="a\nb"),
    "a name that is too long": capture("request", "name", name="n" * 300),
    "a relative path": capture("request", "path is ", "expected an absolute path", name=None, path="elsewhere/new"),
    "the root directory": capture("request", "expected an absolute path below /", name=None, path="/"),
    "a file above a snapshot": capture("os", "letter.txt: Not a directory", name=None, path="MACHINE/letter.txt/new"),
    "a home with a null character": capture("request", "has a character that no path can have", home="MACHINE/a\0b"),
    "a label that is no text": capture("request", "label count is 3, expected a text", labels={"count": 3}),
    "another sandbox than before": capture(
        "state", "source_sandbox is crashed, wanted base", "force or recreate=if_changed", name="second"
    ),
    "other labels than before": capture(
        "state", "labels is {}, wanted {'team': 'ml'}", name="second", sandbox="crashed", labels={"team": "ml"}
    ),
    "a taken name": capture("state", "MACHINE/home/snapshots/foreign exists", name="foreign"),
    "a taken name, forced": capture("state", "MACHINE/home/snapshots/foreign exists", name="foreign", force=True),
    "a file in the place": capture("state", "is no directory", name="letter", force=True),
    "a symlink in the place": capture("state", "is no directory", name="link", force=True),
    "a damaged snapshot": capture("state", "is damaged", "upper.ext4 has 4096 bytes", name="damaged"),
    "an interrupted capture": capture(
        "state", "what an interrupted capture left", "force replaces it", name="leftover"
    ),
    "a digest for a capture": capture("request", "digest", "state is present", digest=SECOND),
    "a name and a path": capture(None, "mutually exclusive", path="/srv/new"),
    "no sandbox named": capture(None, "sandbox", sandbox=None),
    "another digest than the task says": removal(
        "state", f"has the digest {SECOND}, wanted {FIRST}", name="second", digest=FIRST
    ),
    "children": removal("state", "a child", CHILD, "force removes it", name="first"),
    "children of one of several": removal("state", "nothing is removed", CHILD, digests=[SECOND, FIRST]),
    "a foreign directory": removal("state", "MACHINE/home/snapshots/foreign", name="foreign"),
    "a foreign directory, forced": removal("state", "MACHINE/home/snapshots/foreign", name="foreign", force=True),
    "the store itself, forced": removal("state", "holds no manifest.json", path="MACHINE/home/snapshots", force=True),
    "a symlink, forced": removal("state", "MACHINE/home/snapshots/link is", name="link", force=True),
    "what is left of a capture": removal("state", "interrupted capture", "force removes it", name="leftover"),
    "a digest that is none": removal("request", "'abc'", digest="abc"),
    "several digests and a name": removal(None, "mutually exclusive", name="first", digests=[SECOND]),
    "no selection": removal(None, "one of the following is required"),
    "strictness": inspection("integrity", "damaged/upper.ext4", "foreign holds no manifest.json", strict=True),
    "a name to look for with a slash": inspection("request", "'a/b'", name="a/b"),
    "no archive to inspect": inspection("state", "there is no archive at", archive="MACHINE/none.tar"),
    "a letter to inspect": inspection("format", archive="MACHINE/letter.txt"),
    "a name and an archive": inspection(None, "mutually exclusive", name="first", archive="MACHINE/chain.tar.zst"),
    "a letter in an archive's place": export("state", "is no archive; force replaces it", path="MACHINE/letter.txt"),
    "a directory in an archive's place": export("state", "no regular file", path="MACHINE/home", force=True),
    "a relative path of an archive": export("request", "path is ", "absolute", path="a.tar"),
    "a file above an archive": export("os", "letter.txt: Not a directory", path="MACHINE/letter.txt/a.tar"),
    "a file far above an archive": export("os", "letter.txt: Not a directory", path="MACHINE/letter.txt/a/b/c.tar"),
    "a path with a null character": export("request", "no path can have", path="MACHINE/a\0b.tar"),
    "a snapshot with a null character": export("request", "no path can have", snapshot="MACHINE/a\0b"),
    "too high a level": export("request", "level is 20, expected 1 to 19", level=20),
    "a negative number of threads": export("request", "threads is -1", threads=-1),
    "a damaged snapshot to export": export("integrity", "upper.ext4 has 4096 bytes", snapshot="damaged"),
    "a foreign directory to export": export("format", "holds no manifest.json", snapshot="foreign"),
    "a relative path of a snapshot": export("request", "'./second'", snapshot="./second"),
    "no snapshot named": export(None, "snapshot", snapshot=None),
    "a letter": install("format", path="MACHINE/letter.txt"),
    "a directory": install("state", "MACHINE/home is no regular file", path="MACHINE/home"),
    "a fifo": install("state", "MACHINE/fifo is no regular file", path="MACHINE/fifo"),
    "half an archive": install("format", path="MACHINE/half.tar.zst", place="MACHINE/home/snapshots"),
    "half a plain archive": install("format", path="MACHINE/half.tar", place="MACHINE/home/snapshots"),
    "another content than recorded": install(
        "integrity", "upper.ext4", path="MACHINE/corrupt.tar", place="MACHINE/home/snapshots"
    ),
    "another checksum": install(
        "integrity", "has the checksum sha256:", f"wanted {NOTHING}", checksum=NOTHING, place="MACHINE/home/snapshots"
    ),
    "a checksum that is none": install("request", "checksum", "'abc'", checksum="abc"),
    "another head": install(
        "integrity", f"has the head {CHAIN_HEAD}, wanted {NOTHING}", digest=NOTHING, place="MACHINE/home/snapshots"
    ),
    "an archive of G2": install("unsupported", "G2", path="MACHINE/g2.tar.zst"),
    "an archive of G3": install("unsupported", "G3", path="MACHINE/g3.msb"),
    "an installed name": install(
        "state",
        f"is snapshot {SECOND}",
        CHAIN_HEAD,
        "force replaces it",
        name="second",
        snapshots_dir="MACHINE/store",
        place="MACHINE/store",
    ),
    "an ancestor's name that is taken, forced": install(
        "state", CHAIN_ROOT_NAME, name="tip", force=True, place="MACHINE/home/snapshots"
    ),
    "a name to install with a slash": install("request", "'a/b'", name="a/b"),
    "another name than installed": install(
        "state", "is installed as 'second', wanted 'other'", name="other", digest=SECOND
    ),
    "a relative directory to index": Refusal("snapshot_index", {"dir": "shared"}, "request", ("dir is ", "absolute")),
}

# What an earlier task of a play may be about to make is no reason to refuse in check mode.
REFUSALS_OF_RUNS = {
    "no snapshot to export": export("state", "there is no snapshot at MACHINE/home/snapshots/none", snapshot="none"),
    "no digest to export": export("state", f"there is no snapshot {NOTHING}", snapshot=NOTHING),
    "no archive": install("state", "there is no archive at MACHINE/none.tar", path="MACHINE/none.tar"),
}


class Refused(NamedTuple):
    """What came of a refusal: its result, and what it changed."""

    result: Result
    changes: list[str]


@pytest.fixture(scope="module")
def world(directories: Callable[[], Path], new_ansible: Callable[[], Ansible]) -> Path:
    """A directory with a home full of obstacles, and archives of all kinds."""
    machine = directories()
    home = make_home(machine / "home")
    _add_sandboxes(home)
    run = new_ansible().play(
        task("snapshot", home=home, name="damaged", sandbox="base"),
        task("snapshot", home=home, name="leftover", sandbox="base"),
        task("snapshot", home=home, path=machine / "recorded", sandbox="base", labels={"for": "archives"}),
        task("snapshot_archive", home=home, snapshot=machine / "recorded", path=machine / "a.tar", state="exported"),
    )
    assert run.exit_status == 0, run.printed
    shutil.copytree(home / "snapshots/second", machine / "store/second")
    _put_obstacles(home / "snapshots")
    _add_archives(machine, (home / "sandboxes/base/upper.ext4").read_bytes()[:512])
    return machine


def _add_sandboxes(home: Path) -> None:
    for name, status in (("draining", "Draining"), ("paused", "Paused"), ("starting", "Starting"), ("odd", "stopped")):
        add_sandbox(home, name, status)
    add_sandbox(home, "unpinned", manifest_digest=None)
    add_sandbox(home, "volatile", image={"Oci": {"reference": "a", "root_disk": {"kind": "tmpfs"}}})
    uppers = {name: add_sandbox(home, name) for name in ("linked", "fifo", "directory", "empty")}
    for upper in uppers.values():
        upper.unlink()
    uppers["linked"].symlink_to(home / "sandboxes/base/upper.ext4")
    os.mkfifo(uppers["fifo"])
    uppers["directory"].mkdir()


def _put_obstacles(store: Path) -> None:
    os.truncate(store / "damaged/upper.ext4", 4096)
    (store / "leftover/manifest.json").unlink()
    (store / "foreign").mkdir()
    (store / "foreign/thesis.txt").write_text("irreplaceable", encoding="utf-8")
    (store / "letter").write_text("a letter", encoding="utf-8")
    (store / "link").symlink_to("second")
    (store / CHAIN_ROOT_NAME).mkdir()
    (store / CHAIN_ROOT_NAME / "file").touch()


def _add_archives(machine: Path, content: bytes) -> None:
    (machine / "letter.txt").write_text("a letter to a friend, which is no archive\n" * 100, encoding="utf-8")
    os.mkfifo(machine / "fifo")
    shutil.copy(CHAIN, machine / "chain.tar.zst")
    shutil.copy(DATA / "g2-archives/basic-0.6.7-zst.tar.zst", machine / "g2.tar.zst")
    shutil.copy(DATA / "g3-archives/basic-0.7.11-zst.msb", machine / "g3.msb")
    (machine / "half.tar.zst").write_bytes(CHAIN.read_bytes()[:-50])
    plain = (machine / "a.tar").read_bytes()
    (machine / "half.tar").write_bytes(plain[: len(plain) // 2])
    (machine / "corrupt.tar").write_bytes(plain.replace(content, bytes(len(content)), 1))


@pytest.fixture(scope="module")
def refused(world: Path, new_ansible: Callable[[], Ansible]) -> dict[tuple[str, bool], Refused]:
    """What came of every refusal, by its name and whether it was only checked."""
    found = {}
    ansible = new_ansible()
    for check, refusals in ((True, REFUSALS), (False, REFUSALS | REFUSALS_OF_RUNS)):
        tasks = [{**_task(refusal, world), "ignore_errors": True} for refusal in refusals.values()]
        before: Listing = list_tree(world)
        run = ansible.play(*tasks, check=check, watch=world)
        assert len(run.results) == len(tasks), run.printed
        for name, result, listing in zip(refusals, run.results, run.listings):
            found[name, check] = Refused(result, changes(before, listing))
            before = listing
    return found


def _task(refusal: Refusal, machine: Path) -> dict[str, Any]:
    options = {"home": "MACHINE/home", **refusal.options}
    wanted = {key: value for key, value in options.items() if value is not None}
    return task(refusal.module, **json.loads(json.dumps(wanted).replace("MACHINE", str(machine))))


@pytest.mark.parametrize(
    ("name", "check"),
    [(name, check) for name in REFUSALS for check in (True, False)] + [(name, False) for name in REFUSALS_OF_RUNS],
)
def test_it_is_refused_in_one_line_and_leaves_no_trace(
    refused: dict[tuple[str, bool], Refused], world: Path, name: str, check: bool
) -> None:
    refusal = (REFUSALS | REFUSALS_OF_RUNS)[name]
    result, changed = refused[name, check]
    place = "" if check else refusal.place.replace("MACHINE", str(world))
    assert [line for line in changed if not line.startswith((f"{place}: mtime", f"{place}: ctime"))] == []
    assert result["failed"], result
    assert result.get("error", {}).get("code") == refusal.code, result
    assert not result.get("changed")
    message = result["msg"]
    assert "\n" not in message
    assert not message.endswith(".")
    for words in refusal.words:
        assert words.replace("MACHINE", str(world)) in message


def test_the_root_directory_is_refused_in_its_other_spelling(ansible: Ansible, home: Path) -> None:
    result = ansible.run("snapshot", check=True, home=home, path="//", sandbox="base")
    assert result["error"]["code"] == "request"


def test_a_living_sandbox_is_not_captured_whatever_its_row_says(ansible: Ansible, machine: Path, home: Path) -> None:
    locks = home / "run/locks"
    locks.mkdir(parents=True)
    lock = locks / (hashlib.sha256(b"base").hexdigest()[:32] + ".lock")
    with lock.open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        before = list_tree(machine)
        result = ansible.run("snapshot", home=home, name="new", sandbox="base")
        difference = changes(before, list_tree(machine))
    assert result["error"]["code"] == "state"
    assert "sandbox base is alive or starting" in result["msg"]
    # A staging area came and went.
    assert {line.partition(": ")[0] for line in difference} == {f"{home}/snapshots"}
    assert sorted(os.listdir(home / "snapshots")) == ["child", "first", "second"]


def test_a_directory_that_another_process_has_locked_is_not_waited_for_for_ever(
    ansible: Ansible, machine: Path, home: Path
) -> None:
    fd = os.open(home / "snapshots", os.O_RDONLY)
    try:
        fcntl.flock(fd, fcntl.LOCK_EX)
        before = list_tree(machine)
        result = ansible.run("snapshot", home=home, name="new", sandbox="base", lock_timeout=0.1)
        assert changes(before, list_tree(machine)) == []
    finally:
        os.close(fd)
    assert result["error"]["code"] == "state"
    assert result["error"]["facts"]["waited_seconds"] == 0.1
    assert f"{home}/snapshots is locked by another process" in result["msg"]
