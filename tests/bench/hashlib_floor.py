# Copyright: (c) 2026, sandboxops contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Hash as many bytes as a file has, from memory: the least that any SHA-256 of its logical bytes can cost.

usage: hashlib_floor.py FILE
"""

from __future__ import annotations

import hashlib
import json
import os
import sys
import time

_BUFFER_BYTES = 1 << 20


def main() -> None:
    """Hash, and print how long it took."""
    size = os.path.getsize(sys.argv[1])
    buffer = memoryview(bytearray(_BUFFER_BYTES))
    running = hashlib.sha256()
    began = time.perf_counter()
    for dummy in range(size // _BUFFER_BYTES):
        running.update(buffer)
    running.update(buffer[: size % _BUFFER_BYTES])
    running.digest()
    print(json.dumps({"seconds": time.perf_counter() - began}))


if __name__ == "__main__":
    main()
