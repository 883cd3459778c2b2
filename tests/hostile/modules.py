# Copyright: (c) 2026, sandboxops contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Our modules as Ansible runs them on a host, each in a process of its own that may not hang."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

_PACKAGE = "ansible_collections.sandboxops.microsandbox.plugins.modules"
_HANGS_AFTER = 60


# What makes root ask for permission like anybody else.
_HEED_MODES = ("setpriv", "--bounding-set", "-dac_override,-dac_read_search") if os.geteuid() == 0 else ()


def run_module(collections: Path, module: str, umask: int = 0o022, **options: Any) -> dict[str, Any]:
    """Run a module, bound by the modes of files even as root, and return its result, which may say ``failed``."""
    done = subprocess.run(
        [*_HEED_MODES, sys.executable, "-m", f"{_PACKAGE}.{module}"],
        input=json.dumps({"ANSIBLE_MODULE_ARGS": options}, default=str),
        env={**os.environ, "PYTHONPATH": str(collections)},
        capture_output=True,
        text=True,
        check=False,
        timeout=_HANGS_AFTER,
        umask=umask,
    )
    if done.stderr:
        raise AssertionError(done.stderr)
    result: dict[str, Any] = json.loads(done.stdout)
    return result
