# Copyright: (c) 2026, sandboxops contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Times: what microsandbox 0.6.2 stores for a manifest's time, and the calendar against Python's own."""

from __future__ import annotations

import datetime
import json
from pathlib import Path

import pytest
from ansible_collections.sandboxops.microsandbox.plugins.module_utils._core.timestamps import (
    index_text_from_ns,
    index_text_from_rfc3339,
    is_index_text,
    ns_from_index_text,
    rfc3339_from_ns,
)
from hypothesis import given
from hypothesis import strategies as st

CASES = json.loads(Path(__file__).parents[3].joinpath("data/created-at/vectors.json").read_text("utf-8"))["cases"]
READABLE = [case for case in CASES if "handle_created_at_ms" in case]
# The years 0 to 9999.
TIMES = st.integers(-62_167_219_200 * 10**9, 253_402_300_800 * 10**9 - 1)


def test_there_are_real_times_of_both_kinds() -> None:
    assert len(CASES) == 28
    assert len(READABLE) == 17


@pytest.mark.parametrize("case", CASES, ids=lambda case: ascii(case["created_at"]))
def test_a_manifest_time_becomes_the_text_that_microsandbox_stores(case: dict[str, str]) -> None:
    stored = case["index_text"]
    assert index_text_from_rfc3339(case["created_at"]) == (None if stored == "<time of indexing>" else stored)


@pytest.mark.parametrize("case", READABLE, ids=lambda case: ascii(case["created_at"]))
def test_a_stored_text_is_the_time_that_microsandbox_reports(case: dict[str, str]) -> None:
    ns = ns_from_index_text(case["index_text"])
    assert ns is not None
    assert ns // 10**6 == float(case["handle_created_at_ms"])


@pytest.mark.parametrize(
    ("ns", "text"),
    [
        (0, "1970-01-01T00:00:00+00:00"),
        (1_000_000, "1970-01-01T00:00:00.001+00:00"),
        (1_000, "1970-01-01T00:00:00.000001+00:00"),
        (1, "1970-01-01T00:00:00.000000001+00:00"),
        (-1, "1969-12-31T23:59:59.999999999+00:00"),
        (100_100_000, "1970-01-01T00:00:00.100100+00:00"),
        (951_782_400 * 10**9, "2000-02-29T00:00:00+00:00"),
    ],
)
def test_a_written_time_has_the_shortest_lossless_fraction(ns: int, text: str) -> None:
    assert rfc3339_from_ns(ns) == text


def test_an_offset_can_lead_out_of_four_digit_years() -> None:
    assert index_text_from_rfc3339("0000-01-01T00:00:00+01:00") == "-0001-12-31 23:00:00"
    assert index_text_from_rfc3339("9999-12-31T23:59:59-00:01") == "+10000-01-01 00:00:59"
    assert ns_from_index_text("+10000-01-01 00:00:59") == 253_402_300_859 * 10**9
    assert ns_from_index_text("-0001-12-31 23:00:00") == -62_167_222_800 * 10**9


@pytest.mark.parametrize(
    "text",
    [
        "2026-05-01T24:00:00Z",
        "2026-05-01T12:60:00Z",
        "2026-05-01T12:00:61Z",
        "2026-13-01T12:00:00Z",
        "2026-00-01T12:00:00Z",
        "2026-05-00T12:00:00Z",
        "1900-02-29T12:00:00Z",
        "2026-05-01T12:00:00+23:60",
        "2026-05-01T12:00:00-24:00",
        "2026-05-01T12:00:00Z\n",
        "2026-05-01  12:00:00Z",
        "2026-5-1T12:00:00Z",
        "\u0662026-05-01T12:00:00Z",
        "",
        "2026-05-01",
    ],
)
def test_what_is_not_rfc_3339_has_no_text(text: str) -> None:
    assert index_text_from_rfc3339(text) is None


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("1970-01-01 00:01:00", 60),
        ("1970-01-01T00:01:00", 60),
        ("1970-01-01 00:01", 60),
        ("1970-01-01T00:01:00Z", 60),
        ("1970-01-01 00:01:00+00:00", 60),
        ("1970-01-01 00:00:60", 60),
        ("1970-01-01 01:00:00+01:00", 0),
        ("2000-02-29 00:00:00", 951_782_400),
    ],
)
def test_the_index_is_read_in_every_form_that_microsandbox_reads(text: str, seconds: int) -> None:
    assert ns_from_index_text(text) == seconds * 10**9


@pytest.mark.parametrize("text", ["2026-05-01", "", "now", "1777636800", "2026-02-30 00:00:00", "2026-05-01 00:00:00 "])
def test_what_makes_microsandbox_fail_is_not_read(text: str) -> None:
    assert ns_from_index_text(text) is None


@given(TIMES)
def test_texts_name_the_time_they_were_made_of(ns: int) -> None:
    written = index_text_from_ns(ns)
    assert ns_from_index_text(written) == ns
    assert index_text_from_rfc3339(rfc3339_from_ns(ns)) == written


@given(st.datetimes(timezones=st.timezones(no_cache=False) | st.just(datetime.timezone.utc)))
def test_the_calendar_is_the_one_of_python(time: datetime.datetime) -> None:
    utc = time.astimezone(datetime.timezone.utc) if datetime.MINYEAR < time.year < datetime.MAXYEAR else None
    if utc is not None:
        since = utc - datetime.datetime(1970, 1, 1, tzinfo=datetime.timezone.utc)
        ns = (since.days * 86_400 + since.seconds) * 10**9 + since.microseconds * 1000
        assert index_text_from_ns(ns)[:19] == utc.replace(tzinfo=None).isoformat(" ", "seconds")


@given(st.integers(-(10**9), 10**9))
def test_any_day_survives_the_calendar(days: int) -> None:
    text = index_text_from_ns(days * 86_400 * 10**9)
    if len(text.split("-")[-3].lstrip("+")) <= 6:
        assert ns_from_index_text(text) == days * 86_400 * 10**9


def number(digits: int, edges: list[int]) -> st.SearchStrategy[str]:
    return (st.integers(0, 10**digits - 1) | st.sampled_from(edges)).map(lambda value: f"{value:0{digits}d}")


# Of the form that microsandbox writes, in and out of range.
dates = st.tuples(number(4, [0, 1900, 2000, 9999]), number(2, [1, 2, 12, 13]), number(2, [0, 1, 28, 29, 30, 31])).map(
    "-".join
)
times_of_day = st.tuples(number(2, [0, 19, 20, 23, 24]), number(2, [0, 59, 60]), number(2, [59, 60, 61])).map(":".join)
fractions = st.sampled_from(["", ".000", ".100", ".1", ".12", ".100000", ".000001", ".123456000", ".000000001", ".9\n"])


@given(dates, times_of_day, fractions)
def test_a_time_that_is_valid_at_a_glance_is_the_time_that_a_close_look_finds(
    date: str, time_of_day: str, fraction: str
) -> None:
    text = f"{date}T{time_of_day}{fraction}+00:00"
    # Another spelling of the same time, which microsandbox never writes.
    assert index_text_from_rfc3339(text) == index_text_from_rfc3339(text.replace("T", "t"))


@given(dates, times_of_day, fractions, st.sampled_from(["", "\n", "Z", "+01:00"]))
def test_a_stored_text_is_readable_when_it_is_a_time(date: str, time_of_day: str, fraction: str, offset: str) -> None:
    text = f"{date} {time_of_day}{fraction}{offset}"
    assert is_index_text(text) == (ns_from_index_text(text) is not None)
