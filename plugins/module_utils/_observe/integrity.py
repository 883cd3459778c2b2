# Copyright: (c) 2026, sandboxops contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Whether an upper's content is what its descriptor recorded."""

from __future__ import annotations

from collections.abc import Iterable
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Callable

from .._core.errors import IntegrityError, UnsupportedError, excerpt
from .._disk.content_hash import ALGORITHMS, SPARSE_SHA256, hash_extent_framed, hash_file
from .._disk.extents import scan_extents
from .._disk.nonzero_runs import nonzero_runs
from .._disk.sparse_file import Traffic
from .._formats.descriptor import Descriptor
from .artifact import Artifact, open_upper

NOT_RECORDED = "not_recorded"
RECORDED = "recorded"
VERIFIED = "verified"
MISMATCH = "mismatch"
UNSUPPORTED = "unsupported"

LOGICAL = "logical"
EXTENT_FRAMED = "extent-framed"


@dataclass(frozen=True)
class IntegrityState:
    """What is known of an upper's content.

    Attributes:
        state: ``not_recorded``, ``recorded`` (not computed), ``verified``, ``mismatch`` or ``unsupported``.
        definition: Which definition of ``msb-sparse-sha256-v1`` gave the recorded digest; None for other algorithms.
        computed: The digest of the logical bytes, where it is not the recorded one.
    """

    state: str
    definition: str | None = None
    computed: str | None = None


_NOT_RECORDED, _RECORDED, _UNSUPPORTED = map(IntegrityState, (NOT_RECORDED, RECORDED, UNSUPPORTED))


def recorded_state(descriptor: Descriptor) -> IntegrityState:
    """Return what a descriptor alone says of its upper's content."""
    if descriptor.integrity is None:
        return _NOT_RECORDED
    return _RECORDED if descriptor.integrity.algorithm in ALGORITHMS else _UNSUPPORTED


def verify_artifact(artifact: Artifact, traffic: Traffic) -> IntegrityState:
    """Compute the recorded digest of an artifact's upper anew and compare.

    Raises:
        IntegrityError: The upper is no longer the file that the descriptor describes.
        StateError: The upper changed meanwhile.
    """
    recorded = artifact.descriptor.integrity
    if recorded is None or recorded.algorithm not in ALGORITHMS:
        return recorded_state(artifact.descriptor)
    with open_upper(artifact) as fd:
        digest = hash_file(fd, scan_extents(fd), recorded.algorithm, traffic)
    return judge_content(artifact.descriptor, digest, lambda: open_upper(artifact), traffic)


def judge_content(
    descriptor: Descriptor, digest: str | None, reopen: Callable[[], AbstractContextManager[int]], traffic: Traffic
) -> IntegrityState:
    """Judge the digest that a pass over the logical bytes gave.

    A ``msb-sparse-sha256-v1`` that differs is tried in its extent-framed definition too, in a second pass: over the
    extents as they are allocated, then over the runs of blocks that are not zero, which is what an allocation looks
    like after an archive.

    Args:
        descriptor: Holds the recorded digest.
        digest: Of the logical bytes in the recorded algorithm, or None if no such algorithm is recorded.
        reopen: Opens the upper for reading again.
        traffic: Where the bytes of a second pass are counted.
    """
    recorded = descriptor.integrity
    if recorded is None or digest is None:
        return recorded_state(descriptor)
    is_sparse = recorded.algorithm == SPARSE_SHA256
    if digest == recorded.digest:
        return IntegrityState(VERIFIED, LOGICAL if is_sparse else None)
    if is_sparse:
        with reopen() as fd:
            if recorded.digest in _extent_framed_digests(fd, traffic):
                return IntegrityState(VERIFIED, EXTENT_FRAMED)
    return IntegrityState(MISMATCH, None, digest)


def require_verified(descriptor: Descriptor, found: IntegrityState, upper: str) -> None:
    """Check that an upper's content is not known to differ from what is recorded.

    Raises:
        IntegrityError: It differs.
        UnsupportedError: The recorded algorithm is unknown.
    """
    recorded = descriptor.integrity
    if recorded is None or found.state in (NOT_RECORDED, VERIFIED):
        return
    facts = {"path": upper, "algorithm": recorded.algorithm[:128], "expected": recorded.digest[:128]}
    if found.state == UNSUPPORTED:
        raise UnsupportedError(
            f"{upper} has integrity recorded as {excerpt(recorded.algorithm)},"
            f" this collection computes {' and '.join(ALGORITHMS)}",
            **facts,
        )
    legacy = (
        "; if microsandbox 0.4.4 to 0.5.7 recorded it, it is allocation-dependent and these bytes cannot reproduce it"
        if recorded.algorithm == SPARSE_SHA256
        else ""
    )
    raise IntegrityError(
        f"{upper} has the {recorded.algorithm} digest {found.computed},"
        f" its descriptor recorded {excerpt(recorded.digest)}{legacy}",
        actual=found.computed,
        allocation_dependent=bool(legacy),
        **facts,
    )


def _extent_framed_digests(fd: int, traffic: Traffic) -> Iterable[str]:
    extent_map = scan_extents(fd)
    yield hash_extent_framed(fd, extent_map.size_bytes, extent_map.extents, traffic)
    yield hash_extent_framed(fd, extent_map.size_bytes, nonzero_runs(fd, extent_map, traffic), traffic)
