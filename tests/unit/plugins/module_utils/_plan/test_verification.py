# Copyright: (c) 2026, sandboxops contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which snapshots come next, as tables."""

from __future__ import annotations

from typing import Any

import pytest
from ansible_collections.sandboxops.microsandbox.plugins.module_utils._core.errors import RequestError
from ansible_collections.sandboxops.microsandbox.plugins.module_utils._formats.verification_record import Verification
from ansible_collections.sandboxops.microsandbox.plugins.module_utils._plan.verification import (
    Candidate,
    Rotation,
    choose_due,
    next_due,
    parse_rotation,
    remember,
)

NOW = "2026-11-21T00:00:00Z"
ALL = Rotation(100, 0, 7)


def on(day: int, state: str = "verified") -> Verification:
    return Verification(state, f"2026-11-{day:02d}T00:00:00Z")


def store(names: str, size: int = 10) -> list[Candidate]:
    return [Candidate(name, size) for name in names]


@pytest.mark.parametrize(
    ("known", "rotation", "chosen"),
    [
        ({}, ALL, "abcd"),
        ({}, Rotation(0, 0, 7), ""),
        ({}, Rotation(1, 0, 7), "a"),
        ({}, Rotation(50, 0, 7), "ab"),
        ({}, Rotation(51, 0, 7), "abc"),
        ({"a": on(1), "b": on(2)}, Rotation(75, 0, 7), "cda"),
        ({"a": on(3), "b": on(2), "c": on(1), "d": on(4)}, ALL, "cbad"),
        ({"a": on(20), "b": on(14), "c": on(15)}, ALL, "db"),
        ({name: on(20) for name in "abcd"}, ALL, ""),
        ({name: on(20) for name in "abcd"}, Rotation(25, 0, 0), "a"),
        ({}, Rotation(100, 25, 7), "ab"),
        ({}, Rotation(100, 5, 7), "a"),
        ({"a": on(20, "damaged")}, Rotation(25, 0, 7), "ab"),
        ({"a": on(20, "damaged"), "c": on(1, "damaged")}, Rotation(25, 5, 7), "acb"),
        ({"a": on(20, "damaged")}, Rotation(0, 0, 7), ""),
        ({"gone": on(1)}, ALL, "abcd"),
    ],
)
def test_the_least_recently_verified_share_is_chosen(
    known: dict[str, Verification], rotation: Rotation, chosen: str
) -> None:
    assert choose_due(store("dcba"), known, rotation, NOW) == tuple(chosen)


def test_every_snapshot_gets_its_turn() -> None:
    known: dict[str, Verification] = {}
    turns = []
    for day in range(1, 7):
        now = f"2026-11-{day:02d}T00:00:00Z"
        due = choose_due(store("abcdef"), known, Rotation(30, 0, 0), now)
        turns.append("".join(due))
        known = remember(known, "abcdef", dict.fromkeys(due, "verified"), now)
    assert turns == ["ab", "cd", "ef", "ab", "cd", "ef"]


def test_what_is_gone_is_forgotten() -> None:
    assert remember({"a": on(1), "b": on(2)}, ["b"], {}, NOW) == {"b": on(2)}


def test_damage_keeps_the_time_of_its_discovery_until_it_is_repaired() -> None:
    known = {"a": on(1, "damaged")}
    assert remember(known, ["a"], {"a": "damaged"}, NOW) == known
    assert remember(known, ["a"], {"a": "verified"}, NOW) == {"a": on(21)}
    assert remember({"a": on(1)}, ["a"], {"a": "damaged"}, NOW) == {"a": on(21, "damaged")}


def test_the_oldest_verification_says_when_the_next_is_due() -> None:
    assert next_due([on(5), on(3), on(1, "damaged")], 7) == "2026-11-10T00:00:00Z"
    assert next_due([on(1, "damaged")], 7) is None


def test_a_share_is_read_from_the_texts_of_a_survey() -> None:
    assert parse_rotation("10", "4096", "30") == Rotation(10, 4096, 30)


@pytest.mark.parametrize(
    "values", [("x", 0, 7), (None, 0, 7), (-1, 0, 7), (101, 0, 7), (10, -1, 7), (10, 0, -1), (10, 0, 10**9)]
)
def test_a_share_that_is_none_is_refused(values: tuple[Any, Any, Any]) -> None:
    with pytest.raises(RequestError, match=r"verify_(percent|max_bytes|after_days) is .*, expected 0 "):
        parse_rotation(*values)
