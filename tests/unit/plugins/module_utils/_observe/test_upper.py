# Copyright: (c) 2026, sandboxops contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Comparing a sandbox's disk with a snapshot's, whatever is allocated."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Callable

import pytest
from ansible_collections.sandboxops.microsandbox.plugins.module_utils._core.errors import IntegrityError
from ansible_collections.sandboxops.microsandbox.plugins.module_utils._disk.sparse_file import Traffic
from ansible_collections.sandboxops.microsandbox.plugins.module_utils._formats.sandbox_config import (
    parse_sandbox_config,
)
from ansible_collections.sandboxops.microsandbox.plugins.module_utils._observe.artifact import observe_artifact
from ansible_collections.sandboxops.microsandbox.plugins.module_utils._observe.sandbox import CaptureSource, Sandbox
from ansible_collections.sandboxops.microsandbox.plugins.module_utils._observe.upper import upper_differs

Make = Callable[..., Path]
Chunks = tuple[tuple[int, bytes], ...]

SIZE = 8 << 20


def source_of(directory: Path, size: int, chunks: Chunks) -> CaptureSource:
    """Make a sandbox's upper and return the sandbox as it is observed."""
    upper = directory / "sandbox-upper"
    with upper.open("wb") as file:
        file.truncate(size)
        for offset, content in chunks:
            os.pwrite(file.fileno(), content, offset)
    config = parse_sandbox_config('{"image":{"Oci":{"reference":"tiny:1"}}}')
    sandbox = Sandbox("base", "Stopped", config, str(directory), str(upper), None, 1)
    return CaptureSource(sandbox, size, "tiny:1", "sha256:" + "9d" * 32)


@pytest.mark.parametrize(
    ("sandbox", "snapshot", "differs"),
    [
        pytest.param((), (), False, id="two holes"),
        pytest.param(((0, b"abc"),), ((0, b"abc"),), False, id="the same data"),
        pytest.param(((0, bytes(SIZE)),), (), False, id="zeros and a hole"),
        pytest.param(((0, b"a" + bytes(99999)),), ((0, b"a"),), False, id="allocated further"),
        pytest.param(((0, b"abc"),), ((0, b"abd"),), True, id="another byte"),
        pytest.param(((SIZE - 1, b"x"),), (), True, id="a last byte that the snapshot lacks"),
        pytest.param((), ((SIZE - 1, b"x"),), True, id="a last byte that only the snapshot has"),
        pytest.param(((4096, b"x"),), ((8192, b"x"),), True, id="the same bytes elsewhere"),
        pytest.param(
            ((0, b"a" * (3 << 20)),), ((0, b"a" * (3 << 20) + b"b"),), True, id="a byte behind several buffers"
        ),
    ],
)
def test_only_the_content_counts(
    tmp_path: Path, make_artifact: Make, sandbox: Chunks, snapshot: Chunks, differs: bool
) -> None:
    artifact = observe_artifact(str(make_artifact("a", SIZE, snapshot)))
    assert upper_differs(source_of(tmp_path, SIZE, sandbox), artifact, Traffic()) is differs


def test_another_size_is_a_difference_that_needs_no_reading(tmp_path: Path, make_artifact: Make) -> None:
    artifact = observe_artifact(str(make_artifact("a", 4096, ((0, b"x" * 4096),))))
    traffic = Traffic()
    assert upper_differs(source_of(tmp_path, 4097, ((0, b"x" * 4096),)), artifact, traffic)
    assert traffic == Traffic()


def test_what_neither_has_allocated_is_not_read(tmp_path: Path, make_artifact: Make) -> None:
    size, traffic = 1 << 40, Traffic()
    artifact = observe_artifact(str(make_artifact("a", size, ((1 << 39, b"x" * 4096),))))
    assert not upper_differs(source_of(tmp_path, size, ((1 << 39, b"x" * 4096), (0, bytes(4096)))), artifact, traffic)
    assert traffic.read == 2 * 8192


def test_a_snapshot_that_lost_its_upper_is_not_compared(tmp_path: Path, make_artifact: Make) -> None:
    path = make_artifact("a", SIZE)
    artifact = observe_artifact(str(path))
    os.truncate(path / "upper.ext4", 1)
    with pytest.raises(IntegrityError, match="has 1 bytes"):
        upper_differs(source_of(tmp_path, SIZE, ()), artifact, Traffic())
