# Copyright: (c) 2026, sandboxops contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Reading a file front to back, once, with a look ahead and a witness of every byte."""

from __future__ import annotations

import os
from typing import Callable

from .error_paths import name_file

_READ_BYTES = 1 << 20


class ByteSource:
    """Reads a file front to back, once, with a look ahead, and tells every byte to an observer.

    Where the file cannot be read, the ``OSError`` names it.

    Args:
        fd: Descriptor opened for reading, at the position to start from.
        observer: Called with each piece as it is read from the file, for a running digest for example.

    Attributes:
        position: How many bytes were consumed.
    """

    def __init__(self, fd: int, observer: Callable[[bytes], object] | None = None) -> None:
        self._fd = fd
        self._observer = observer
        self._buffer = b""
        self._at = 0
        self.position = 0

    def peek(self, count: int) -> bytes:
        """Return the next ``count`` bytes without consuming them; fewer at the end of the file."""
        while len(self._buffer) - self._at < count:
            try:
                piece = os.read(self._fd, _READ_BYTES)
            except OSError as exc:
                name_file(exc, self._fd)
                raise
            if not piece:
                break
            if self._observer is not None:
                self._observer(piece)
            self._buffer = self._buffer[self._at :] + piece
            self._at = 0
        return self._buffer[self._at : self._at + count]

    def read(self, count: int) -> bytes:
        """Return and consume the next ``count`` bytes; fewer at the end of the file."""
        content = self.peek(count)
        self._at += len(content)
        self.position += len(content)
        return content

    def read_into(self, view: memoryview) -> int:
        """Fill the view as far as the file goes, and return how many bytes that were."""
        head = self.read(min(len(view), len(self._buffer) - self._at))
        view[: len(head)] = head
        done = len(head)
        while done < len(view):
            try:
                count = os.readv(self._fd, [view[done:]])
            except OSError as exc:
                name_file(exc, self._fd)
                raise
            if count == 0:
                break
            if self._observer is not None:
                self._observer(bytes(view[done : done + count]))
            done += count
            self.position += count
        return done
