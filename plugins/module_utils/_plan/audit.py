# Copyright: (c) 2026, sandboxops contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What an audit holds against a host: drift from the desired snapshots, damage, and a stale index."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from .._core.digests import is_sha256
from .._core.errors import RequestError, excerpt
from .._formats.fleet_report import DAMAGED, ERROR, WARNING, AuditedSnapshot, Problem

# Kinds of problems and how bad they are, in the order in which a report names them.
SEVERITIES = {
    "unreachable": ERROR,
    "failed": ERROR,
    "no_home": ERROR,
    "damaged": ERROR,
    "missing": ERROR,
    "other_digest": ERROR,
    "other_image": ERROR,
    "other_labels": ERROR,
    "not_offline": ERROR,
    "verification_failed": ERROR,
    "unsupported": WARNING,
    "other_name": WARNING,
    "unexpected": WARNING,
    "index_row_missing": WARNING,
    "index_row_stale": WARNING,
    "index_artifact_missing": WARNING,
    "orphans": WARNING,
    "read_only": WARNING,
    "low_space": WARNING,
    "no_zstd": WARNING,
    "record_lost": WARNING,
    "record_not_kept": WARNING,
}
_RANKS = {kind: rank for rank, kind in enumerate(SEVERITIES)}
_WISH_KEYS = ("name", "digest", "image", "labels")


@dataclass(frozen=True)
class Wish:
    """A snapshot that every host must have; what is None or empty may be anything.

    Attributes:
        name: Its name.
        digest: Its digest.
        image: Reference or manifest digest of the image that it pins.
        labels: Labels that it has.
    """

    name: str | None = None
    digest: str | None = None
    image: str | None = None
    labels: Mapping[str, str] = field(default_factory=dict)

    @property
    def title(self) -> str:
        """Return what a person calls it."""
        labels = " ".join(f"{key}={value}" for key, value in sorted(self.labels.items()))
        return self.name or self.digest or labels or self.image or ""


@dataclass(frozen=True)
class Rules:
    """What an audit holds hosts to.

    Attributes:
        desired: The snapshots that every host must have.
        exclusive: No others may be there.
        require_offline: The desired ones, or all if none are desired, must boot without a registry.
        min_free_bytes: How much space must be left.
    """

    desired: tuple[Wish, ...] = ()
    exclusive: bool = False
    require_offline: bool = True
    min_free_bytes: int = 0


def parse_rules(rules: Mapping[str, Any]) -> Rules:
    """Return the rules of a role.

    Raises:
        RequestError: They are none.
    """
    try:
        min_free_bytes = int(rules.get("min_free_bytes") or 0)
    except (TypeError, ValueError):
        raise RequestError(f"min_free_bytes is {excerpt(str(rules['min_free_bytes']))}, not a number") from None
    return Rules(
        desired=parse_desired(rules.get("desired") or ()),
        exclusive=rules.get("exclusive", False) is True,
        require_offline=rules.get("require_offline", True) is True,
        min_free_bytes=min_free_bytes,
    )


def parse_desired(value: Any) -> tuple[Wish, ...]:
    """Return the desired snapshots from a list, or from its JSON text as a survey gives it.

    Raises:
        RequestError: It is none, or a snapshot in it has no name, digest, labels or image, or something else.
    """
    if isinstance(value, str):
        try:
            value = json.loads(value) if value.strip() else []
        except json.JSONDecodeError as exc:
            raise RequestError(f"desired is {excerpt(value)}, not a list as JSON: {exc.msg.lower()}") from None
    if not isinstance(value, Sequence):
        raise RequestError(f"desired is {excerpt(str(value))}, not a list")
    return tuple(_parse_wish(entry) for entry in value)


def problem(kind: str, host: str, subject: str, message: str) -> Problem:
    """Return a problem of a kind that is known."""
    return Problem(SEVERITIES[kind], kind, host, subject, message)


def worst_first(problems: Iterable[Problem]) -> tuple[Problem, ...]:
    """Return problems in the order in which a report names them."""
    return tuple(
        sorted(set(problems), key=lambda found: (_RANKS[found.kind], found.subject, found.message, found.host))
    )


def judge_snapshots(
    host: str, snapshots: Sequence[AuditedSnapshot], broken: Sequence[str], rules: Rules
) -> tuple[Problem, ...]:
    """Return the drift of a host's snapshots from the rules; the subject of each is the snapshot's name.

    Args:
        host: Its name.
        snapshots: What it has.
        broken: Names of directories that are no snapshots that can be read, and reported as such.
        rules: What is wanted.
    """
    found: list[Problem] = []
    wanted: set[str] = set()
    for wish in rules.desired:
        fitting, drift = _judge_wish(host, wish, snapshots)
        wanted |= {snapshot.name for snapshot in fitting}
        found += [one for one in drift if one.kind != "missing" or wish.name not in broken]
    for snapshot in snapshots:
        name = snapshot.name
        if snapshot.content == DAMAGED:
            found.append(problem("damaged", host, name, "the content is not what was recorded at its capture"))
        if rules.require_offline and not snapshot.boots_offline and (name in wanted or not rules.desired):
            message = f"needs a registry to boot: {snapshot.image_reference} is not whole in the image cache"
            found.append(problem("not_offline", host, name, message))
        if rules.exclusive and name not in wanted:
            found.append(problem("unexpected", host, name, f"{snapshot.digest} is not among the desired snapshots"))
    return tuple(found)


def _judge_wish(
    host: str, wish: Wish, snapshots: Sequence[AuditedSnapshot]
) -> tuple[list[AuditedSnapshot], list[Problem]]:
    """Return the snapshots that a wish means, and how they differ from it."""
    if wish.name is None:
        fitting = [one for one in snapshots if wish.digest in (None, one.digest) and not _differences(wish, one)]
        return fitting, [] if fitting else [problem("missing", host, wish.title, "no such snapshot")]
    named = [one for one in snapshots if one.name == wish.name]
    if named:
        return named, [problem(kind, host, wish.name, text) for kind, text in _differences(wish, named[0])]
    same = [one for one in snapshots if one.digest == wish.digest]
    if same:
        text = f"{same[0].digest} is wanted as {wish.name}"
        return same, [problem("other_name", host, same[0].name, text)]
    return [], [problem("missing", host, wish.name, f"wanted is {wish.digest or 'a snapshot of this name'}")]


def _differences(wish: Wish, snapshot: AuditedSnapshot) -> list[tuple[str, str]]:
    found = []
    if wish.digest not in (None, snapshot.digest):
        found.append(("other_digest", f"is {snapshot.digest}, wanted is {wish.digest}"))
    if wish.image not in (None, snapshot.image_reference, snapshot.image_manifest_digest):
        found.append(("other_image", f"pins {snapshot.image_reference}, wanted is {wish.image}"))
    others = [key for key, value in sorted(wish.labels.items()) if snapshot.labels.get(key) != value]
    if others:
        shown = ", ".join(f"{excerpt(key)} is {excerpt(snapshot.labels.get(key, ''))}" for key in others)
        found.append(("other_labels", f"labels differ from what is wanted: {shown}"))
    return found


def _parse_wish(entry: Any) -> Wish:
    if not isinstance(entry, Mapping) or not entry or not set(entry) <= set(_WISH_KEYS):
        raise RequestError(f"desired has {excerpt(str(entry))}, expected {', '.join(_WISH_KEYS)}")
    texts = {key: str(entry[key]) if entry.get(key) else None for key in _WISH_KEYS[:3]}
    labels = entry.get("labels") or {}
    if not isinstance(labels, Mapping):
        raise RequestError(f"desired has the labels {excerpt(str(labels))}, expected a mapping")
    if texts["digest"] is not None and not is_sha256(texts["digest"]):
        raise RequestError(f"desired has the digest {excerpt(texts['digest'])}, not sha256: and 64 hex digits")
    wish = Wish(labels={str(key): str(value) for key, value in labels.items()}, **texts)
    if not wish.title:
        raise RequestError("desired has a snapshot without name, digest, labels or image")
    return wish
