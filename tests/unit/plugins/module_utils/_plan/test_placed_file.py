# Copyright: (c) 2026, sandboxops contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a transfer has to change."""

from __future__ import annotations

import pytest
from ansible_collections.sandboxops.microsandbox.plugins.module_utils._observe.placed_file import PlacedFile
from ansible_collections.sandboxops.microsandbox.plugins.module_utils._plan.placed_file import (
    PutFile,
    RemoveFile,
    SetMode,
    WantedFile,
    plan_absence,
    plan_file,
)

ONE = "sha256:" + "1" * 64
OTHER = "sha256:" + "2" * 64
WANTED = WantedFile("/srv/a", ONE, 10, 0o600)


@pytest.mark.parametrize(
    ("found", "steps"),
    [
        (None, (PutFile(WANTED, "there"),)),
        (PlacedFile(10, 0o600, OTHER), (PutFile(WANTED, "there"),)),
        (PlacedFile(11, 0o600, None), (PutFile(WANTED, "there"),)),
        (PlacedFile(10, 0o644, ONE), (SetMode("/srv/a", 0o600),)),
        (PlacedFile(10, 0o600, ONE), ()),
    ],
)
def test_a_file_is_brought_unless_it_is_there(found: PlacedFile | None, steps: tuple[object, ...]) -> None:
    plan = plan_file(WANTED, found, "there")
    assert plan.steps == steps
    assert (plan.before == plan.after) == (not steps)


def test_steps_read_as_sentences() -> None:
    assert str(PutFile(WANTED, "http://h/a")) == f"bring {ONE} from http://h/a to /srv/a"
    assert str(SetMode("/srv/a", 0o64)) == "set the mode of /srv/a to 0064"
    assert str(RemoveFile("/srv/a")) == "remove /srv/a"


@pytest.mark.parametrize(
    ("exists", "partials", "paths"),
    [
        (False, [], []),
        (True, [], ["/srv/a"]),
        (False, ["/srv/p"], ["/srv/p"]),
        (True, ["/srv/p"], ["/srv/a", "/srv/p"]),
    ],
)
def test_all_that_is_there_of_a_file_is_removed(exists: bool, partials: list[str], paths: list[str]) -> None:
    plan = plan_absence("/srv/a", exists, partials)
    assert [str(step) for step in plan.steps] == [f"remove {path}" for path in paths]
