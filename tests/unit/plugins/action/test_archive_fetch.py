# Copyright: (c) 2026, sandboxops contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a host answers is judged: one that says something strange gets no further than an error."""

from __future__ import annotations

import base64
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

if sys.version_info < (3, 11):
    pytest.skip("actions run on the controller, whose ansible-core needs Python 3.11", allow_module_level=True)

from ansible_collections.sandboxops.microsandbox.plugins.action.archive_fetch import ActionModule
from ansible_collections.sandboxops.microsandbox.plugins.module_utils._core.digests import sha256_digest

CONTENT = b"content" * 1000
CHECKSUM = sha256_digest(CONTENT)


class Fetch(ActionModule):
    """The action with a host that gives these answers, by the part that it is asked for."""

    def __init__(self, dest: Path, answers: Mapping[str, Any], check_mode: bool, options: Mapping[str, Any]) -> None:
        arguments = {"src": "/srv/a", "dest": str(dest), **options}
        task = SimpleNamespace(
            args=arguments, check_mode=check_mode, async_val=0, no_log=False, delegate_to=None, action="archive_fetch"
        )
        loader = SimpleNamespace(path_dwim=lambda text: text)
        shell = SimpleNamespace(tmpdir="/nowhere")
        super().__init__(task, SimpleNamespace(_shell=shell), None, loader, None, None)
        self._answers = answers

    def execute(self, arguments: dict[str, Any], **part: Any) -> dict[str, Any]:
        return dict(self._answers[part["do"]])

    def _piece_to_write(self) -> tuple[str | None, bool]:
        return None, False


def fetch(
    dest: Path, probe: Mapping[str, Any], content: Any = None, check_mode: bool = False, **options: Any
) -> dict[str, Any]:
    answers = {"probe": {"src": "/srv/a", "checksum": CHECKSUM, "size_bytes": len(CONTENT), **probe}}
    answers["cut"] = {"transfer": {"content": content}}
    return Fetch(dest, answers, check_mode, options).run(task_vars={"inventory_hostname": "edge"})


def inline(content: bytes) -> str:
    return base64.b64encode(content).decode("ascii")


def test_a_host_that_answers_as_it_should_is_believed(tmp_path: Path) -> None:
    result = fetch(tmp_path / "a", {}, inline(CONTENT))
    assert not result.get("failed"), result
    assert tmp_path.joinpath("a").read_bytes() == CONTENT


@pytest.mark.parametrize(
    ("probe", "words"),
    [
        ({"checksum": None}, "checksum is 'None'"),
        ({"checksum": "../../x"}, "checksum is '../../x'"),
        ({"checksum": ["a"]}, "checksum is"),
        ({"size_bytes": None}, "size is 'None'"),
        ({"size_bytes": -1}, "size is '-1'"),
        ({"size_bytes": "many"}, "size is 'many'"),
    ],
)
def test_a_file_without_a_checksum_or_a_size_is_refused(tmp_path: Path, probe: dict[str, Any], words: str) -> None:
    result = fetch(tmp_path / "a", probe)
    assert (result["failed"], result["error"]["code"]) == (True, "format")
    assert words in result["msg"]
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("content", "code"),
    [
        ("", "state"),
        (inline(CONTENT[1:]), "state"),
        (inline(CONTENT + b"x"), "state"),
        (None, "state"),
        ("%%%", "format"),
        (5, "format"),
    ],
)
def test_a_piece_of_another_length_than_asked_for_is_refused(tmp_path: Path, content: Any, code: str) -> None:
    result = fetch(tmp_path / "a", {}, content)
    assert (result["failed"], result["error"]["code"]) == (True, code)
    assert list(tmp_path.iterdir()) == []


def test_a_host_does_not_say_what_the_wanted_checksum_is(tmp_path: Path) -> None:
    other = b"other content"
    probe = {"checksum": sha256_digest(other), "size_bytes": len(other)}
    result = fetch(tmp_path / "a", probe, inline(other), checksum=CHECKSUM)
    assert (result["failed"], result["error"]["code"]) == (True, "integrity")
    assert list(tmp_path.iterdir()) == []


def test_check_mode_looks_for_room_as_a_run_does(tmp_path: Path) -> None:
    point = tmp_path / "small"
    point.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=1m", "tmpfs", str(point)]
    if subprocess.run(mount, check=False, capture_output=True).returncode != 0:
        pytest.skip("a small file system needs the right to mount one")
    try:
        dest = point / "new/a"
        enough = fetch(dest, {}, check_mode=True)
        assert (enough["changed"], enough.get("failed")) == (True, None)
        for is_check in (True, False):
            result = fetch(dest, {"size_bytes": 1 << 20}, check_mode=is_check)
            assert (result["failed"], result["error"]["facts"]["needed_bytes"]) == (True, 1 << 20)
        assert list(point.iterdir()) == []
    finally:
        subprocess.run(["umount", point], check=True)
