# Copyright: (c) 2026, sandboxops contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The manifest as it is stored: read without a JSON parser, it is what a JSON parser makes of it."""

from __future__ import annotations

import json
import time
from pathlib import Path

import pytest
from ansible_collections.sandboxops.microsandbox.plugins.module_utils._core.errors import MicrosandboxError
from ansible_collections.sandboxops.microsandbox.plugins.module_utils._formats.descriptor import Descriptor
from ansible_collections.sandboxops.microsandbox.plugins.module_utils._formats.manifest_json import parse_manifest
from ansible_collections.sandboxops.microsandbox.plugins.module_utils._formats.stored_manifest import (
    parse_stored_manifest,
)
from hypothesis import given
from hypothesis import strategies as st

DATA = Path(__file__).parents[3] / "data"
CANONICAL = json.loads((DATA / "canonical/vectors.json").read_text("utf-8"))["cases"]
VALIDATION = json.loads((DATA / "manifest-validation/vectors.json").read_text("utf-8"))["cases"]
REAL = [
    *(bytes.fromhex(case[form]) for case in CANONICAL for form in ("input_hex", "canonical_hex")),
    *(bytes.fromhex(case["manifest_hex"]) for case in VALIDATION),
    *(path.read_bytes() for path in sorted((DATA / "g1-artifacts").glob("*/manifest.json"))),
]
DIGEST = "sha256:" + "0123456789abcdef" * 4
STORED = (
    '{"schema":1,"format":"raw","fstype":"ext4","image":{"ref":"localhost/tiny:1","manifest_digest":"a:b"},'
    '"parent":"c:d","created_at":"2026-11-20T09:59:05+00:00","labels":{"a":"1","b":"","é":"☃"},'
    '"upper":{"file":"upper.ext4","size_bytes":65536,"integrity":{"algorithm":"x","digest":"e:f"}},'
    '"source_sandbox":"base"}'
)


def parsed(content: bytes) -> Descriptor | str:
    """Return the descriptor, or the refusal."""
    try:
        return parse_manifest(content)
    except MicrosandboxError as exc:
        return f"{exc.code}: {exc.message}"


def agrees_with_the_json_parser(content: bytes) -> bool:
    """Return whether the fast way is that of the parser, which white space at the end leaves the manifest to."""
    found = parse_stored_manifest(content)
    assert parse_stored_manifest(content + b" ") is None
    spelt = parsed(content + b" ")
    if isinstance(spelt, str):
        return found is None
    return parsed(content) == spelt and found in (None, spelt)


@pytest.mark.parametrize("content", REAL)
def test_a_manifest_that_microsandbox_judged_is_what_the_json_parser_says(content: bytes) -> None:
    assert agrees_with_the_json_parser(content)


@pytest.mark.parametrize("name", ["basic-0.6.2", "nolabels-0.6.2", "extentframed-0.4.4"])
def test_a_real_artifact_without_escapes_is_read_without_the_json_parser(name: str) -> None:
    assert parse_stored_manifest((DATA / "g1-artifacts" / name / "manifest.json").read_bytes()) is not None


# What is JSON in the place of a string, or is next to it.
texts = st.text(st.sampled_from('a:/.\x00\x1f\x7f\u2028é☃\U0001f600"\\,{}'), max_size=4).map(
    lambda text: json.dumps(text, ensure_ascii=False)
)
digests = st.sampled_from(['"a:b"', '":b"', '"a:"', '"a:b:c"', '"::"', '"é:☃"', "null", '""', '"a:\\u0062"', "1"])
spellings = st.sampled_from(['"base"', '"\\u0061"', '"\t"', '"', "null", "1", "{}", '"a""b"', '"\ud7ff"'])
labels = st.lists(st.tuples(texts | spellings, texts | spellings), max_size=4).map(
    lambda pairs: "{" + ",".join(f"{key}:{value}" for key, value in pairs) + "}"
)
sizes = st.sampled_from(["0", "00", "-0", "1", "1.0", "1e3", "9" * 19, str(2**64 - 1), str(2**64), '"1"'])
changes = st.fixed_dictionaries(
    {},
    optional={
        '"raw"': st.sampled_from(['"qcow2"', '"ext4"', "null"]),
        '"ext4"': texts | spellings,
        '"localhost/tiny:1"': texts | spellings,
        '"a:b"': digests,
        '"c:d"': digests,
        '"2026-11-20T09:59:05+00:00"': texts | spellings,
        '{"a":"1","b":"","é":"☃"}': labels,
        '"upper.ext4"': texts | st.sampled_from(['"upperxext4"', '"manifest.json"', '"other"']),
        "65536": sizes,
        '{"algorithm":"x","digest":"e:f"}': st.sampled_from(["null", "{}", '{"digest":"e:f","algorithm":"x"}']),
        '"base"': texts | spellings,
    },
)


@given(changes)
def test_any_field_is_what_the_json_parser_says(changed: dict[str, str]) -> None:
    text = STORED
    for old, new in changed.items():
        text = text.replace(old, new, 1)
    assert agrees_with_the_json_parser(text.encode())


@given(st.integers(0, len(STORED.encode())), st.integers(0, 2), st.binary(max_size=2))
def test_damage_anywhere_is_what_the_json_parser_says(position: int, dropped: int, added: bytes) -> None:
    content = STORED.encode()
    assert agrees_with_the_json_parser(content[:position] + added + content[position + dropped :])


@pytest.mark.parametrize("pairs", ['"b":"1","a":"2"', '"a":"1","a":"2"', '"a":"1","b":"2","a":"3"'])
def test_labels_that_are_not_in_canonical_order_are_left_to_the_json_parser(pairs: str) -> None:
    content = STORED.replace('"a":"1","b":"","é":"☃"', pairs).encode()
    assert parse_stored_manifest(content) is None
    assert agrees_with_the_json_parser(content)


@pytest.mark.parametrize("filling", ["a" * 1_000_000, "a:" * 500_000, '":"' * 300_000, '","a":"' * 150_000])
def test_a_long_manifest_that_is_none_is_dismissed_in_no_time(filling: str) -> None:
    for place in ('"ext4', '"a:b', '"a":"1', '"e:f'):
        content = STORED.replace(place, place + filling, 1)[:-1].encode()
        start = time.process_time()
        assert parse_stored_manifest(content) is None
        assert time.process_time() - start < 1
