# Copyright: (c) 2026, sandboxops contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""How an answer is taken: as a continuation, a new start, the end, or an error."""

from __future__ import annotations

import pytest
from ansible_collections.sandboxops.microsandbox.plugins.module_utils._core.errors import (
    FormatError,
    IntegrityError,
    MicrosandboxError,
    SourceError,
    StateError,
    UnsupportedError,
)
from ansible_collections.sandboxops.microsandbox.plugins.module_utils._plan.download import (
    Answer,
    Start,
    attempts_after,
    backoff_seconds,
    plan_start,
    require_length,
)


@pytest.mark.parametrize(
    ("answer", "have", "size", "start"),
    [
        (Answer(200, 100), 0, 100, Start(0, 100)),
        (Answer(200, 100), 0, None, Start(0, 100)),
        (Answer(200), 0, 100, Start(0, None)),
        (Answer(200, 100), 40, 100, Start(0, 100)),  # the server has no ranges, or another content
        (Answer(200, 100, encoding="identity"), 0, 100, Start(0, 100)),
        (Answer(206, 60, "bytes 40-99/100"), 40, 100, Start(40, 100)),
        (Answer(206, 60, "bytes 40-99/100"), 40, None, Start(40, 100)),
        (Answer(206, 60, "bytes 40-99/*"), 40, 100, Start(40, None)),
        (Answer(206, 10, "bytes 40-49/100"), 40, 100, Start(40, 100)),  # less than asked for is allowed
        (Answer(416, 0, "bytes */100"), 100, None, Start(100, 100, has_body=False)),
        (Answer(416, 0, "bytes */90"), 100, None, Start(0, None, has_body=False)),
        (Answer(416, 0), 100, None, Start(0, None, has_body=False)),
    ],
)
def test_an_answer_says_what_stays_and_how_much_there_is(
    answer: Answer, have: int, size: int | None, start: Start
) -> None:
    assert plan_start(answer, have, size, "the source") == start


@pytest.mark.parametrize(
    ("answer", "have", "error"),
    [
        (Answer(503), 0, SourceError),
        (Answer(429), 40, SourceError),
        (Answer(404), 0, StateError),
        (Answer(401), 40, StateError),
        (Answer(302), 0, StateError),
        (Answer(204), 0, StateError),
        (Answer(206, 60), 40, StateError),
        (Answer(416, 0, "bytes */100"), 0, StateError),
        (Answer(200, 99), 0, IntegrityError),
        (Answer(206, 60, "bytes 40-99/101"), 40, IntegrityError),
        (Answer(206, 60, "bytes 41-99/100"), 40, FormatError),
        (Answer(206, 60, "bytes */100"), 40, FormatError),
        (Answer(206, 60, "rubbish"), 40, FormatError),
        (Answer(200, 100, encoding="gzip"), 0, UnsupportedError),
    ],
)
def test_an_answer_that_is_none_to_go_by_is_an_error(answer: Answer, have: int, error: type[MicrosandboxError]) -> None:
    with pytest.raises(error) as caught:
        plan_start(answer, have, 100, "the source")
    assert caught.type is error


def test_an_answer_that_ends_early_may_be_asked_for_again() -> None:
    with pytest.raises(SourceError, match="after 99 of 100 bytes"):
        require_length(99, 100, "the source")


@pytest.mark.parametrize(("received", "expected"), [(100, 100), (5, None)])
def test_an_answer_that_brought_all_is_none_that_ended_early(received: int, expected: int | None) -> None:
    require_length(received, expected, "the source")


def test_attempts_count_up_unless_one_brought_much() -> None:
    assert [attempts_after(2, 0), attempts_after(2, (1 << 20) - 1), attempts_after(2, 1 << 20)] == [3, 3, 1]


def test_waiting_grows_up_to_a_limit() -> None:
    assert [backoff_seconds(n) for n in (1, 2, 3, 6, 50)] == [0.5, 1.0, 2.0, 15.0, 15.0]
