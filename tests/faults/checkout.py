# Copyright: (c) 2026, sandboxops contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The checkout as an importable collection."""

from __future__ import annotations

import atexit
import sys
import tempfile
from pathlib import Path

_CHECKOUT = Path(__file__).resolve().parents[2]


def _link_collection() -> None:
    """Make a tree in which the collection's name is a link to the checkout, and put it on the import path."""
    tree = tempfile.TemporaryDirectory(prefix="collections-")
    atexit.register(tree.cleanup)
    namespace = Path(tree.name, "ansible_collections", "sandboxops")
    namespace.mkdir(parents=True)
    namespace.joinpath("microsandbox").symlink_to(_CHECKOUT, target_is_directory=True)
    sys.path.insert(0, tree.name)


_link_collection()
