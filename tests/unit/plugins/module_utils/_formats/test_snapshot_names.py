# Copyright: (c) 2026, sandboxops contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Snapshot names: what all versions address, and what 0.7 refuses, as the real tools said."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.sandboxops.microsandbox.plugins.module_utils._core.errors import RequestError
from ansible_collections.sandboxops.microsandbox.plugins.module_utils._formats.snapshot_names import (
    looks_like_path,
    portability_warning,
    require_snapshot_name,
)

CASES = json.loads(Path(__file__).parents[3].joinpath("data/names/vectors.json").read_text("utf-8"))["cases"]
# microsandbox 0.6.2 takes and finds these; here they are refused: control characters, later versions, archive words.
OURS_ALONE = {"a:b", "a\nb", "a\tb", "cache", "archive.json", "snapshots"}


def is_accepted(name: str) -> bool:
    try:
        return require_snapshot_name(name) == name
    except RequestError:
        return False


def test_there_are_all_the_real_cases() -> None:
    assert len(CASES) == 33


@pytest.mark.parametrize("case", CASES, ids=lambda case: ascii(case["name"])[:40])
def test_a_name_is_accepted_when_microsandbox_finds_it_again(case: dict[str, Any]) -> None:
    answers = case["0.6.2"]
    is_found = all(answers.get(operation) == "ok" for operation in ("create", "open", "get", "remove"))
    assert is_accepted(case["name"]) == (is_found and case["name"] not in OURS_ALONE)


@pytest.mark.parametrize(
    "case",
    [case for case in CASES if is_accepted(case["name"])],
    ids=lambda case: ascii(case["name"])[:40],
)
def test_a_name_that_0_7_refuses_is_warned_of(case: dict[str, Any]) -> None:
    assert (portability_warning(case["name"]) is None) == (case["0.7.11"]["create"] == "ok")


@pytest.mark.parametrize(
    "name",
    ["files", "images", "a\\b", "x\x00", "x\x7f", "x\x85", "a/", "~", ".", "ü" * 128, "\udcff", "sha512:x"],
)
def test_further_names_that_some_operation_would_lose_are_refused(name: str) -> None:
    with pytest.raises(RequestError, match="the snapshot name "):
        require_snapshot_name(name)


def test_a_refusal_is_safe_to_print() -> None:
    with pytest.raises(RequestError) as caught:
        require_snapshot_name("\x1b[31m" + "x" * 5000)
    assert "\x1b" not in str(caught.value)
    assert len(str(caught.value)) < 200


@pytest.mark.parametrize("name", ["CON", "con.txt", "nul", "LPT1", "com9.x"])
def test_device_names_are_warned_of(name: str) -> None:
    assert "device" in (portability_warning(name) or "")


@pytest.mark.parametrize("name", ["console", "com10", "a" * 128, "0", "a..b", "a-_.b"])
def test_portable_names_are_not_warned_of(name: str) -> None:
    assert portability_warning(name) is None


@pytest.mark.parametrize("name", ["a" * 129, "a.", "-a", "_a", "a b", "é", "a\n"])
def test_names_outside_the_rule_of_0_7_are_warned_of(name: str) -> None:
    assert "1 to 128" in (portability_warning(name) or "")


@pytest.mark.parametrize(
    ("text", "is_path"),
    [("a", False), ("a/b", True), (".a", True), ("~a", True), ("a~.", False), ("sha256:x", False)],
)
def test_an_argument_is_told_from_a_path(text: str, is_path: bool) -> None:
    assert looks_like_path(text) is is_path
