# Copyright: (c) 2026, sandboxops contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The artifacts in a directory, and what interrupted runs left there."""

from __future__ import annotations

import os
from dataclasses import dataclass

from .._core.errors import MicrosandboxError
from .._disk.staging import STAGING_PREFIX, dead_staging_areas
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


def observe_store(directory: str) -> Store:
    """List the artifacts of a directory; a missing directory has none.

    Raises:
        OSError: The directory cannot be read.
    """
    try:
        with os.scandir(directory) as entries:
            names = sorted(entry.name for entry in entries if entry.is_dir() or entry.is_symlink())
    except FileNotFoundError:
        return Store(directory, (), (), ())
    artifacts, invalid, orphans = [], [], []
    for name in names:
        path = os.path.join(directory, name)
        if name.startswith(_UPSTREAM_STAGING_PREFIX):
            orphans.append(path)
        if name.startswith("."):
            continue
        try:
            artifacts.append(observe_artifact(path))
        except MicrosandboxError as exc:
            invalid.append(InvalidArtifact(path, exc.code, exc.message))
        except PermissionError as exc:
            invalid.append(InvalidArtifact(path, "os", f"{path} cannot be read: {exc.strerror}"))
    if any(name.startswith(STAGING_PREFIX) for name in names):
        orphans += [os.path.join(directory, name) for name in dead_staging_areas(directory)]
    return Store(directory, tuple(artifacts), tuple(invalid), tuple(orphans))
