# Copyright: (c) 2026, sandboxops contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Find the Python interpreters that the tests run on."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

from system_packages import SetupError, try_to_install

# What an interpreter must have to carry an environment of the tests.
_PROBE = "import ensurepip, sqlite3, ssl, sys, venv; print('%d.%d' % sys.version_info[:2])"


def find_interpreter(version: str) -> Path:
    """Return a Python of that version, from PATH or pyenv, else installed from the system's packages.

    Args:
        version: Major and minor version, such as ``3.9``.

    Raises:
        SetupError: There is none, and none could be installed.
    """
    for candidate in _candidates(version):
        if _runs(candidate, version):
            return candidate
    installed = Path("/usr/bin", f"python{version}")
    if try_to_install(installed.name, f"{installed.name}-venv") and _runs(installed, version):
        return installed
    raise SetupError(
        f"Python {version} with venv is neither on PATH nor in pyenv nor in the system's packages: install it"
    )


def _candidates(version: str) -> Iterator[Path]:
    """Yield where that version may be; a shim of pyenv may be there and not run."""
    for directory in os.get_exec_path():
        yield Path(directory, f"python{version}")
    roots = [Path(os.environ.get("PYENV_ROOT") or Path.home() / ".pyenv")]
    pyenv = shutil.which("pyenv")
    if pyenv:
        roots.append(Path(pyenv).resolve().parents[1])  # it sits in its root, whatever HOME is
    for root in roots:
        for home in sorted(root.glob(f"versions/{version}*"), reverse=True):
            yield home / "bin" / f"python{version}"


def _runs(interpreter: Path, version: str) -> bool:
    try:
        answer = subprocess.run([interpreter, "-c", _PROBE], capture_output=True, text=True, check=False)
    except OSError:
        return False
    return answer.stdout.strip() == version
