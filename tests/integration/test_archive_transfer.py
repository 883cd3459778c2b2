# Copyright: (c) 2026, sandboxops contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Files that the real Ansible brings to a host, from the controller and from a server."""

from __future__ import annotations

import contextlib
import hashlib
import os
import random
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from file_listing import list_tree
from four_runs import run_four_times
from real_ansible import Ansible, Run, task
from sample_homes import lose_bits

sys.path.insert(0, str(Path(__file__).parents[1] / "unit/plugins/module_utils"))

from range_server import RangeServer

MIB = 1 << 20
CONTENT = random.Random(1).randbytes(3 * MIB + 4321)  # noqa: S311  no secret
CHECKSUM = "sha256:" + hashlib.sha256(CONTENT).hexdigest()
WRONG = "sha256:" + "0" * 64
PARTIAL = ".sandboxops-partial-"
SMALL_PIECES = {"piece_bytes": MIB}


@pytest.fixture
def src(directories: Callable[[], Path]) -> Path:
    """A file on the controller."""
    path = directories() / "golden.tar.zst"
    path.write_bytes(CONTENT)
    return path


@pytest.fixture
def dest(machine: Path) -> Path:
    return machine / "new/deep/golden.tar.zst"


@pytest.fixture
def server() -> Iterator[RangeServer]:
    with RangeServer(CONTENT).running() as server:
        yield server


def partials(directory: Path) -> list[Path]:
    return sorted(directory.rglob(f"{PARTIAL}*"))


@pytest.mark.parametrize("pieces", [{}, SMALL_PIECES], ids=["one-piece", "pieces"])
def test_a_file_comes_from_the_controller(
    ansible: Ansible, machine: Path, src: Path, dest: Path, pieces: dict[str, int]
) -> None:
    result = run_four_times(ansible, machine, "archive_transfer", src=src, dest=dest, checksum=CHECKSUM, **pieces)
    assert dest.read_bytes() == CONTENT
    assert dest.stat().st_mode & 0o777 == 0o600
    assert dest.parent.stat().st_mode & 0o777 == 0o700
    assert (result["size_bytes"], result["checksum"]) == (len(CONTENT), CHECKSUM)
    assert (result["bytes"]["received"], result["bytes"]["resumed"]) == (len(CONTENT), 0)
    assert "transfer" not in result
    assert "part" not in result["invocation"]["module_args"]
    assert [path.name for path in dest.parent.iterdir()] == [dest.name]


def test_a_file_comes_from_a_server(ansible: Ansible, machine: Path, server: RangeServer, dest: Path) -> None:
    options = {"url": f"{server.url}/golden.tar.zst", "dest": dest, "checksum": CHECKSUM, "mode": "0640"}
    result = run_four_times(ansible, machine, "archive_transfer", **options)
    assert dest.read_bytes() == CONTENT
    assert dest.stat().st_mode & 0o777 == 0o640
    assert result["bytes"]["received"] == server.sent_bytes == len(CONTENT)
    assert len(server.requests) == 1  # neither check mode nor a second run asks the server


def test_a_file_without_a_byte_comes_too(ansible: Ansible, machine: Path, directories: Callable[[], Path]) -> None:
    src = directories() / "empty"
    src.touch()
    checksum = "sha256:" + hashlib.sha256().hexdigest()
    run_four_times(ansible, machine, "archive_transfer", src=src, dest=machine / "empty", checksum=checksum)
    assert (machine / "empty").read_bytes() == b""


def test_a_file_that_is_there_is_replaced_and_its_mode_kept_as_asked(
    ansible: Ansible, machine: Path, src: Path, dest: Path
) -> None:
    dest.parent.mkdir(parents=True)
    dest.write_bytes(b"old")
    run_four_times(ansible, machine, "archive_transfer", src=src, dest=dest, checksum=CHECKSUM)
    assert dest.read_bytes() == CONTENT
    result = run_four_times(ansible, machine, "archive_transfer", src=src, dest=dest, checksum=CHECKSUM, mode="0644")
    assert result["steps"] == [f"set the mode of {dest} to 0644"]
    assert result["bytes"]["received"] == 0


def test_bits_that_the_disk_lost_are_found_on_request(ansible: Ansible, src: Path, dest: Path) -> None:
    options = {"src": src, "dest": dest, "checksum": CHECKSUM}
    ansible.run("archive_transfer", **options)
    lose_bits(dest, 0.5)
    believed = ansible.run("archive_transfer", **options)
    assert (believed["changed"], believed["bytes"]["read"]) == (False, 0)
    result = ansible.run("archive_transfer", verify=True, **options)
    assert result["steps"] == [f"bring {CHECKSUM} from {src} to {dest}"]
    assert dest.read_bytes() == CONTENT
    again = ansible.run("archive_transfer", verify=True, **options)
    assert (again["changed"], again["bytes"]["read"]) == (False, len(CONTENT))


def test_a_file_and_what_was_left_of_it_are_removed(ansible: Ansible, machine: Path, src: Path) -> None:
    dest = machine / "a"
    left = machine / f"{PARTIAL}{hashlib.sha256(b'a').hexdigest()[:16]}-{'0' * 64}"
    other = machine / f"{PARTIAL}{hashlib.sha256(b'b').hexdigest()[:16]}-{'0' * 64}"
    for path in (dest, left, other):
        path.write_bytes(b"x")
    result = run_four_times(ansible, machine, "archive_transfer", dest=dest, state="absent")
    assert result["steps"] == [f"remove {dest}", f"remove {left}"]
    assert [path.name for path in machine.iterdir()] == [other.name]


def test_a_relative_path_is_in_the_home(ansible: Ansible, machine: Path, src: Path) -> None:
    result = ansible.run("archive_transfer", src=src, dest="a", checksum=CHECKSUM, home=machine / "home")
    assert result["path"] == str(machine / "home/.sandboxops-transfer/a")
    assert Path(result["path"]).read_bytes() == CONTENT


def test_a_transfer_goes_on_with_what_is_there(ansible: Ansible, machine: Path, src: Path, dest: Path) -> None:
    name = _leave(dest, CONTENT[: 2 * MIB])
    stale = dest.parent / (name.name[:-64] + "0" * 64)
    stale.write_bytes(b"of another release")
    result = ansible.run("archive_transfer", src=src, dest=dest, checksum=CHECKSUM, **SMALL_PIECES)
    assert dest.read_bytes() == CONTENT
    assert (result["bytes"]["received"], result["bytes"]["resumed"]) == (len(CONTENT) - 2 * MIB, 2 * MIB)
    assert partials(machine) == []


def test_what_is_there_of_something_else_is_thrown_away(ansible: Ansible, machine: Path, src: Path, dest: Path) -> None:
    _leave(dest, b"x" * (2 * MIB))
    result = ansible.run("archive_transfer", src=src, dest=dest, checksum=CHECKSUM, **SMALL_PIECES)
    assert dest.read_bytes() == CONTENT
    assert (result["bytes"]["received"], result["bytes"]["resumed"]) == (len(CONTENT), 0)


def test_another_file_than_the_wanted_one_does_not_leave_the_controller(
    ansible: Ansible, machine: Path, src: Path, dest: Path
) -> None:
    before = list_tree(machine)
    for options, what in (({"checksum": WRONG}, "checksum"), ({"checksum": CHECKSUM, "size_bytes": 17}, "size")):
        for check in (True, False):
            result = ansible.run("archive_transfer", src=src, dest=dest, check=check, **options)
            assert result["error"]["code"] == "integrity"
            assert f"{src} on the controller has the {what}" in result["msg"]
    assert list_tree(machine) == before


def test_other_content_than_the_wanted_one_leaves_nothing(ansible: Ansible, machine: Path, server: RangeServer) -> None:
    dest = machine / "a"
    dest.write_bytes(b"old")
    result = ansible.run("archive_transfer", url=f"{server.url}/a", dest=dest, checksum=WRONG)
    assert result["error"] == {
        "code": "integrity",
        "facts": {"actual": CHECKSUM, "expected": WRONG, "source": f"{server.url}/a"},
    }
    assert [(path.name, path.read_bytes()) for path in machine.iterdir()] == [("a", b"old")]


def test_room_is_looked_for_before_a_byte_moves(ansible: Ansible, machine: Path, src: Path, dest: Path) -> None:
    for check in (True, False):
        result = ansible.run(
            "archive_transfer", src=src, dest=dest, checksum=CHECKSUM, needs_bytes=1 << 60, check=check
        )
        assert result["error"]["code"] == "state"
        assert result["error"]["facts"]["needed_bytes"] == (1 << 60) + len(CONTENT)
    assert list(machine.iterdir()) == []


def test_a_file_that_is_yet_to_come_is_a_warning_in_check_mode(ansible: Ansible, machine: Path, dest: Path) -> None:
    options = {"src": machine / "missing", "dest": dest, "checksum": CHECKSUM}
    result = ansible.run("archive_transfer", check=True, **options)
    assert result["changed"]
    result = ansible.run("archive_transfer", **options)
    assert result["error"]["code"] == "state"
    assert "there is no file" in result["msg"]


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"src": "/x", "url": "http://h/x", "checksum": CHECKSUM}, "mutually exclusive"),
        ({"checksum": CHECKSUM}, "src, url"),
        ({"url": "http://h/x"}, "checksum"),
        ({"url": "ftp://h/x", "checksum": CHECKSUM}, "no http:// or https:// URL"),
        ({"url": "http://h/x", "checksum": "md5:1"}, "checksum is"),
        ({"url": "http://h/x", "checksum": CHECKSUM, "mode": "rwx"}, "mode is"),
        ({"url": "http://h/x", "checksum": CHECKSUM, "timeout": 0}, "timeout is"),
        ({"url": "http://h/x", "checksum": CHECKSUM, "retries": -1}, "retries is"),
        ({"url": "http://h/x?a=1", "url_query": "b=2", "checksum": CHECKSUM}, "url_query and url"),
        ({"url": "http://h/x", "checksum": CHECKSUM, "part": {"do": "append"}}, "a task has no use for it"),
    ],
)
def test_a_task_that_makes_no_sense_is_refused(
    ansible: Ansible, machine: Path, options: dict[str, object], words: str
) -> None:
    result = ansible.run("archive_transfer", dest=machine / "a", **options)
    assert result["failed"]
    assert words in result["msg"]
    assert list(machine.iterdir()) == []


def test_no_secret_is_printed_or_logged(
    ansible: Ansible, machine: Path, server: RangeServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    server.user = ("op", "WORD-SECRET")
    url = server.url.replace("//", "//op:WORD-SECRET@") + "/a?sig=QUERY-SECRET"
    # Not in the playbook, whose lines Ansible itself shows when a task fails.
    monkeypatch.setenv("THE_URL", url)
    monkeypatch.setenv("THE_OTHER_URL", url.replace(server.url.rpartition(":")[2], "1"))
    monkeypatch.setenv("THE_TOKEN", "HEADER-SECRET")
    secrets = {
        "url": "{{ lookup('env', 'THE_URL') }}",
        "url_headers": {"X-Token": "{{ lookup('env', 'THE_TOKEN') }}"},
        "retries": 0,
    }
    asked = task("archive_transfer", dest=machine / "a", checksum=CHECKSUM, **secrets)
    refused = task("archive_transfer", dest=machine / "b", checksum=WRONG, **secrets)
    away = {**secrets, "url": "{{ lookup('env', 'THE_OTHER_URL') }}"}
    unreachable = task("archive_transfer", dest=machine / "c", checksum=CHECKSUM, **away)
    run = ansible.play(asked, {**refused, "ignore_errors": True}, {**unreachable, "ignore_errors": True})
    good, bad, gone = run.results
    assert (good["failed"], bad["error"]["code"], gone["error"]["code"]) == (False, "integrity", "state")
    assert (machine / "a").read_bytes() == CONTENT
    assert server.requests[0].path == "/a?sig=QUERY-SECRET"
    assert server.requests[0].token == "HEADER-SECRET"  # noqa: S105  made up
    assert "SECRET" not in run.printed + repr(run.results)


def test_no_secret_of_a_url_that_is_not_asked_for_is_logged(
    ansible: Ansible, machine: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("THE_URL", "http://op:WORD-SECRET@host/a?X-Amz-Signature=QUERY-SECRET")
    options = {"dest": machine / "a", "checksum": CHECKSUM, "url": "{{ lookup('env', 'THE_URL') }}"}
    removed = task("archive_transfer", state="absent", **options)
    ambiguous = {**task("archive_transfer", src=machine / "b", **options), "ignore_errors": True}
    unknown = {**task("archive_transfer", state="there", **options), "ignore_errors": True}
    run = ansible.play(removed, ambiguous, unknown)
    assert [result["failed"] for result in run.results] == [False, True, True]
    assert run.results[0]["invocation"]["module_args"]["url"] == "http://host/a"
    assert "SECRET" not in run.printed + repr(run.results)


def test_a_header_that_cannot_be_sent_is_an_error_that_does_not_show_it(
    ansible: Ansible, machine: Path, server: RangeServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("THE_TOKEN", "HEADER-SECRET")
    headers = {"Authorization": "Bearer {{ lookup('env', 'THE_TOKEN') }}\n"}
    result = ansible.run(
        "archive_transfer", url=f"{server.url}/a", url_headers=headers, dest=machine / "a", checksum=CHECKSUM
    )
    assert result["error"] == {"code": "request", "facts": {"option": "url_headers"}}
    assert "'Authorization'" in result["msg"]
    assert "SECRET" not in repr(result)
    assert list(machine.iterdir()) == []


def test_certificates_that_are_missing_are_named_at_once(ansible: Ansible, machine: Path) -> None:
    missing = machine / "missing.pem"
    result = ansible.run(
        "archive_transfer", url="https://127.0.0.1:1/a", ca_path=missing, dest=machine / "a", checksum=CHECKSUM
    )
    assert result["error"] == {"code": "state", "facts": {"path": str(missing)}}
    assert list(machine.iterdir()) == []


def test_a_server_that_drops_connections_is_asked_for_the_rest(
    ansible: Ansible, machine: Path, server: RangeServer
) -> None:
    server.sends = [MIB, MIB]
    result = ansible.run("archive_transfer", url=f"{server.url}/a", dest=machine / "a", checksum=CHECKSUM)
    assert (machine / "a").read_bytes() == CONTENT
    assert result["bytes"]["received"] == server.sent_bytes == len(CONTENT)


def test_a_server_that_falls_silent_fails_the_task_and_the_next_run_goes_on(
    ansible: Ansible, machine: Path, server: RangeServer
) -> None:
    server.sends, server.stalls = [2 * MIB], True
    options = {"url": f"{server.url}/a", "dest": machine / "a", "checksum": CHECKSUM, "timeout": 5, "retries": 0}
    failed = ansible.run("archive_transfer", **options)
    assert (failed["error"]["code"], failed["msg"]) == ("state", f"{server.url}/a sent no byte for 5 seconds")
    assert [path.stat().st_size for path in partials(machine)] == [2 * MIB]
    result = ansible.run("archive_transfer", **options)
    assert (result["bytes"]["received"], result["bytes"]["resumed"]) == (len(CONTENT) - 2 * MIB, 2 * MIB)
    assert (machine / "a").read_bytes() == CONTENT


def test_a_long_download_says_how_far_it_is(ansible: Ansible, machine: Path, server: RangeServer) -> None:
    server.bytes_per_second = len(CONTENT) // 14
    run = ansible.play(
        task("archive_transfer", url=f"{server.url}/a", dest=machine / "golden.tar.zst", checksum=CHECKSUM)
    )
    (result,) = run.results
    assert not result["failed"], result
    assert (machine / "golden.tar.zst").read_bytes() == CONTENT
    pattern = r"^\[localhost\] archive golden\.tar\.zst \d+ % of 3\.00 MiB, [0-9.]+ KiB/s, \d+ s left$"
    assert re.search(pattern, run.printed, re.MULTILINE), run.printed
    assert result["bytes"]["received"] >= len(CONTENT)
    assert len(result["steps"]) == 1


def test_a_long_download_from_a_server_without_ranges_ends_and_says_how_far_it_is(
    ansible: Ansible, machine: Path, server: RangeServer
) -> None:
    server.has_ranges, server.bytes_per_second = False, len(CONTENT) // 14
    options = {"url": f"{server.url}/a", "dest": machine / "golden.tar.zst", "checksum": CHECKSUM}
    run = ansible.play(task("archive_transfer", **options), vars={"microsandbox_progress_interval": 3})
    (result,) = run.results
    assert not result["failed"], result
    assert (machine / "golden.tar.zst").read_bytes() == CONTENT
    # What a first run was content with, the answer that it cannot be gone on with, and everything.
    assert [request.range is None for request in server.requests] == [True, False, True]
    pattern = r"^\[localhost\] archive golden\.tar\.zst: receiving \d+ % of 3\.00 MiB, [0-9.]+ KiB/s, \d+ s left$"
    assert re.search(pattern, run.printed, re.MULTILINE), run.printed
    assert result["bytes"]["received"] > len(CONTENT)
    assert result["bytes"]["written"] == result["bytes"]["received"]
    assert len(result["steps"]) == 1
    assert "part" not in result["invocation"]["module_args"]
    assert [path.name for path in machine.iterdir()] == ["golden.tar.zst"]


def test_a_silent_server_is_told_from_a_slow_one(ansible: Ansible, machine: Path, server: RangeServer) -> None:
    server.sends, server.stalls = [MIB], True
    options = {"dest": machine / "golden.tar.zst", "checksum": CHECKSUM, "timeout": 14, "retries": 1}
    run = ansible.play(task("archive_transfer", url=f"{server.url}/a", **options))
    assert not run.results[0]["failed"], run.results
    assert re.search(r"^\[localhost\] no byte moved for \d+ s, archive golden\.tar\.zst", run.printed, re.MULTILINE)


def test_a_run_that_is_killed_is_taken_up_by_the_next(ansible: Ansible, machine: Path, server: RangeServer) -> None:
    server.bytes_per_second = MIB
    options = {"url": f"{server.url}/a", "dest": machine / "a", "checksum": CHECKSUM}
    with ansible.started(task("archive_transfer", **options)) as process:
        deadline = time.monotonic() + 30
        while not any(path.stat().st_size >= MIB for path in partials(machine)):
            assert time.monotonic() < deadline
            time.sleep(0.05)
        _kill_all(process.pid)
    server.bytes_per_second = None
    result = ansible.run("archive_transfer", **options)
    assert (machine / "a").read_bytes() == CONTENT
    assert result["bytes"]["resumed"] >= MIB
    assert result["bytes"]["received"] + result["bytes"]["resumed"] == len(CONTENT)


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can become somebody else")
def test_a_file_comes_to_another_user(ansible: Ansible, machine: Path, src: Path) -> None:
    machine.chmod(0o777)
    run = _as_nobody(ansible, task("archive_transfer", src=src, dest=machine / "a", checksum=CHECKSUM, **SMALL_PIECES))
    assert run.exit_status == 0, run.printed
    assert (machine / "a").read_bytes() == CONTENT
    assert (machine / "a").owner() == "nobody"
    assert run.results[0]["bytes"]["received"] == len(CONTENT)


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can mount")
def test_a_full_file_system_is_an_error_with_both_sides(ansible: Ansible, machine: Path, src: Path) -> None:
    small = machine / "small"
    small.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=2m", "tmpfs", small], check=True)
    try:
        result = ansible.run("archive_transfer", src=src, dest=small / "a", checksum=CHECKSUM)
        assert result["error"]["code"] == "state"
        assert result["error"]["facts"]["needed_bytes"] == len(CONTENT)
        assert result["error"]["facts"]["free_bytes"] <= 2 * MIB
        assert list(small.iterdir()) == []
    finally:
        subprocess.run(["umount", small], check=True)


def _leave(dest: Path, content: bytes) -> Path:
    """Leave what an interrupted transfer leaves."""
    dest.parent.mkdir(parents=True)
    name = f"{PARTIAL}{hashlib.sha256(dest.name.encode()).hexdigest()[:16]}-{CHECKSUM[7:]}"
    path = dest.parent / name
    path.write_bytes(content)
    return path


def _kill_all(root: int) -> None:
    """Kill a process and all that descend from it, in whatever sessions they are."""
    parents = {}
    for entry in Path("/proc").iterdir():
        if entry.name.isdecimal():
            with contextlib.suppress(FileNotFoundError, ProcessLookupError):
                parents[int(entry.name)] = int((entry / "stat").read_bytes().rpartition(b")")[2].split()[1])
    found = {root}
    while new := {pid for pid, parent in parents.items() if parent in found} - found:
        found |= new
    for pid in found:
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)


def _as_nobody(ansible: Ansible, *tasks: dict[str, object]) -> Run:
    """Run tasks as an unprivileged user, with a Python that he may run."""
    ansible.use(Path("/usr/bin/python3"))
    keywords = {"become": True, "become_user": "nobody", "become_method": "su"}
    return ansible.play(*tasks, **keywords, vars={"ansible_become_flags": "-s /bin/sh"})
