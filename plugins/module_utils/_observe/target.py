# Copyright: (c) 2026, sandboxops contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What stands at a path where a snapshot is to be, or to be no more."""

from __future__ import annotations

import os
from dataclasses import dataclass

from .._core.errors import IntegrityError, MicrosandboxError
from .artifact import Artifact, is_capture_leftover, observe_artifact, observe_descriptor


@dataclass(frozen=True)
class Target:
    """What stands at a path.

    Attributes:
        path: The path.
        is_absent: Whether nothing stands there.
        artifact: The artifact, when it is a well-formed one.
        digest: Digest of the descriptor, when there is a valid one.
        reason: Why it is no well-formed artifact, as the end of a sentence about the path.
        is_replaceable: Whether force may replace or remove it: it has a valid descriptor, or an interrupted capture
            left it.
    """

    path: str
    is_absent: bool = False
    artifact: Artifact | None = None
    digest: str | None = None
    reason: str = ""
    is_replaceable: bool = False


def observe_target(path: str) -> Target:
    """Look at a path without following a symlink there.

    Raises:
        OSError: The path cannot be read.
    """
    if not os.path.lexists(path):
        return Target(path, is_absent=True)
    try:
        artifact = observe_artifact(path)
    except IntegrityError as exc:
        return Target(
            path, digest=observe_descriptor(path).digest, reason=f"is damaged: {exc.message}", is_replaceable=True
        )
    except MicrosandboxError as exc:
        if is_capture_leftover(path):
            return Target(path, reason="is what an interrupted capture left", is_replaceable=True)
        what = exc.message
        if what.startswith(f"{path} "):
            what = "it" + what[len(path) :]
        return Target(path, reason=f"is no snapshot of this collection: {what}")
    return Target(path, artifact=artifact, digest=artifact.descriptor.digest, is_replaceable=True)
