# Copyright: (c) 2026, sandboxops contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Make what the demo needs below ``.cache/``, and a builder home with one stopped sandbox.

usage: prepare.py BUILDER_HOME    (an empty directory with a short path: sockets are made below it)
"""

from __future__ import annotations

import sys
from pathlib import Path

_HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(_HERE.parent / "interop"))

from real_0711 import Msb0711  # noqa: E402
from setup_envs import ensure_environment, ensure_microsandbox  # noqa: E402


def main() -> None:
    """Make the environments, then the sandbox ``base``."""
    ensure_environment("demo-environment", _HERE / "requirements.txt")
    msb = Msb0711(ensure_microsandbox("0.7.11"), Path(sys.argv[1]))
    upper = msb.make_stopped_sandbox("base", root_disk="512M")
    size = upper.stat()
    sys.stdout.write(
        f"microsandbox 0.7.11 made the stopped sandbox base: an upper of {size.st_size} bytes"
        f" with {size.st_blocks * 512} bytes allocated\n"
    )


if __name__ == "__main__":
    main()
