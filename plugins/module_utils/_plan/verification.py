# Copyright: (c) 2026, sandboxops contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which snapshots of a host are verified next, and what is remembered of it: pure decisions."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from .._core.errors import RequestError, excerpt
from .._core.utc_seconds import seconds_from_utc, utc_from_seconds
from .._formats.verification_record import DAMAGED, VERIFIED, Verification

_DAY_SECONDS = 86_400
_MAX_DAYS = 36_500


@dataclass(frozen=True)
class Rotation:
    """How much is verified in a run, and how often each snapshot.

    Attributes:
        percent: Share of a host's snapshots, in percent, rounded up; 0 for none.
        max_bytes: Apparent size of all that one run verifies, or 0 for no limit; one snapshot is verified in any case.
        after_days: A snapshot is due when its last verification is that long ago.
    """

    percent: int
    max_bytes: int
    after_days: int


@dataclass(frozen=True)
class Candidate:
    """A snapshot that can be verified.

    Attributes:
        digest: Its identity.
        apparent_bytes: What its verification covers.
    """

    digest: str
    apparent_bytes: int


def parse_rotation(percent: Any, max_bytes: Any, after_days: Any) -> Rotation:
    """Return a rotation from the values of a role.

    Raises:
        RequestError: One of them is no number, or out of range.
    """
    return Rotation(
        _parse_number(percent, "percent", 100),
        _parse_number(max_bytes, "max_bytes", None),
        _parse_number(after_days, "after_days", _MAX_DAYS),
    )


def choose_due(
    candidates: Iterable[Candidate], known: Mapping[str, Verification], rotation: Rotation, now: str
) -> tuple[str, ...]:
    """Choose what to verify now, and return the digests in the order of their turn.

    Those never verified come first, then the least recently verified. What is known to be damaged is looked at again in
    every run, beside the share, so that a repair shows at once and damage never keeps others from their turn.

    Args:
        candidates: All snapshots of the host that have recorded integrity.
        known: The last verifications.
        rotation: The share.
        now: The time.
    """
    sizes = {candidate.digest: candidate.apparent_bytes for candidate in candidates}
    if not rotation.percent:
        return ()
    damaged = sorted(digest for digest in sizes if digest in known and known[digest].state == DAMAGED)
    latest = seconds_from_utc(now) - rotation.after_days * _DAY_SECONDS
    waiting = sorted(
        (seconds_from_utc(known[digest].at) if digest in known else -1, digest)
        for digest in sizes
        if digest not in damaged and (digest not in known or seconds_from_utc(known[digest].at) <= latest)
    )
    most = -(-len(sizes) * rotation.percent // 100)
    chosen: list[str] = []
    left = rotation.max_bytes
    for dummy, digest in waiting[:most]:
        if rotation.max_bytes and chosen and sizes[digest] > left:
            break
        chosen.append(digest)
        left -= sizes[digest]
    return (*damaged, *chosen)


def remember(
    known: Mapping[str, Verification], present: Iterable[str], found: Mapping[str, str], now: str
) -> dict[str, Verification]:
    """Return the last verifications after a run; of snapshots that are gone nothing is kept.

    Args:
        known: The last verifications before it.
        present: Digests of the host's snapshots.
        found: What the run found, ``verified`` or ``damaged``, by digest.
        now: The time.
    """
    after = {digest: known[digest] for digest in present if digest in known}
    for digest, state in found.items():
        # Damage that is found again is the same damage: its time is that of the discovery.
        if not (state == DAMAGED and digest in known and known[digest].state == DAMAGED):
            after[digest] = Verification(state, now)
    return after


def next_due(known: Iterable[Verification], after_days: int) -> str | None:
    """Return when the first of what is verified becomes due, or None when nothing is."""
    times = [found.at for found in known if found.state == VERIFIED]
    return utc_from_seconds(seconds_from_utc(min(times)) + after_days * _DAY_SECONDS) if times else None


def _parse_number(value: Any, what: str, most: int | None) -> int:
    option = f"verify_{what}"
    try:
        number = int(value)
    except (TypeError, ValueError):
        number = -1
    if number < 0 or (most is not None and number > most):
        expected = "0 or more" if most is None else f"0 to {most}"
        raise RequestError(f"{option} is {excerpt(str(value))}, expected {expected}", option=option)
    return number
