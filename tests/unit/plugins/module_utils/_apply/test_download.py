# Copyright: (c) 2026, sandboxops contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Receiving from a real server that does all that servers do."""

from __future__ import annotations

import random
from collections.abc import Iterator
from contextlib import AbstractContextManager
from dataclasses import replace
from pathlib import Path
from typing import Callable

import pytest
from ansible_collections.sandboxops.microsandbox.plugins.module_utils._ansible.http_source import (
    HttpResponse,
    HttpSource,
)
from ansible_collections.sandboxops.microsandbox.plugins.module_utils._apply.download import (
    Course,
    Demand,
    apply_download,
)
from ansible_collections.sandboxops.microsandbox.plugins.module_utils._core.digests import sha256_digest
from ansible_collections.sandboxops.microsandbox.plugins.module_utils._core.errors import (
    IntegrityError,
    SourceError,
    StateError,
    UnsupportedError,
)
from ansible_collections.sandboxops.microsandbox.plugins.module_utils._disk.partial_file import open_partial
from ansible_collections.sandboxops.microsandbox.plugins.module_utils._disk.partial_names import partial_name
from ansible_collections.sandboxops.microsandbox.plugins.module_utils._disk.sparse_file import Traffic
from ansible_collections.sandboxops.microsandbox.plugins.module_utils._plan.placed_file import WantedFile
from ansible_collections.sandboxops.microsandbox.tests.unit.plugins.module_utils.range_server import RangeServer

MIB = 1 << 20
CONTENT = random.Random(1).randbytes(5 * MIB + 12345)  # noqa: S311  no secret
CHECKSUM = sha256_digest(CONTENT)
OTHER = CONTENT[::-1]

Receive = Callable[..., Course]


@pytest.fixture
def server() -> Iterator[RangeServer]:
    with RangeServer(CONTENT).running() as server:
        yield server


@pytest.fixture
def dest(tmp_path: Path) -> Path:
    return tmp_path / "a"


@pytest.fixture
def partial_path(dest: Path) -> Path:
    return dest.with_name(partial_name("a", CHECKSUM))


@pytest.fixture
def receive(server: RangeServer, dest: Path) -> Receive:
    """Receive from the server in one run, and return how it went."""

    def run(course: Course | None = None, timeout: float = 5, **options: object) -> Course:
        course = course or Course()
        wanted = WantedFile(str(dest), CHECKSUM, options.pop("size_bytes", None), 0o600)  # type: ignore[arg-type]
        demand = replace(Demand(wanted, "the source", needs_bytes=0, retries=1), **options)  # type: ignore[arg-type]
        source = HttpSource(f"{server.url}/a", timeout=timeout)
        with open_partial(str(dest.parent), partial_name("a", CHECKSUM), 1, Traffic()) as partial:
            course.is_whole = apply_download(demand, course, partial, source.open_at)
        return course

    return run


def ranges(server: RangeServer) -> list[str | None]:
    return [request.range for request in server.requests]


@pytest.mark.parametrize("size_bytes", [None, len(CONTENT)])
def test_a_file_is_received_in_one_answer(
    receive: Receive, server: RangeServer, dest: Path, size_bytes: int | None
) -> None:
    course = receive(size_bytes=size_bytes)
    assert dest.read_bytes() == CONTENT
    assert (course.received_bytes, course.resumed_bytes, course.total_bytes) == (len(CONTENT), 0, len(CONTENT))
    assert ranges(server) == [None]
    assert [path.name for path in dest.parent.iterdir()] == ["a"]


def test_an_empty_file_is_received(server: RangeServer, tmp_path: Path) -> None:
    server.content = b""
    empty = sha256_digest(b"")
    demand = Demand(WantedFile(str(tmp_path / "e"), empty, None, 0o600), "the source", 0, 0)
    with open_partial(str(tmp_path), partial_name("e", empty), 1, Traffic()) as partial:
        assert apply_download(demand, Course(), partial, HttpSource(server.url).open_at)
    assert (tmp_path / "e").read_bytes() == b""


def test_a_connection_that_breaks_is_taken_up_where_it_ended(receive: Receive, server: RangeServer, dest: Path) -> None:
    server.sends = [2 * MIB, MIB]
    course = receive()
    assert dest.read_bytes() == CONTENT
    assert ranges(server) == [None, f"bytes={2 * MIB}-", f"bytes={3 * MIB}-"]
    assert course.received_bytes == server.sent_bytes == len(CONTENT)


def test_connections_that_break_at_once_end_the_task_and_keep_what_came(
    receive: Receive, server: RangeServer, dest: Path, partial_path: Path
) -> None:
    server.sends = [2 * MIB, 10, 10, 10, 10]
    with pytest.raises(SourceError, match="ended the connection after"):
        receive()
    assert not dest.exists()
    # One that brought much, and one more than the retries of those that brought next to nothing.
    assert partial_path.read_bytes() == CONTENT[: 2 * MIB + 10]
    assert len(server.requests) == 2


def test_a_later_run_goes_on(receive: Receive, server: RangeServer, dest: Path, partial_path: Path) -> None:
    partial_path.write_bytes(CONTENT[: 3 * MIB])
    course = receive()
    assert dest.read_bytes() == CONTENT
    assert ranges(server) == [f"bytes={3 * MIB}-"]
    assert (course.received_bytes, course.resumed_bytes) == (len(CONTENT) - 3 * MIB, 3 * MIB)


def test_what_is_there_already_needs_no_server(
    receive: Receive, server: RangeServer, dest: Path, partial_path: Path
) -> None:
    partial_path.write_bytes(CONTENT)
    receive(size_bytes=len(CONTENT))
    assert dest.read_bytes() == CONTENT
    assert server.requests == []


def test_a_server_says_that_all_is_there(receive: Receive, server: RangeServer, dest: Path, partial_path: Path) -> None:
    partial_path.write_bytes(CONTENT)
    receive()
    assert dest.read_bytes() == CONTENT
    assert server.sent_bytes == 0


def test_more_than_there_is_is_started_again(
    receive: Receive, server: RangeServer, dest: Path, partial_path: Path
) -> None:
    partial_path.write_bytes(CONTENT + b"more")
    receive()
    assert dest.read_bytes() == CONTENT
    assert ranges(server) == [f"bytes={len(CONTENT) + 4}-", None]


def test_a_server_without_ranges_starts_again(
    receive: Receive, server: RangeServer, dest: Path, partial_path: Path
) -> None:
    server.has_ranges = False
    partial_path.write_bytes(CONTENT[: 3 * MIB])
    course = receive()
    assert dest.read_bytes() == CONTENT
    assert (course.received_bytes, course.resumed_bytes) == (len(CONTENT), 0)


def test_what_an_earlier_run_left_wrong_is_received_once_more(
    receive: Receive, server: RangeServer, dest: Path, partial_path: Path
) -> None:
    partial_path.write_bytes(OTHER[: 3 * MIB])
    course = receive()
    assert dest.read_bytes() == CONTENT
    assert ranges(server) == [f"bytes={3 * MIB}-", None]
    assert course.resumed_bytes == 0


def test_a_file_that_changes_in_between_is_not_mixed(receive: Receive, server: RangeServer, dest: Path) -> None:
    server.content, server.etag, server.sends = OTHER, '"two"', [2 * MIB]
    course = Course()
    with pytest.raises(SourceError):
        receive(course, retries=0)
    server.content, server.etag = CONTENT, '"one"'
    receive(course)
    assert dest.read_bytes() == CONTENT
    assert ranges(server) == [None, f"bytes={2 * MIB}-"]  # answered with everything, for it is another file


@pytest.mark.parametrize("has_ranges", [True, False])
def test_wrong_content_is_refused_and_nothing_is_left(
    receive: Receive, server: RangeServer, dest: Path, has_ranges: bool
) -> None:
    server.content, server.has_ranges, server.sends = OTHER, has_ranges, [2 * MIB]
    with pytest.raises(IntegrityError) as caught:
        receive()
    assert caught.value.facts["expected"] == CHECKSUM
    assert caught.value.facts["actual"] == sha256_digest(OTHER)
    assert list(dest.parent.iterdir()) == []
    assert server.sent_bytes <= len(OTHER) + 2 * MIB  # it is not fetched a second time


def test_wrong_content_behind_what_was_there_is_fetched_no_more_than_once_again(
    receive: Receive, server: RangeServer, dest: Path, partial_path: Path
) -> None:
    server.content = OTHER
    partial_path.write_bytes(CONTENT[:MIB])
    with pytest.raises(IntegrityError):
        receive()
    assert ranges(server) == [f"bytes={MIB}-", None]
    assert list(dest.parent.iterdir()) == []


def test_another_size_is_refused_before_a_byte_is_taken(receive: Receive, server: RangeServer, dest: Path) -> None:
    with pytest.raises(IntegrityError, match=f"has {len(CONTENT)} bytes, wanted 17"):
        receive(size_bytes=17)
    assert list(dest.parent.iterdir()) == []


def test_a_length_that_is_too_long_is_a_connection_that_broke(
    receive: Receive, server: RangeServer, dest: Path
) -> None:
    server.announced = len(CONTENT) + 1
    with pytest.raises(SourceError, match=f"after {len(CONTENT)} of {len(CONTENT) + 1} bytes"):
        receive(retries=0)
    assert not dest.exists()


def test_a_length_that_is_too_short_is_wrong_content(receive: Receive, server: RangeServer, dest: Path) -> None:
    server.announced = len(CONTENT) - 1
    with pytest.raises(IntegrityError):
        receive()
    assert list(dest.parent.iterdir()) == []


@pytest.mark.parametrize("size_bytes", [None, len(CONTENT)])
def test_a_length_that_nobody_knows_is_what_comes(
    receive: Receive, server: RangeServer, dest: Path, size_bytes: int | None
) -> None:
    server.is_chunked = True
    course = receive(size_bytes=size_bytes)
    assert dest.read_bytes() == CONTENT
    assert course.total_bytes == len(CONTENT)


def test_an_answer_in_chunks_that_breaks_is_taken_up(receive: Receive, server: RangeServer, dest: Path) -> None:
    server.is_chunked, server.sends = True, [2 * MIB]
    receive()
    assert dest.read_bytes() == CONTENT
    assert ranges(server) == [None, f"bytes={2 * MIB}-"]


def test_a_server_that_falls_silent_is_given_up_after_the_timeout(
    receive: Receive, server: RangeServer, partial_path: Path
) -> None:
    server.sends, server.stalls = [2 * MIB, 0], True
    with pytest.raises(SourceError, match="sent no byte for 2 seconds"):
        receive(timeout=2, retries=0)
    assert partial_path.stat().st_size == 2 * MIB


def test_a_server_that_is_busy_is_asked_again(receive: Receive, server: RangeServer, dest: Path) -> None:
    server.statuses = [503, 429]
    receive(retries=2)
    assert dest.read_bytes() == CONTENT


@pytest.mark.parametrize("status", [401, 403, 404, 410])
def test_a_server_that_refuses_is_asked_once(receive: Receive, server: RangeServer, dest: Path, status: int) -> None:
    server.statuses = [status]
    with pytest.raises(StateError, match=f"answers with status {status}"):
        receive()
    assert len(server.requests) == 1
    assert list(dest.parent.iterdir()) == []


def test_content_that_was_encoded_on_the_way_is_refused(receive: Receive, server: RangeServer) -> None:
    server.encoding = "gzip"
    with pytest.raises(UnsupportedError, match="encodes"):
        receive()


def test_room_is_looked_for_before_the_first_byte(receive: Receive, server: RangeServer, dest: Path) -> None:
    with pytest.raises(StateError, match="its file system has"):
        receive(needs_bytes=1 << 60)
    assert list(dest.parent.iterdir()) == []


def test_a_run_ends_after_its_slice_and_the_next_goes_on(receive: Receive, server: RangeServer, dest: Path) -> None:
    server.bytes_per_second = 8 * MIB
    course = receive(slice_seconds=0.2)
    assert not course.is_whole
    assert 0 < course.received_bytes < len(CONTENT)
    first = course.received_bytes
    server.bytes_per_second = None
    receive(course)
    assert dest.read_bytes() == CONTENT
    assert ranges(server) == [None, f"bytes={first}-"]
    assert (course.received_bytes, course.resumed_bytes) == (len(CONTENT), 0)


def test_a_source_that_starts_over_is_received_to_its_end_in_the_next_run(
    receive: Receive, server: RangeServer, dest: Path
) -> None:
    server.has_ranges, server.bytes_per_second = False, 8 * MIB
    course = Course()
    for dummy in range(3):
        receive(course, slice_seconds=0.2)
    assert dest.read_bytes() == CONTENT
    # A part that was cut off, the answer that it cannot be gone on with, and everything.
    assert [each is None for each in ranges(server)] == [True, False, True]
    assert (course.starts_over, course.total_bytes, course.resumed_bytes) == (True, len(CONTENT), 0)


def test_what_comes_once_more_is_no_progress(receive: Receive, server: RangeServer, dest: Path) -> None:
    server.has_ranges, server.sends = False, [3 * MIB] * 20
    with pytest.raises(SourceError, match="ended the connection after"):
        receive(retries=2)
    assert len(server.requests) == 3  # one that brought much, and its two retries
    assert not dest.exists()


def test_what_was_there_before_it_started_over_does_not_count_against_progress(
    receive: Receive, server: RangeServer, dest: Path, partial_path: Path
) -> None:
    partial_path.write_bytes(CONTENT[: 4 * MIB])
    server.has_ranges, server.sends = False, [MIB]
    course = Course()
    receive(course, slice_seconds=5)
    server.has_ranges, server.sends = True, [MIB] * 3
    receive(course, retries=1)
    assert dest.read_bytes() == CONTENT


def test_servers_with_etags_of_their_own_are_asked_on_no_condition_once_that_has_led_to_everything(
    server: RangeServer, dest: Path
) -> None:
    asked: list[tuple[int, str | None]] = []
    source = HttpSource(f"{server.url}/a")

    def open_at(offset: int, validator: str | None) -> AbstractContextManager[HttpResponse]:
        asked.append((offset, validator))
        server.etag = f'"{len(asked)}"'
        return source.open_at(offset, validator)

    server.sends = [2 * MIB, 2 * MIB, 2 * MIB]
    demand = Demand(WantedFile(str(dest), CHECKSUM, None, 0o600), "the source", needs_bytes=0, retries=2)
    with open_partial(str(dest.parent), partial_name("a", CHECKSUM), 1, Traffic()) as partial:
        assert apply_download(demand, Course(), partial, open_at)
    assert dest.read_bytes() == CONTENT
    assert asked == [(0, None), (2 * MIB, '"1"'), (2 * MIB, None), (4 * MIB, None)]


def test_other_content_that_was_gone_on_with_on_no_condition_is_fetched_once_more(
    receive: Receive, server: RangeServer, dest: Path, partial_path: Path
) -> None:
    server.has_ranges, server.sends, server.etag = False, [MIB], '"one"'
    partial_path.write_bytes(CONTENT[:MIB])
    course = Course()
    with pytest.raises(SourceError):
        receive(course, retries=0)
    partial_path.write_bytes(OTHER[:MIB])
    server.has_ranges, server.etag = True, '"two"'
    receive(course)
    assert dest.read_bytes() == CONTENT
    assert ranges(server) == [f"bytes={MIB}-", f"bytes={MIB}-", None]
