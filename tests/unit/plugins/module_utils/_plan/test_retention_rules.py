# Copyright: (c) 2026, sandboxops contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a retention may be told, and what is refused before it can do harm."""

from __future__ import annotations

from typing import Any

import pytest
from ansible_collections.sandboxops.microsandbox.plugins.module_utils._core.errors import RequestError
from ansible_collections.sandboxops.microsandbox.plugins.module_utils._plan.retention_rules import (
    GroupKey,
    KeepRules,
    LabelSelector,
    ListedSnapshot,
    Selection,
    parse_group_keys,
    parse_keep_rules,
    parse_label_selectors,
)


def snapshot(**changes: Any) -> ListedSnapshot:
    values: dict[str, Any] = {
        "name": "golden-2026-11",
        "digest": "sha256:a",
        "parent": None,
        "created_at": "2026-11-20T12:00:00+00:00",
        "labels": {"team": "ml", "note": ""},
        "source_sandbox": "base",
        "image_reference": "tiny:1",
        "allocated_bytes": 4096,
        **changes,
    }
    return ListedSnapshot(**values)


@pytest.mark.parametrize(
    ("selection", "matches"),
    [
        ({"labels": ["team=ml"]}, True),
        ({"labels": ["team"]}, True),
        ({"labels": ["note="]}, True),
        ({"labels": ["team="]}, False),
        ({"labels": ["team=m"]}, False),
        ({"labels": ["Team=ml"]}, False),
        ({"labels": ["team=ml", "owner"]}, False),
        ({"name": "golden-*"}, True),
        ({"name": "golden-2026-1[01]"}, True),
        ({"name": "[!x]*-11"}, True),
        ({"name": "[!.]*", "labels": ["team=ml"]}, True),
        ({"name": "golden"}, False),
        ({"name": "Golden-*"}, False),
        ({"source_sandbox": "base"}, True),
        ({"source_sandbox": "bas*"}, False),
        ({"name": "golden-*", "source_sandbox": "other"}, False),
        ({"name": "*", "labels": ["team=ml"]}, True),
        ({"name": "", "source_sandbox": "", "labels": ["team=ml"]}, True),
    ],
)
def test_a_selection_holds_all_at_once(selection: dict[str, Any], matches: bool) -> None:
    labels = parse_label_selectors(selection.pop("labels", []), "labels")
    assert Selection(labels, **selection).matches(snapshot()) is matches


@pytest.mark.parametrize(
    "selection",
    [
        {},
        {"source_sandbox": ""},
        *({"name": name} for name in ("", "*", "*?*", "[!.]*", "*[a-z0-9]?", "[!]]*", "[]a]*", "[*]", "[a][b]*")),
    ],
)
def test_a_selection_that_says_nothing_is_refused(selection: dict[str, Any]) -> None:
    with pytest.raises(RequestError, match="the selection says nothing about whose snapshots may be removed"):
        Selection(**selection)


def test_label_selectors_are_read_up_to_the_first_equals_sign() -> None:
    assert parse_label_selectors(["pinned", "a=b=c", " k = v "], "labels") == (
        LabelSelector("pinned", None),
        LabelSelector("a", "b=c"),
        LabelSelector("k", "v"),
    )


@pytest.mark.parametrize("text", ["", "=ml", " =ml"])
def test_a_label_selector_without_a_key_is_refused(text: str) -> None:
    with pytest.raises(RequestError, match="labels has .*, expected KEY or KEY=VALUE"):
        parse_label_selectors([text], "labels")


def test_keep_rules_are_read() -> None:
    rules = parse_keep_rules(3, "2h", ["pinned"], allow_empty=True)
    assert rules == KeepRules(3, 7_200 * 10**9, (LabelSelector("pinned", None),), allow_empty=True)
    assert parse_keep_rules(0, None, [], allow_empty=True).last == 0


@pytest.mark.parametrize("allow_empty", [False, True])
def test_no_keep_rule_is_refused_whatever_is_allowed(allow_empty: bool) -> None:
    with pytest.raises(RequestError, match="there is no keep rule"):
        parse_keep_rules(None, "", [], allow_empty)


def test_a_negative_count_is_refused() -> None:
    with pytest.raises(RequestError, match="keep last is -1"):
        parse_keep_rules(-1, None, [], allow_empty=False)


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("image", "tiny:1"),
        ("source_sandbox", "base"),
        ("label:team", "ml"),
        ("label:note", ""),
        ("label:other", None),
        ("name:[a-z]+", "golden"),
        ("name:([a-z]+)-20", "golden"),
        ("name:(web)?", None),
        ("name:2026", None),
    ],
)
def test_a_group_key_finds_what_a_snapshot_has(key: str, value: str | None) -> None:
    (parsed,) = parse_group_keys([key])
    assert parsed.value_of(snapshot()) == value
    assert str(parsed) == key


def test_a_snapshot_of_an_unknown_sandbox_has_no_value() -> None:
    assert GroupKey("source_sandbox").value_of(snapshot(source_sandbox=None)) is None


@pytest.mark.parametrize("text", ["sandbox", "label", "label:", "name:", "image:tiny", "Image", "name:(", "name:*"])
def test_what_is_no_group_key_is_refused(text: str) -> None:
    with pytest.raises(RequestError, match="^group_by has"):
        parse_group_keys([text])
