# Copyright: (c) 2026, sandboxops contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import hashlib
import re
from pathlib import Path

import pytest
from ansible_collections.sandboxops.microsandbox.plugins.module_utils._disk.content_hash import (
    SPARSE_SHA256,
    ContentHash,
)
from ansible_collections.sandboxops.microsandbox.plugins.module_utils._formats.archive_contents import parse_contents
from ansible_collections.sandboxops.microsandbox.plugins.module_utils._formats.manifest_json import parse_manifest
from ansible_collections.sandboxops.microsandbox.plugins.module_utils._formats.release_record import parse_release

_PAGE = Path(__file__).resolve().parents[3].joinpath("docs/formats.md").read_text(encoding="utf-8")
_DESCRIPTOR, _CONTENTS, _RELEASE = (
    text.encode("utf-8") for text in re.findall(r"^```json\n(.*?)^```$", _PAGE, re.MULTILINE | re.DOTALL)
)


def test_the_descriptor_has_the_digest_that_the_page_says() -> None:
    (digest,) = re.findall(r"This one's digest is `(.*)`", _PAGE)

    assert parse_manifest(_DESCRIPTOR).digest == digest


@pytest.mark.parametrize(
    ("row", "content"), [("nothing", b""), ("the text `hello`", b"hello"), ("65536 zeros", bytes(65536))]
)
def test_the_values_to_test_by_are_those_of_the_algorithm(row: str, content: bytes) -> None:
    (digest,) = re.findall(rf"^\| {re.escape(row)} \| `(.*)` \|$", _PAGE, re.MULTILINE)
    running = ContentHash(SPARSE_SHA256, len(content))
    running.update(memoryview(content))

    assert running.digest() == digest


def test_the_table_of_contents_is_one_that_is_read() -> None:
    contents = parse_contents(_CONTENTS)

    assert (contents.head, contents.suggested_name) == (parse_manifest(_DESCRIPTOR).digest, "first")


def test_the_record_of_a_release_is_one_that_is_read() -> None:
    release = parse_release(_RELEASE)

    assert (release.digest, release.image.included) == (parse_manifest(_DESCRIPTOR).digest, True)


def test_the_key_of_a_reference_is_its_hash() -> None:
    (reference, key) = re.findall(r"is `(docker\.io/[^`]*)`, and its key\n`([0-9a-f]*)`", _PAGE)[0]

    assert hashlib.sha256(reference.encode()).hexdigest() == key
