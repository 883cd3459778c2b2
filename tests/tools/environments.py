# Copyright: (c) 2026, sandboxops contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Virtual environments below ``.cache/``, made from the pinned files in ``tests/requirements/``."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

from interpreters import find_interpreter

CHECKOUT = Path(__file__).resolve().parents[2]
CACHE = CHECKOUT / ".cache"
_REQUIREMENTS = CHECKOUT / "tests" / "requirements"

# The environment and the Python that carries it; python-3.9 takes ansible-core against that package's own floor.
_PYTHONS = {
    "galaxy-importer": "3.11",
    "lint": "3.11",
    "python-3.9": "3.9",
    "python-3.11": "3.11",
    "python-3.13": "3.13",
}
_OPTIONS = {"python-3.9": ["--ignore-requires-python"]}


def ensure_environment(name: str) -> Path:
    """Return the environment's directory of programs, made anew when it is missing or its pins have changed.

    Args:
        name: Name of a file in ``tests/requirements/``, without ``.txt``.

    Raises:
        SetupError: The Python that it needs is missing.
        subprocess.CalledProcessError: It could not be made.
    """
    requirements = _REQUIREMENTS / f"{name}.txt"
    environment = CACHE / "environments" / name
    interpreter = find_interpreter(_PYTHONS[name])
    wanted = f"# {interpreter.resolve()}\n{requirements.read_text(encoding='utf-8')}"
    stamp = environment / "made-from.txt"  # written last: what has no stamp is not whole
    if not (stamp.is_file() and stamp.read_text(encoding="utf-8") == wanted):
        print(f"installing {requirements.relative_to(CHECKOUT)} on Python {_PYTHONS[name]}", flush=True)
        shutil.rmtree(environment, ignore_errors=True)
        subprocess.run([interpreter, "-m", "venv", environment], check=True)
        # Every dependency is pinned in the file, so pip has none to find.
        pip: list[str | Path] = [
            environment / "bin" / "python",
            "-m",
            "pip",
            "--quiet",
            "--disable-pip-version-check",
            "install",
        ]
        subprocess.run([*pip, "--no-deps", *_OPTIONS.get(name, []), "--requirement", requirements], check=True)
        stamp.write_text(wanted, encoding="utf-8")
    return environment / "bin"


def link_interpreters() -> Path:
    """Return a directory that has the tests' Pythons under their usual names, for programs that search PATH."""
    directory = CACHE / "interpreters"
    directory.mkdir(parents=True, exist_ok=True)
    for version in sorted(set(_PYTHONS.values())):
        link = directory / f"python{version}"
        link.unlink(missing_ok=True)
        link.symlink_to(find_interpreter(version))
    return directory
