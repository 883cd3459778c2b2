# Copyright: (c) 2026, sandboxops contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Lines go where they are read, and into no document."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

if sys.version_info < (3, 11):
    pytest.skip("actions run on the controller, whose ansible-core needs Python 3.11", allow_module_level=True)

_MODULE = "ansible_collections.sandboxops.microsandbox.plugins.plugin_utils.output"


def printed(collections_path: Path, callback: str, delegate: str | None = None) -> tuple[str, str]:
    """Return what is printed, and what as errors, of a line of a play with that callback."""
    environment = {name: value for name, value in os.environ.items() if not name.startswith("ANSIBLE_")}
    environment |= {"PYTHONPATH": str(collections_path), "ANSIBLE_STDOUT_CALLBACK": callback, "ANSIBLE_NOCOLOR": "true"}
    program = f"from {_MODULE} import print_line; print_line('host1', {delegate!r}, 'hashing')"
    done = subprocess.run(
        [sys.executable, "-c", program], env=environment, capture_output=True, text=True, check=True, timeout=60
    )
    return done.stdout, done.stderr


@pytest.mark.parametrize("callback", ["default", "ansible.builtin.default", "minimal", "awx_display"])
def test_a_line_goes_where_people_look(collections_path: Path, callback: str) -> None:
    assert printed(collections_path, callback) == ("[host1] hashing\n", "")


@pytest.mark.parametrize("callback", ["json", "ansible.posix.json", "ansible.posix.jsonl", "our.own.as_json"])
def test_a_line_stays_out_of_a_document(collections_path: Path, callback: str) -> None:
    assert printed(collections_path, callback) == ("", "[host1] hashing\n")


def test_a_line_says_who_does_the_task_instead(collections_path: Path) -> None:
    assert printed(collections_path, "default", "builder") == ("[host1 -> builder] hashing\n", "")
