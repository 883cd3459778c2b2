# Copyright: (c) 2026, sandboxops contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Import archives, each in a child of this process, and print what that took: ``python measure.py ARCHIVES HOMES``."""

from __future__ import annotations

import json
import os
import re
import sys
import time
from pathlib import Path
from typing import Any

from ansible_collections.sandboxops.microsandbox.plugins.module_utils._core.errors import MicrosandboxError
from importing import import_archive, make_home


def measure(archive: Path, world: Path) -> dict[str, Any]:
    """Import one archive in a child; return its peak of resident memory in MiB, its seconds and the error's code."""
    reader, writer = os.pipe()
    child = os.fork()
    if child == 0:
        os.close(reader)
        try:
            os.write(writer, json.dumps(_import(archive, world)).encode())
        finally:
            os._exit(0)
    os.close(writer)
    with open(reader, encoding="utf-8") as pipe:
        text = pipe.read()
    os.waitpid(child, 0)
    return json.loads(text) if text else {"code": "crashed", "mib": 0, "seconds": 0}


def _import(archive: Path, world: Path) -> dict[str, Any]:
    world.mkdir()
    home = make_home(world)
    began = time.process_time()
    code = None
    try:
        import_archive(archive, home)
    except MicrosandboxError as exc:
        code = exc.code
    seconds = time.process_time() - began
    # getrusage would count what the parent took; this is the child's own.
    peak = re.search(r"VmHWM:\s*(\d+) kB", Path("/proc/self/status").read_text(encoding="utf-8"))
    return {"code": code, "mib": int(peak.group(1)) >> 10 if peak else -1, "seconds": round(seconds, 2)}


def main() -> None:
    """Measure every archive of a directory."""
    archives, homes = Path(sys.argv[1]), Path(sys.argv[2])
    print(json.dumps({path.name: measure(path, homes / path.name) for path in sorted(archives.iterdir())}))


if __name__ == "__main__":
    main()
