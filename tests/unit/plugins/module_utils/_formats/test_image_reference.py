# Copyright: (c) 2026, sandboxops contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""References of images and their keys in the cache, as the real tools spell them."""

from __future__ import annotations

import json
import time
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.sandboxops.microsandbox.plugins.module_utils._core.errors import FormatError
from ansible_collections.sandboxops.microsandbox.plugins.module_utils._formats.image_reference import (
    normalize_reference,
    reference_key,
)

DATA = Path(__file__).parents[3] / "data"
CASES = json.loads(DATA.joinpath("image-reference/vectors.json").read_text("utf-8"))["cases"]
GOOD = [case for case in CASES if case["normalized"]]
BAD = [case for case in CASES if not case["normalized"]]
IMAGES = [json.loads(path.read_text("utf-8")) for path in sorted(DATA.glob("image-cache/*.expected.json"))]


def name_of(case: dict[str, Any]) -> str:
    return ascii(case.get("ref", case.get("reference")))[:40]


def test_there_are_all_the_real_cases() -> None:
    assert (len(GOOD), len(BAD), len(IMAGES)) == (28, 18, 2)


@pytest.mark.parametrize("case", GOOD, ids=name_of)
def test_a_reference_is_spelt_out_as_microsandbox_does(case: dict[str, Any]) -> None:
    assert normalize_reference(case["ref"]) == case["normalized"]


@pytest.mark.parametrize("case", GOOD, ids=name_of)
def test_a_reference_that_is_spelt_out_stays_as_it_is_unless_a_path_is_read_as_a_domain(case: dict[str, Any]) -> None:
    # A path with an upper-case first component is only understood without its domain.
    if case["ref"] in ("Foo/bar", "LOCALHOST/x"):
        with pytest.raises(FormatError):
            normalize_reference(case["normalized"])
    else:
        assert normalize_reference(case["normalized"]) == case["normalized"]


@pytest.mark.parametrize("case", GOOD, ids=name_of)
def test_the_key_is_the_one_that_microsandbox_looks_for(case: dict[str, Any]) -> None:
    assert reference_key(case["ref"]) == case["key"]


@pytest.mark.parametrize("case", BAD, ids=name_of)
def test_what_microsandbox_refuses_is_refused(case: dict[str, Any]) -> None:
    with pytest.raises(FormatError, match="the image reference "):
        normalize_reference(case["ref"])


@pytest.mark.parametrize("image", IMAGES, ids=name_of)
def test_the_key_of_a_real_cache_is_found(image: dict[str, Any]) -> None:
    assert reference_key(image["reference"]) == image["key"]


@pytest.mark.parametrize(
    ("text", "normalized"),
    [
        ("localhost:5000", "docker.io/library/localhost:5000"),
        ("a-b.c/d", "a-b.c/d:latest"),
        ("x---y", "docker.io/library/x---y:latest"),
        ("x:1@sha256:" + "a" * 64, "docker.io/library/x:1@sha256:" + "a" * 64),
        ("a" * 247, f"docker.io/library/{'a' * 247}:latest"),
        ("a.b/" + "a" * 255, f"a.b/{'a' * 255}:latest"),
        ("a" * 500 + ".b/c:1234567", "a" * 500 + ".b/c:1234567"),
    ],
)
def test_further_references_follow_the_same_rules(text: str, normalized: str) -> None:
    assert normalize_reference(text) == normalized


@pytest.mark.parametrize(
    "text",
    [
        *("", "x@", "x@sha256:", "x@md5:" + "a" * 32, "x@sha256:" + "g" * 64),
        *("a" * 248, "a.b/" + "a" * 256, "x/", "a//b", "../x", "-a.b/x", "a..b/x", "a.b:/x", "x-"),
        *("a" * 501 + ".b/c:1234567", "a" * 900_000 + ".b/c:1"),
        *("x:\u0661", "x:" + "t" * 129, "NOT A REF!", "x\x00"),
    ],
)
def test_what_is_no_reference_is_refused(text: str) -> None:
    with pytest.raises(FormatError, match="the image reference "):
        normalize_reference(text)


def test_a_refusal_is_safe_to_print() -> None:
    with pytest.raises(FormatError) as caught:
        normalize_reference("\x1b[31m" + "x" * 5000)
    assert "\x1b" not in str(caught.value)
    assert len(str(caught.value)) < 250


@pytest.mark.parametrize("piece", ["a", "a-", "-", "a.", "a/", "a_", "a__"])
def test_a_long_text_is_judged_in_linear_time(piece: str) -> None:
    start = time.process_time()
    with pytest.raises(FormatError):
        normalize_reference("a" + piece * 100_000 + "!")
    assert time.process_time() - start < 2
