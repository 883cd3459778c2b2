# Copyright: (c) 2026, sandboxops contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Make one virtual environment below ``.cache/`` for each version of the real microsandbox that the tests drive.

usage: setup_envs.py [VERSION ...]    (default: every version that has a requirements file here)

Needs Python's standard library and PyPI only. An environment that is already there costs a few milliseconds.
"""

from __future__ import annotations

import fcntl
import shutil
import subprocess
import sys
from pathlib import Path

_HERE = Path(__file__).resolve().parent
CACHE = _HERE.parents[1] / ".cache"
VERSIONS = tuple(sorted(path.stem.removeprefix("requirements-") for path in _HERE.glob("requirements-*.txt")))


def ensure_environment(version: str) -> Path:
    """Return the environment's directory, made first when it is missing or its requirements have changed."""
    requirements = (_HERE / f"requirements-{version}.txt").read_text(encoding="utf-8")
    environment = CACHE / f"microsandbox-{version}"
    stamp = environment / "requirements.txt"  # written last: what has no stamp is not whole
    CACHE.mkdir(exist_ok=True)
    with open(CACHE / "microsandbox.lock", "wb") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if _runs(environment) and stamp.is_file() and stamp.read_text(encoding="utf-8") == requirements:
            return environment
        print(f"installing the real microsandbox {version} into {environment.relative_to(CACHE.parent)}", flush=True)
        shutil.rmtree(environment, ignore_errors=True)
        subprocess.run([sys.executable, "-m", "venv", str(environment)], check=True)
        install = [environment / "bin/python", "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
        subprocess.run([*install, "--requirement", _HERE / f"requirements-{version}.txt"], check=True)
        stamp.write_text(requirements, encoding="utf-8")
    return environment


def _runs(environment: Path) -> bool:
    """Tell whether the environment's interpreter starts; it does not once the Python it was made from is gone."""
    try:
        return subprocess.run([environment / "bin/python", "-c", ""], check=False).returncode == 0
    except OSError:
        return False


def main() -> None:
    """Make the environments named on the command line."""
    for version in sys.argv[1:] or VERSIONS:
        if version not in VERSIONS:
            sys.exit(f"microsandbox {version} has no requirements file here, there are: {', '.join(VERSIONS)}")
        ensure_environment(version)


if __name__ == "__main__":
    main()
