# Copyright: (c) 2026, sandboxops contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Times as microsandbox writes them, in whole nanoseconds since 1970 (``ns``) and without a limit on the year.

The proleptic Gregorian calendar, always UTC. A second 60 may stand in any minute and counts as the next minute's first.
"""

from __future__ import annotations

import re

_NS = 1_000_000_000
_DAY_SECONDS = 86_400
# Days from 1 March of the year 0 to 1 January 1970, and in one cycle of the calendar.
_EPOCH_DAYS = 719_468
_CYCLE_DAYS = 146_097
_MONTH_DAYS = (31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31)
# microsandbox takes U+2212 for a minus.
_MINUS = "-\N{MINUS SIGN}"

_RFC3339 = re.compile(
    r"(?P<year>[0-9]{4})-(?P<month>[0-9]{2})-(?P<day>[0-9]{2})[Tt ]"
    r"(?P<hour>[0-9]{2}):(?P<minute>[0-9]{2}):(?P<second>[0-9]{2})(?:\.(?P<fraction>[0-9]+))?"
    rf"(?:[Zz]|(?P<sign>[+{_MINUS}])(?P<offset_hour>[0-9]{{2}}):(?P<offset_minute>[0-9]{{2}}))\Z"
)
_INDEX_TEXT = re.compile(
    r"(?P<year>[0-9]{4}|[+-][0-9]{4,6})-(?P<month>[0-9]{2})-(?P<day>[0-9]{2})[T ]"
    r"(?P<hour>[0-9]{2}):(?P<minute>[0-9]{2})(?::(?P<second>[0-9]{2})(?:\.(?P<fraction>[0-9]+))?)?"
    r"(?:Z|(?P<sign>[+-])(?P<offset_hour>[0-9]{2}):(?P<offset_minute>[0-9]{2}))?\Z"
)
# Times that are valid at a glance: in any month's first 28 days, in no leap second, with the shortest fraction.
_PLAIN_DATE = "[0-9]{4}-(?:0[1-9]|1[0-2])-(?:0[1-9]|1[0-9]|2[0-8])"
_PLAIN_TIME = r"(?:[01][0-9]|2[0-3]):[0-5][0-9]:[0-5][0-9](?:\.(?:[0-9]{3}){0,2}(?!000)[0-9]{3})?"
_PLAIN_RFC3339 = re.compile(rf"({_PLAIN_DATE})T({_PLAIN_TIME})\+00:00\Z")
_PLAIN_INDEX_TEXT = re.compile(rf"{_PLAIN_DATE} {_PLAIN_TIME}\Z")


def rfc3339_from_ns(ns: int) -> str:
    """Return the time as microsandbox writes it into a manifest: ``+00:00`` and 0, 3, 6 or 9 fraction digits."""
    seconds, nanosecond = divmod(ns, _NS)
    return _date_and_time(seconds, "T") + _fraction(nanosecond) + "+00:00"


def index_text_from_ns(ns: int) -> str:
    """Return the time as microsandbox writes it into its database."""
    seconds, nanosecond = divmod(ns, _NS)
    return _date_and_time(seconds, " ") + _fraction(nanosecond)


def index_text_from_rfc3339(text: str) -> str | None:
    """Return the database's text of a time recorded in a manifest, or None where microsandbox cannot read it.

    Digits after the ninth are dropped, and a second 60 stays one.
    """
    plain = _PLAIN_RFC3339.match(text)
    if plain is not None:
        return f"{plain[1]} {plain[2]}"
    match = _RFC3339.match(text)
    if match is None:
        return None
    time = _read(match)
    if time is None:
        return None
    seconds, nanosecond, is_leap = time
    if is_leap:
        return _date_and_time(seconds, " ")[:-2] + "60" + _fraction(nanosecond)
    return _date_and_time(seconds, " ") + _fraction(nanosecond)


def is_index_text(text: str) -> bool:
    """Return whether microsandbox can read the time of a text in the database."""
    return _PLAIN_INDEX_TEXT.match(text) is not None or ns_from_index_text(text) is not None


def ns_from_index_text(text: str) -> int | None:
    """Return the time of a text in the database, or None where microsandbox cannot read it."""
    match = _INDEX_TEXT.match(text)
    time = None if match is None else _read(match)
    if time is None:
        return None
    seconds, nanosecond, is_leap = time
    return (seconds + is_leap) * _NS + nanosecond


def _read(match: re.Match[str]) -> tuple[int, int, bool] | None:
    """Return seconds in UTC, nanosecond and whether it is a second 60 (counted as 59), or None out of range."""
    year, month, day = int(match["year"]), int(match["month"]), int(match["day"])
    hour, minute, second = int(match["hour"]), int(match["minute"]), int(match["second"] or 0)
    offset_hour, offset_minute = int(match["offset_hour"] or 0), int(match["offset_minute"] or 0)
    if not (1 <= month <= 12 and 1 <= day <= _days_in_month(year, month)):
        return None
    if hour > 23 or minute > 59 or second > 60 or offset_hour > 23 or offset_minute > 59:
        return None
    offset = offset_hour * 3600 + offset_minute * 60
    if match["sign"] and match["sign"] in _MINUS:
        offset = -offset
    seconds = _days_from_date(year, month, day) * _DAY_SECONDS + hour * 3600 + minute * 60 + min(second, 59) - offset
    nanosecond = int((match["fraction"] or "0")[:9].ljust(9, "0"))
    return seconds, nanosecond, second == 60


def _date_and_time(seconds: int, separator: str) -> str:
    days, second_of_day = divmod(seconds, _DAY_SECONDS)
    year, month, day = _date_from_days(days)
    # Outside four digits the year carries a sign.
    year_text = f"{year:04d}" if 0 <= year <= 9999 else f"{year:+05d}"
    minutes, second = divmod(second_of_day, 60)
    return f"{year_text}-{month:02d}-{day:02d}{separator}{minutes // 60:02d}:{minutes % 60:02d}:{second:02d}"


def _fraction(nanosecond: int) -> str:
    if nanosecond == 0:
        return ""
    if nanosecond % 1_000_000 == 0:
        return f".{nanosecond // 1_000_000:03d}"
    if nanosecond % 1_000 == 0:
        return f".{nanosecond // 1_000:06d}"
    return f".{nanosecond:09d}"


def _days_in_month(year: int, month: int) -> int:
    is_leap_year = year % 4 == 0 and (year % 100 != 0 or year % 400 == 0)
    return 29 if month == 2 and is_leap_year else _MONTH_DAYS[month - 1]


# Both conversions count years from 1 March, so that the leap day ends a year
# (Howard Hinnant, "chrono-Compatible Low-Level Date Algorithms").
def _days_from_date(year: int, month: int, day: int) -> int:
    year -= month <= 2
    cycle, year_of_cycle = divmod(year, 400)
    day_of_year = (153 * ((month + 9) % 12) + 2) // 5 + day - 1
    day_of_cycle = year_of_cycle * 365 + year_of_cycle // 4 - year_of_cycle // 100 + day_of_year
    return cycle * _CYCLE_DAYS + day_of_cycle - _EPOCH_DAYS


def _date_from_days(days: int) -> tuple[int, int, int]:
    cycle, day_of_cycle = divmod(days + _EPOCH_DAYS, _CYCLE_DAYS)
    year_of_cycle = (day_of_cycle - day_of_cycle // 1460 + day_of_cycle // 36524 - day_of_cycle // 146096) // 365
    day_of_year = day_of_cycle - (365 * year_of_cycle + year_of_cycle // 4 - year_of_cycle // 100)
    march_month = (5 * day_of_year + 2) // 153
    day = day_of_year - (153 * march_month + 2) // 5 + 1
    month = march_month + 3 if march_month < 10 else march_month - 9
    return cycle * 400 + year_of_cycle + (month <= 2), month, day
