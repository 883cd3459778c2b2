# Copyright: (c) 2026, sandboxops contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A snapshot in an archive is taken only if something can use it, and its upper only if it is the described one."""

from __future__ import annotations

import pytest
from ansible_collections.sandboxops.microsandbox.plugins.module_utils._core.errors import FormatError, UnsupportedError
from ansible_collections.sandboxops.microsandbox.plugins.module_utils._formats.descriptor import G1, Descriptor
from ansible_collections.sandboxops.microsandbox.plugins.module_utils._observe.archived_snapshot import (
    ArchivedUpper,
    require_described,
    require_importable,
)

SIZE = 65536
SNAPSHOT = Descriptor(
    generation=G1,
    digest="sha256:" + "5a" * 32,
    format="raw",
    fstype="ext4",
    image_reference="localhost/tiny:1",
    image_manifest_digest="sha256:" + "9d" * 32,
    parent=None,
    created_at="2026-11-21T03:00:00+00:00",
    labels=(),
    upper_file="upper.ext4",
    upper_bytes=SIZE,
    integrity=None,
    source_sandbox=None,
)


def test_a_raw_snapshot_with_a_time_is_importable() -> None:
    require_importable(SNAPSHOT, "a")


def test_another_format_than_raw_is_refused() -> None:
    with pytest.raises(UnsupportedError, match="snapshot 'a' has an upper in the format qcow2, only raw is used"):
        require_importable(SNAPSHOT._replace(format="qcow2"), "a")


@pytest.mark.parametrize("created_at", ["", "yesterday", "2026-13-01T00:00:00Z"])
def test_a_time_that_is_none_is_refused(created_at: str) -> None:
    with pytest.raises(FormatError, match=f"snapshot 'a' was created at '{created_at}', which is no RFC 3339 time"):
        require_importable(SNAPSHOT._replace(created_at=created_at), "a")


@pytest.mark.parametrize("is_sparse", [False, True])
def test_a_described_upper_is_taken_however_it_is_stored(is_sparse: bool) -> None:
    stored = 512 if is_sparse else SIZE
    require_described(SNAPSHOT, ArchivedUpper("upper.ext4", is_sparse, stored, SIZE, None), "a")


def test_an_upper_of_another_name_is_refused() -> None:
    with pytest.raises(FormatError, match="archive has the member 'a/other', its manifest.json describes 'upper.ext4'"):
        require_described(SNAPSHOT, ArchivedUpper("other", False, SIZE, SIZE, None), "a")


def test_an_upper_of_another_size_is_refused() -> None:
    with pytest.raises(FormatError, match="member 'a/upper.ext4' has 1 bytes, its manifest.json says 65536") as caught:
        require_described(SNAPSHOT, ArchivedUpper("upper.ext4", False, 1, 1, None), "a")
    assert caught.value.facts == {"expected": SIZE, "actual": 1}
