# Copyright: (c) 2026, sandboxops contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A snapshot and the snapshots that it descends from."""

from __future__ import annotations

import os

from .._core.errors import StateError
from .artifact import Artifact
from .store import find_digest


def observe_lineage(head: Artifact, directory: str) -> tuple[Artifact, ...]:
    """Return a snapshot with all its ancestors, oldest first.

    Args:
        head: The snapshot.
        directory: The store to look into for ancestors, besides the head's own directory.

    Raises:
        StateError: An ancestor is in neither.
    """
    lineage = [head]
    places = dict.fromkeys((os.path.dirname(head.path), directory))
    digest = head.descriptor.parent
    while digest is not None:
        found = [parent for place in places for parent in [find_digest(place, digest)] if parent is not None]
        if not found:
            child = lineage[-1].path
            raise StateError(
                f"snapshot {child} descends from {digest}, which is not in {' or '.join(places)}",
                path=child,
                parent=digest,
            )
        lineage.append(found[0])
        digest = found[0].descriptor.parent
    return tuple(reversed(lineage))
