# Copyright: (c) 2026, sandboxops contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Deciding about one artifact: capture it, capture it again, leave it, or remove it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from .._core.errors import MicrosandboxError, StateError
from .._formats.descriptor import Descriptor
from .._observe.artifact import Artifact
from .._observe.sandbox import CaptureSource
from .._observe.target import Target
from .plan import Plan

RECREATE_NEVER = "never"
RECREATE_IF_CHANGED = "if_changed"


@dataclass(frozen=True)
class WantedSnapshot:
    """A snapshot as a task asks for it.

    Attributes:
        path: Directory of the artifact.
        sandbox: Name of the sandbox to capture.
        labels: Pairs of key and value, sorted by key.
        integrity: Whether to record a digest of the upper's content.
        recreate: ``never`` or ``if_changed``.
        force: Replace an artifact that differs.
    """

    path: str
    sandbox: str
    labels: tuple[tuple[str, str], ...]
    integrity: bool
    recreate: str
    force: bool


@dataclass(frozen=True)
class Capture:
    """Capture a sandbox's upper into an artifact."""

    path: str
    sandbox: str
    replaces: str | None

    def __str__(self) -> str:
        """Return the step as a sentence."""
        instead = f" in place of {self.replaces}" if self.replaces else ""
        return f"capture sandbox {self.sandbox} to {self.path}{instead}"


@dataclass(frozen=True)
class Remove:
    """Remove an artifact."""

    path: str
    what: str

    def __str__(self) -> str:
        """Return the step as a sentence."""
        return f"remove {self.what} at {self.path}"


def plan_capture(
    wanted: WantedSnapshot, target: Target, source: CaptureSource | MicrosandboxError, upper_differs: bool
) -> Plan:
    """Decide whether to capture.

    Args:
        wanted: What the task asks for.
        target: What stands at its path.
        source: The sandbox, or why it cannot be captured; that matters only when it is to be captured.
        upper_differs: Whether the sandbox's upper is known to differ from the artifact's.

    Raises:
        StateError: What stands at the path differs and may not be replaced.
        MicrosandboxError: The sandbox must be captured and cannot be.
    """
    after = _wanted_state(wanted, source)
    if target.is_absent:
        return Plan((_capture(wanted, source, None),), {}, after)
    if target.artifact is None:
        if not (wanted.force and target.is_replaceable):
            raise StateError(
                f"{wanted.path} exists and {target.reason}, wanted a snapshot of sandbox {wanted.sandbox}"
                + ("; force replaces it" if target.is_replaceable else ""),
                path=wanted.path,
                reason=target.reason,
            )
        return Plan((_capture(wanted, source, target.reason),), {"path": wanted.path, "state": target.reason}, after)
    before = snapshot_state(target.artifact.path, target.artifact.descriptor)
    differences = _differences(wanted, target.artifact.descriptor, source, upper_differs)
    if not differences:
        return Plan((), before, before, _warnings(wanted, target.artifact.descriptor))
    if not (wanted.force or wanted.recreate == RECREATE_IF_CHANGED):
        raise StateError(
            f"snapshot {target.artifact.path} differs from the request: "
            + "; ".join(f"{name} is {found}, wanted {asked}" for name, (found, asked) in differences.items())
            + "; force or recreate=if_changed captures it again",
            path=target.artifact.path,
            differences={name: {"found": found, "wanted": asked} for name, (found, asked) in differences.items()},
        )
    return Plan((_capture(wanted, source, target.artifact.descriptor.digest),), before, after)


def plan_removal(
    targets: Sequence[Target], others: Sequence[Artifact], indexed_parents: Mapping[str, str], force: bool
) -> Plan:
    """Decide which artifacts to remove, children before parents.

    Args:
        targets: What stands at the paths to clear.
        others: Artifacts of the same store.
        indexed_parents: Parent's digest by child's digest, from index rows.
        force: Remove in spite of children, and what an interrupted capture left.

    Raises:
        StateError: A snapshot has children that would stay, or something at a path is no snapshot.
    """
    present = [target for target in targets if not target.is_absent]
    leaving = {target.digest for target in present if target.digest is not None}
    parents = dict(indexed_parents)
    parents.update({a.descriptor.digest: a.descriptor.parent for a in others if a.descriptor.parent is not None})
    refusals = []
    for target in present:
        if target.digest is None and not (force and target.is_replaceable):
            hint = "; force removes it" if target.is_replaceable else ""
            refusals.append(f"{target.path} {target.reason}{hint}")
        children = sorted(
            child for child, parent in parents.items() if parent == target.digest and child not in leaving
        )
        if target.digest is not None and children and not force:
            how_many = "a child" if len(children) == 1 else f"{len(children)} children"
            refusals.append(f"snapshot {target.path} has {how_many} ({', '.join(children[:3])}); force removes it")
    if refusals:
        raise StateError("nothing is removed: " + ". ".join(refusals), refusals=refusals)
    ordered = sorted(present, key=lambda target: -_depth(target.digest, parents))
    steps = tuple(
        Remove(target.path, f"snapshot {target.digest}" if target.digest else f"what {target.reason}")
        for target in ordered
    )
    before = {target.path: target.digest or target.reason for target in present}
    return Plan(steps, before, {})


def snapshot_state(path: str, descriptor: Descriptor) -> dict[str, Any]:
    """Return the part of a snapshot that a diff shows."""
    return {
        "path": path,
        "source_sandbox": descriptor.source_sandbox,
        "image": {"reference": descriptor.image_reference, "manifest_digest": descriptor.image_manifest_digest},
        "labels": dict(descriptor.labels),
        "upper": {"apparent_bytes": descriptor.upper_bytes},
    }


def _capture(wanted: WantedSnapshot, source: CaptureSource | MicrosandboxError, replaces: str | None) -> Capture:
    if isinstance(source, MicrosandboxError):
        raise source
    return Capture(wanted.path, wanted.sandbox, replaces)


def _wanted_state(wanted: WantedSnapshot, source: CaptureSource | MicrosandboxError) -> dict[str, Any]:
    if isinstance(source, MicrosandboxError):
        return {}
    return {
        "path": wanted.path,
        "source_sandbox": wanted.sandbox,
        "image": {"reference": source.image_reference, "manifest_digest": source.image_manifest_digest},
        "labels": dict(wanted.labels),
        "upper": {"apparent_bytes": source.upper_bytes},
    }


def _differences(
    wanted: WantedSnapshot, found: Descriptor, source: CaptureSource | MicrosandboxError, upper_differs: bool
) -> dict[str, tuple[Any, Any]]:
    pairs: dict[str, tuple[Any, Any]] = {
        "source_sandbox": (found.source_sandbox, wanted.sandbox),
        "labels": (dict(found.labels), dict(wanted.labels)),
    }
    if isinstance(source, CaptureSource):
        pairs["image.reference"] = (found.image_reference, source.image_reference)
        pairs["image.manifest_digest"] = (found.image_manifest_digest, source.image_manifest_digest)
    if upper_differs:
        pairs["upper"] = ("the content captured then", "the content that the sandbox has now")
    return {name: (was, asked) for name, (was, asked) in pairs.items() if was != asked}


def _warnings(wanted: WantedSnapshot, found: Descriptor) -> tuple[str, ...]:
    if wanted.integrity and found.integrity is None:
        return (f"snapshot {wanted.path} was captured without integrity, so its content cannot be verified",)
    return ()


def _depth(digest: str | None, parents: Mapping[str, str]) -> int:
    """Return how many ancestors are known; a cycle, which only a manipulated index can hold, ends the count."""
    seen: set[str] = set()
    while digest is not None and digest in parents and digest not in seen:
        seen.add(digest)
        digest = parents[digest]
    return len(seen)
