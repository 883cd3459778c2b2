# Copyright: (c) 2026, sandboxops contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a person sees: the output of the command lines, and the words in it."""

from __future__ import annotations

import json
from pathlib import Path

from real_ansible import Ansible, task
from sample_homes import CHILD, FIRST, SECOND


def lines(printed: str) -> list[str]:
    return [line.strip() for line in printed.splitlines()]


def test_check_and_diff_show_what_would_come(ansible: Ansible, machine: Path, home: Path) -> None:
    printed = ansible.play(
        task("snapshot", home=home, name="golden", sandbox="base", labels={"team": "ml"}),
        task("snapshot", home=home, digests=[FIRST, CHILD], state="absent"),
        task("snapshot_archive", home=home, state="exported", snapshot="second", path=machine / "a.tar.zst"),
        check=True,
    ).printed
    shown = lines(printed)
    for line in (
        "--- before",
        "+++ after",
        f'+    "path": "{home}/snapshots/golden",',
        '+    "source_sandbox": "base",',
        '+        "team": "ml"',
        f'-    "{home}/snapshots/child": "{CHILD}",',
        f'+    "head": "{SECOND}",',
        '+    "layout": "dense",',
        "changed: [localhost]",
    ):
        assert line in shown, printed
    assert "changed=3" in printed
    assert all(len(line) < 160 for line in shown)


def test_a_difference_is_shown_line_by_line(ansible: Ansible, home: Path) -> None:
    request = {"home": home, "name": "golden", "sandbox": "base"}
    ansible.run("snapshot", **request, labels={"team": "ml", "python": "3.11"})
    change = task("snapshot", **request, labels={"team": "ml", "python": "3.12"}, force=True)
    shown = lines(ansible.play(change, check=True).printed)
    assert [line for line in shown if line[:1] in "+-" and "python" in line] == [
        '-        "python": "3.11",',
        '+        "python": "3.12",',
    ]


def test_a_refusal_is_one_sentence(ansible: Ansible, home: Path) -> None:
    printed = ansible.play(task("snapshot", home=home, name="golden", sandbox="busy")).printed
    (line,) = [line for line in lines(printed) if line.startswith("[ERROR]")]
    assert line.endswith(
        "Module failed: sandbox 'busy' is Running, a capture needs one that is Stopped, Crashed or Created"
    )
    assert "Traceback" not in printed


def test_a_task_that_has_nothing_to_do_prints_no_diff(ansible: Ansible, home: Path) -> None:
    printed = ansible.play(task("snapshot", home=home, name="second", sandbox="crashed")).printed
    assert "ok: [localhost]" in printed
    assert "before" not in printed


def test_modules_run_from_the_command_line(ansible: Ansible, home: Path) -> None:
    run = ansible.ad_hoc("snapshot_info", home=home, name="second")
    assert run.exit_status == 0
    status, dummy, shown = run.printed.partition(" => ")
    assert status == "localhost | SUCCESS"
    assert json.loads(shown)["snapshots"][0]["digest"] == SECOND
