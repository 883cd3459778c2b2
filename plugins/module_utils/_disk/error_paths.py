# Copyright: (c) 2026, sandboxops contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which file an error is about: a call on a descriptor does not say."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator


def name_file(exc: OSError, fd: int) -> None:
    """Put the path of an open file into the error of a call on its descriptor, if the kernel can tell it."""
    with contextlib.suppress(OSError):
        exc.filename = os.readlink(f"/proc/self/fd/{fd}")


@contextlib.contextmanager
def naming_file(fd: int) -> Iterator[None]:
    """Let every error inside the block name the open file; all calls in it are on its descriptor."""
    try:
        yield
    except OSError as exc:
        name_file(exc, fd)
        raise
