# Copyright: (c) 2026, sandboxops contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a retention is told: which snapshots are one's own, what keeps one of them, and how they are grouped."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from fnmatch import fnmatchcase

from .._core.durations import parse_duration
from .._core.errors import RequestError, excerpt

BY_IMAGE = "image"
BY_LABEL = "label"
BY_NAME = "name"
BY_SOURCE_SANDBOX = "source_sandbox"

# What a pattern of a shell has besides text: any text, any character, and one of a set.
_WILDCARDS = re.compile(r"[*?]|\[!?\]?[^\]]*\]")
# How a kind of group reads on, if it does.
_GROUPS = {BY_IMAGE: None, BY_SOURCE_SANDBOX: None, BY_LABEL: "KEY", BY_NAME: "PATTERN"}


@dataclass(frozen=True)
class ListedSnapshot:
    """A snapshot as a host lists it.

    Attributes:
        name: Its name.
        digest: Its identity, which copies under other names share.
        parent: Digest of the snapshot that it descends from.
        created_at: Time of capture, as recorded.
        labels: Its labels.
        source_sandbox: Name of the sandbox that was captured.
        image_reference: Reference of the OCI image that it pins.
        allocated_bytes: Its size on disk.
    """

    name: str
    digest: str
    parent: str | None
    created_at: str
    labels: Mapping[str, str]
    source_sandbox: str | None
    image_reference: str
    allocated_bytes: int


@dataclass(frozen=True)
class LabelSelector:
    """A label that a snapshot has, with a value or with any.

    Attributes:
        key: The label.
        value: The value, or None for any.
    """

    key: str
    value: str | None

    def __str__(self) -> str:
        """Return the selector as it is written."""
        return self.key if self.value is None else f"{self.key}={self.value}"

    def matches(self, snapshot: ListedSnapshot) -> bool:
        """Return whether a snapshot has the label."""
        return self.key in snapshot.labels and self.value in (None, snapshot.labels[self.key])


@dataclass(frozen=True)
class Selection:
    """Which snapshots are one's own; what is given must hold all at once.

    Attributes:
        labels: Labels that they have.
        name: Pattern of their names, with the wildcards of a shell.
        source_sandbox: Sandbox that they were captured from.

    Raises:
        RequestError: Nothing is given, or only a pattern without any text, such as ``*`` and ``[!.]*``.
    """

    labels: tuple[LabelSelector, ...] = ()
    name: str | None = None
    source_sandbox: str | None = None

    def __post_init__(self) -> None:
        """Check that it says whose snapshots they are."""
        says_a_name = bool(_WILDCARDS.sub("", self.name or ""))
        if not (self.labels or self.source_sandbox or says_a_name):
            raise RequestError(
                "the selection says nothing about whose snapshots may be removed, expected labels, a source_sandbox or"
                f" a name pattern with more than wildcards, found the pattern {excerpt(self.name or '')}",
                option="select",
            )

    def matches(self, snapshot: ListedSnapshot) -> bool:
        """Return whether a snapshot is one's own."""
        return (
            all(label.matches(snapshot) for label in self.labels)
            and (not self.name or fnmatchcase(snapshot.name, self.name))
            and self.source_sandbox in (None, "", snapshot.source_sandbox)
        )


@dataclass(frozen=True)
class KeepRules:
    """What keeps a snapshot; one reason is enough.

    Attributes:
        last: So many of the newest of every group.
        within_ns: Those that are younger, in nanoseconds.
        labels: Those that have one of these labels.
        allow_empty: Whether a group may lose its last snapshot.

    Raises:
        RequestError: There is no rule, or a negative number.
    """

    last: int | None = None
    within_ns: int | None = None
    labels: tuple[LabelSelector, ...] = ()
    allow_empty: bool = False

    def __post_init__(self) -> None:
        """Check that there is a rule."""
        if self.last is None and self.within_ns is None and not self.labels:
            raise RequestError("there is no keep rule, expected last, within or labels", option="keep")
        if self.last is not None and self.last < 0:
            raise RequestError(f"keep last is {self.last}, expected 0 or more", option="keep.last")


@dataclass(frozen=True)
class GroupKey:
    """What the snapshots of a group have in common.

    Attributes:
        kind: ``image``, ``label``, ``name`` or ``source_sandbox``.
        argument: The label, or the pattern of the part of the name.
    """

    kind: str
    argument: str = ""

    def __str__(self) -> str:
        """Return the key as it is written."""
        return f"{self.kind}:{self.argument}" if self.argument else self.kind

    def value_of(self, snapshot: ListedSnapshot) -> str | None:
        """Return what a snapshot has there, or None where it has nothing."""
        if self.kind == BY_IMAGE:
            return snapshot.image_reference
        if self.kind == BY_LABEL:
            return snapshot.labels.get(self.argument)
        if self.kind == BY_NAME:
            match = re.match(self.argument, snapshot.name)
            return None if match is None else match[1 if match.re.groups else 0]
        return snapshot.source_sandbox


def parse_label_selectors(texts: Iterable[str], what: str) -> tuple[LabelSelector, ...]:
    """Return the selectors that ``KEY`` and ``KEY=VALUE`` spell.

    Raises:
        RequestError: One has no key.
    """
    selectors = []
    for text in texts:
        key, equals, value = text.partition("=")
        if not key.strip():
            raise RequestError(f"{what} has {excerpt(text)}, expected KEY or KEY=VALUE", option=what)
        selectors.append(LabelSelector(key.strip(), value.strip() if equals else None))
    return tuple(selectors)


def parse_keep_rules(last: int | None, within: str | None, labels: Iterable[str], allow_empty: bool) -> KeepRules:
    """Return rules from their text.

    Raises:
        RequestError: There is none, or one cannot be read.
    """
    within_ns = parse_duration(within, "keep.within") if within else None
    return KeepRules(last, within_ns, parse_label_selectors(labels, "keep.labels"), allow_empty)


def parse_group_keys(texts: Iterable[str]) -> tuple[GroupKey, ...]:
    """Return the keys that ``image``, ``source_sandbox``, ``label:KEY`` and ``name:PATTERN`` spell.

    A pattern is a regular expression, matched from the start of a name; what its first group or else all of it matches
    is the value.

    Raises:
        RequestError: One is none of them.
    """
    keys = []
    for text in texts:
        kind, dummy, argument = text.partition(":")
        if kind not in _GROUPS or (_GROUPS[kind] is None) != (not argument):
            known = ", ".join(name if more is None else f"{name}:{more}" for name, more in sorted(_GROUPS.items()))
            raise RequestError(f"group_by has {excerpt(text)}, expected {known}", option="group_by")
        if kind == BY_NAME:
            _require_pattern(argument)
        keys.append(GroupKey(kind, argument))
    return tuple(keys)


def _require_pattern(pattern: str) -> None:
    try:
        re.compile(pattern)
    except re.error as exc:
        raise RequestError(
            f"group_by has the name pattern {excerpt(pattern)}, expected a regular expression: {exc}", option="group_by"
        ) from exc
