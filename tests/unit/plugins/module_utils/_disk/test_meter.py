# Copyright: (c) 2026, sandboxops contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A meter says what an operation does and how far it is."""

from __future__ import annotations

import threading
from pathlib import Path

import pytest
from ansible_collections.sandboxops.microsandbox.plugins.module_utils._disk import copying
from ansible_collections.sandboxops.microsandbox.plugins.module_utils._disk.content_hash import SPARSE_SHA256, hash_file
from ansible_collections.sandboxops.microsandbox.plugins.module_utils._disk.extents import scan_extents
from ansible_collections.sandboxops.microsandbox.plugins.module_utils._disk.meter import Meter, Reading
from ansible_collections.sandboxops.microsandbox.plugins.module_utils._disk.sparse_file import Traffic

MIB = 1 << 20


def test_a_pass_is_counted_when_somebody_looks() -> None:
    meter, moved = Meter(), [0]
    with meter.measure("copying", 10, lambda: moved[0]):
        assert meter.read() == Reading("copying", 0, 10)
        moved[0] = 7
        assert meter.read() == Reading("copying", 7, 10)
    assert meter.read() == Reading("starting")


def test_what_comes_after_a_pass_is_known() -> None:
    meter = Meter()
    with meter.doing("applying"):
        with meter.measure("copying", 10, lambda: 10, "syncing"):
            pass
        assert meter.read() == Reading("syncing")
        meter.say("renaming")
        assert meter.read() == Reading("renaming")
    assert meter.read() == Reading("starting")


def test_the_passes_of_a_span_are_one() -> None:
    meter = Meter()
    with meter.span(30):
        with meter.measure("packing", 10, lambda: 4):
            assert meter.read() == Reading("packing", 4, 30)
        with meter.measure("packing", 20, lambda: 5):
            assert meter.read() == Reading("packing", 15, 30)
    with meter.measure("hashing", 8, lambda: 5):
        assert meter.read() == Reading("hashing", 5, 8)


def test_a_pass_of_unknown_length_stands_beside_a_span() -> None:
    meter = Meter()
    with meter.span(30):
        with meter.measure("hashing again", None, lambda: 4):
            assert meter.read() == Reading("hashing again", 4, None)
        with meter.measure("packing", 20, lambda: 5):
            assert meter.read() == Reading("packing", 5, 30)


def test_a_failed_pass_is_over() -> None:
    meter = Meter()
    with meter.doing("applying"):
        with pytest.raises(OSError, match="no"), meter.measure("copying", 10, lambda: 1):
            raise OSError("no")
        assert meter.read() == Reading("applying")


@pytest.mark.parametrize("algorithm", [SPARSE_SHA256, None])
def test_a_copy_is_measured_while_it_runs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, algorithm: str | None
) -> None:
    monkeypatch.setattr(copying, "reflink", lambda source_fd, target_fd: False)  # takes no time
    source, target = tmp_path / "source", tmp_path / "target"
    with source.open("wb") as file:
        file.write(b"x" * (64 * MIB))
        file.truncate(1024 * MIB)
    traffic = Traffic()
    seen: set[Reading] = set()
    over = threading.Event()

    def look() -> None:
        while not over.is_set():
            seen.add(traffic.meter.read())

    looking = threading.Thread(target=look)
    with source.open("rb") as original, target.open("w+b") as copy:
        looking.start()
        copying.copy_sparse(original.fileno(), copy.fileno(), algorithm, traffic)
        over.set()
        looking.join()
    total = 64 * MIB if algorithm is None else 1024 * MIB
    passes = {reading.total for reading in seen if reading.doing.startswith("copying")}
    assert passes == {total}
    assert any(0 < reading.done < total for reading in seen)
    assert traffic.meter.read() == Reading("syncing")


def test_a_hole_is_measured_while_it_is_hashed(tmp_path: Path) -> None:
    path = tmp_path / "hole"
    with path.open("wb") as file:
        file.truncate(512 * MIB)
    traffic = Traffic()
    positions: set[int] = set()
    over = threading.Event()

    def look() -> None:
        while not over.wait(0.001):
            positions.add(traffic.meter.read().done)

    looking = threading.Thread(target=look)
    looking.start()
    with path.open("rb") as hole:
        hash_file(hole.fileno(), scan_extents(hole.fileno()), SPARSE_SHA256, traffic)
    over.set()
    looking.join()
    assert len(positions) > 5
    assert max(positions) <= 512 * MIB


def test_what_was_moved_is_told_without_the_meter() -> None:
    traffic = Traffic(1, 2, 3)
    assert traffic == Traffic(1, 2, 3)
    assert repr(traffic) == "Traffic(read=1, written=2, holes_skipped=3)"
