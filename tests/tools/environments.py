# Copyright: (c) 2026, sandboxops contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Virtual environments below ``.cache/``, made from the pinned files in ``tests/requirements/``."""

from __future__ import annotations

import os
import shutil
import subprocess
import threading
from pathlib import Path

from downloads import run_patiently
from interpreters import find_interpreter

CHECKOUT = Path(__file__).resolve().parents[2]
CACHE = CHECKOUT / ".cache"
HOME = CACHE / "home"
_INTERPRETERS = CACHE / "interpreters"
_REQUIREMENTS = CHECKOUT / "tests" / "requirements"

# The environment and the Python that carries it; python-3.9 takes ansible-core against that package's own floor.
_PYTHONS = {
    "awx": "3.11",
    "docsite": "3.11",
    "fuzz": "3.11",
    "galaxy-importer": "3.11",
    "lint": "3.11",
    "molecule": "3.11",
    "python-3.9": "3.9",
    "python-3.11": "3.11",
    "python-3.13": "3.13",
    "s3": "3.11",
}
_OPTIONS = {"python-3.9": ["--ignore-requires-python"]}
# Requirements that stand beside what needs them.
_FILES = {"fuzz": CHECKOUT / "tests" / "fuzz" / "requirements.txt"}
_SYSTEM_PROGRAMS = ("/usr/local/sbin", "/usr/sbin", "/sbin")  # not on every PATH
_MAKING = threading.Lock()  # stages that run at the same time share environments


def ensure_environment(name: str) -> Path:
    """Return the environment's directory of programs, made anew when it is missing or its pins have changed.

    Args:
        name: Name of a file in ``tests/requirements/``, without ``.txt``, or of one that ``_FILES`` lists.

    Raises:
        SetupError: The Python that it needs is missing.
        subprocess.CalledProcessError: It could not be made.
    """
    requirements = _FILES.get(name, _REQUIREMENTS / f"{name}.txt")
    environment = CACHE / "environments" / name
    interpreter = find_interpreter(_PYTHONS[name])
    wanted = f"# {interpreter.resolve()}\n{requirements.read_text(encoding='utf-8')}"
    stamp = environment / "made-from.txt"  # written last: what has no stamp is not whole
    with _MAKING:
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
            run_patiently([*pip, "--no-deps", *_OPTIONS.get(name, []), "--requirement", requirements])
            stamp.write_text(wanted, encoding="utf-8")
    return environment / "bin"


def plain_environment(programs: Path | None = None) -> dict[str, str]:
    """Return environment variables that let programs under test find no configuration of the user's, and leave none.

    Nor do they print colours: some do so in a pipe where the variable CI is set. Ansible wants a locale of UTF-8.

    Args:
        programs: Directory to put first on PATH.
    """
    foreign = ("ANSIBLE_", "GIT_", "MSB_", "PYTEST_")
    dropped = ("PYTHONHOME", "PYTHONPATH", "VIRTUAL_ENV")
    kept = {name: value for name, value in os.environ.items() if not name.startswith(foreign) and name not in dropped}
    path = [*filter(None, [programs]), _INTERPRETERS, kept.get("PATH", os.defpath), *_SYSTEM_PROGRAMS]
    return kept | {
        "HOME": str(HOME),
        "LC_ALL": "C.UTF-8",
        "NO_COLOR": "1",
        "PATH": os.pathsep.join(str(directory) for directory in path),
    }


def link_interpreters() -> None:
    """Put the tests' Pythons under their usual names into one directory, for programs that search PATH.

    Raises:
        SetupError: One of them is missing.
    """
    _INTERPRETERS.mkdir(parents=True, exist_ok=True)
    for version in sorted(set(_PYTHONS.values())):
        link = _INTERPRETERS / f"python{version}"
        link.unlink(missing_ok=True)
        link.symlink_to(find_interpreter(version))
