# Copyright: (c) 2026, sandboxops contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""An interrupted task gets the time to call back what it has begun on a host."""

from __future__ import annotations

import contextlib
import os
import signal
import threading
from collections.abc import Iterator
from types import FrameType

_SIGNALS = (signal.SIGINT, signal.SIGTERM)
_UNDO_SECONDS = 20


@contextlib.contextmanager
def undoing_first() -> Iterator[None]:
    """Let SIGINT and SIGTERM unwind the block as ``KeyboardInterrupt``, and do what they do otherwise only then.

    Ansible's worker processes end at once when one of them comes, and with them the connection, of which a host hears
    nothing unless it has a terminal. What comes later does not disturb the unwinding, which ends after 20 seconds.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    came: list[int] = []

    def unwind(number: int, dummy: FrameType | None) -> None:
        if came and number != signal.SIGALRM:
            return
        if not came:
            came.append(number)
            signal.signal(signal.SIGALRM, unwind)
            signal.alarm(_UNDO_SECONDS)
        raise KeyboardInterrupt

    before = {number: signal.signal(number, unwind) for number in _SIGNALS}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
        if came:
            signal.alarm(0)
            os.kill(os.getpid(), came[0])
