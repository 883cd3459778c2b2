# Copyright: (c) 2026, sandboxops contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The artifacts in a directory, and what interrupted runs left there."""

from __future__ import annotations

import contextlib
import itertools
import os
from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass

from .._core.errors import FormatError, MicrosandboxError
from .._disk.dead_staging import dead_staging_areas
from .._disk.regular_file import read_regular_file
from .._disk.staging import STAGING_PREFIX
from .._formats.manifest_json import MANIFEST_FILE, MAX_MANIFEST_BYTES, parse_manifest
from .artifact import Artifact, observe_artifact

_UPSTREAM_STAGING_PREFIX = ".msb-snapshot-import-"


@dataclass(frozen=True)
class InvalidArtifact:
    """A directory in a store that is no artifact this collection reads.

    Attributes:
        path: The directory.
        code: Code of the error, as in a failed task.
        reason: What is wrong, as one sentence.
    """

    path: str
    code: str
    reason: str


@dataclass(frozen=True)
class Store:
    """What a directory of artifacts holds.

    Attributes:
        directory: The directory.
        artifacts: Well-formed artifacts, sorted by name.
        invalid: Other directories that are not hidden, sorted by name.
        orphans: Paths of staging areas that dead runs left, and of those of microsandbox, which have no sign of life.
    """

    directory: str
    artifacts: tuple[Artifact, ...]
    invalid: tuple[InvalidArtifact, ...]
    orphans: tuple[str, ...]

    @property
    def paths(self) -> tuple[str, ...]:
        """Return the directories of the artifacts."""
        return tuple(artifact.path for artifact in self.artifacts)


def observe_store(directory: str, only: str | None = None) -> Store:
    """List the artifacts of a directory; a missing directory has none.

    Args:
        directory: The store.
        only: Name of the one artifact that is wanted, or None for all.

    Raises:
        OSError: The directory cannot be read.
    """
    try:
        with os.scandir(directory) as entries:
            found = sorted((entry.name, entry.path) for entry in entries if entry.is_symlink() or entry.is_dir())
    except FileNotFoundError:
        return Store(directory, (), (), ())
    artifacts, invalid, orphans = [], [], []
    for name, path in found:
        if name.startswith(_UPSTREAM_STAGING_PREFIX):
            orphans.append(path)
        if name.startswith(".") or only not in (None, name):
            continue
        try:
            artifacts.append(observe_artifact(path))
        except MicrosandboxError as exc:
            invalid.append(InvalidArtifact(path, exc.code, exc.message))
        except OSError as exc:
            invalid.append(InvalidArtifact(path, "os", f"{path} cannot be read: {exc.strerror}"))
    if any(name.startswith(STAGING_PREFIX) for name, dummy in found):
        orphans += [os.path.join(directory, name) for name in dead_staging_areas(directory)]
    return Store(directory, tuple(artifacts), tuple(invalid), tuple(orphans))


def find_digest(directory: str, digest: str, hints: Iterable[str] = ()) -> Artifact | None:
    """Return the artifact with a digest, or None.

    Args:
        directory: The store.
        digest: Identity of the snapshot.
        hints: Paths to try before any other, from index rows for example.
    """
    paths = itertools.chain(hints, (path for dummy, path in _paths_with(directory, (digest,), [])))
    return next((found for path in paths for found in [_with_digest(path, digest)] if found is not None), None)


def find_paths(directory: str, digests: Collection[str]) -> Iterator[tuple[str, str]]:
    """Yield the digest and the path of a store's artifacts that have one of these digests, sorted by name.

    Only their descriptors are looked at.

    Raises:
        OSError: A descriptor cannot be read, and may be the one with a digest that no other has.
    """
    unread: list[OSError] = []
    found = set()
    for digest, path in _paths_with(directory, digests, unread):
        found.add(digest)
        yield digest, path
    if unread and not found.issuperset(digests):
        raise unread[0]


def _paths_with(directory: str, digests: Collection[str], unread: list[OSError]) -> Iterator[tuple[str, str]]:
    """Yield digests and paths, and collect why descriptors could not be read."""
    for path in _visible_directories(directory):
        try:
            digest = _read_digest(path)
        except OSError as exc:
            unread.append(exc)
            continue
        if digest is not None and digest in digests:
            yield digest, path


def find_children(directory: str, digest: str) -> tuple[str, ...]:
    """Return the digests of a store's artifacts whose parent has a digest, sorted."""
    wanted = digest.encode("utf-8")
    children = set()
    for path in _visible_directories(directory):
        content = None
        with contextlib.suppress(OSError):
            content = _raw_manifest(path)
        if content is None or (wanted not in content and b"\\u" not in content):
            continue
        with contextlib.suppress(MicrosandboxError):
            descriptor = parse_manifest(content)
            if descriptor.parent == digest:
                children.add(descriptor.digest)
    return tuple(sorted(children))


def _with_digest(path: str, digest: str) -> Artifact | None:
    with contextlib.suppress(MicrosandboxError, PermissionError):
        artifact = observe_artifact(path)
        if artifact.descriptor.digest == digest:
            return artifact
    return None


def _read_digest(path: str) -> str | None:
    content = _raw_manifest(path)
    with contextlib.suppress(MicrosandboxError):
        return None if content is None else parse_manifest(content).digest
    return None


def _visible_directories(directory: str) -> list[str]:
    try:
        with os.scandir(directory) as entries:
            # Through a symlink there is no artifact; asked about one that leads nowhere, the system may also fail.
            return sorted(
                entry.path
                for entry in entries
                if not entry.name.startswith(".") and entry.is_dir(follow_symlinks=False)
            )
    except (FileNotFoundError, NotADirectoryError):
        return []


def _raw_manifest(path: str) -> bytes | None:
    """Return the bytes of a manifest, or None where there is none, or none for this user.

    Raises:
        OSError: The disk does not give it away.
    """
    file = f"{path}/{MANIFEST_FILE}"
    try:
        return read_regular_file(file, MAX_MANIFEST_BYTES)
    except (FormatError, FileNotFoundError, NotADirectoryError, PermissionError):
        return None
    except OSError as exc:
        # A read knows no name.
        exc.filename = file
        raise
