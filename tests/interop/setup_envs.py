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
sys.path.insert(0, str(_HERE.parent / "tools"))

from downloads import run_patiently  # noqa: E402

_CACHE = _HERE.parents[1] / ".cache"
_VERSIONS = tuple(sorted(path.stem[len("requirements-") :] for path in _HERE.glob("requirements-*.txt")))


def ensure_microsandbox(version: str) -> Path:
    """Return the environment of that version of microsandbox, made first when it is missing."""
    return ensure_environment(f"microsandbox-{version}", _HERE / f"requirements-{version}.txt")


def ensure_environment(name: str, requirements: Path) -> Path:
    """Return the environment ``.cache/NAME``, made anew when it is missing or its requirements have changed."""
    wanted = requirements.read_text(encoding="utf-8")
    environment = _CACHE / name
    stamp = environment / "requirements.txt"  # written last: what has no stamp is not whole
    _CACHE.mkdir(exist_ok=True)
    with (_CACHE / f"{name}.lock").open("wb") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if _runs(environment) and stamp.is_file() and stamp.read_text(encoding="utf-8") == wanted:
            return environment
        sys.stdout.write(f"installing {requirements.relative_to(_CACHE.parent)} into .cache/{name}\n")
        sys.stdout.flush()
        shutil.rmtree(environment, ignore_errors=True)
        subprocess.run([sys.executable, "-m", "venv", environment], check=True)
        install = [environment / "bin/python", "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
        run_patiently([*install, "--requirement", requirements])
        stamp.write_text(wanted, encoding="utf-8")
    return environment


def _runs(environment: Path) -> bool:
    """Tell whether the environment's interpreter starts; it does not once the Python it was made from is gone."""
    try:
        return subprocess.run([environment / "bin/python", "-c", ""], check=False).returncode == 0
    except OSError:
        return False


def main() -> None:
    """Make the environments named on the command line."""
    for version in sys.argv[1:] or _VERSIONS:
        if version not in _VERSIONS:
            sys.exit(f"microsandbox {version} has no requirements file here, there are: {', '.join(_VERSIONS)}")
        ensure_microsandbox(version)


if __name__ == "__main__":
    main()
