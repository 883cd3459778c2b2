# Copyright: (c) 2026, sandboxops contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Where bytes go front to back, zeros among them that need not be spelt out."""

from __future__ import annotations

from typing import Callable, Protocol

from .sparse_file import BUFFER_BYTES, ZEROS


class ByteSink(Protocol):
    """Takes bytes front to back."""

    def put(self, view: memoryview) -> None:
        """Add bytes."""

    def put_zeros(self, length: int) -> None:
        """Add zeros."""


def feed_zeros(length: int, put: Callable[[memoryview], None]) -> None:
    """Call ``put`` with so many zeros, at most ``BUFFER_BYTES`` at a time."""
    for dummy in range(length // BUFFER_BYTES):
        put(ZEROS)
    if length % BUFFER_BYTES:
        put(ZEROS[: length % BUFFER_BYTES])
