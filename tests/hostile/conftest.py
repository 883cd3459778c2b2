# Copyright: (c) 2026, sandboxops contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Make the collection importable from the checkout, and write every hostile archive once."""

from __future__ import annotations

import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

_HERE = Path(__file__).parent
_COLLECTIONS = tempfile.TemporaryDirectory(prefix="collections-")
_NAMESPACE = Path(_COLLECTIONS.name, "ansible_collections/sandboxops")
_NAMESPACE.mkdir(parents=True)
_NAMESPACE.joinpath("microsandbox").symlink_to(_HERE.resolve().parents[1], target_is_directory=True)
sys.path[:0] = [str(_HERE), _COLLECTIONS.name]

from cases_paths import OUTSIDE  # noqa: E402


def pytest_unconfigure() -> None:
    """Remove the tree that made the collection importable."""
    _COLLECTIONS.cleanup()


@pytest.fixture(scope="session")
def collections_path() -> Path:
    """Return the directory to put on the import path of a Python that a test starts."""
    return Path(_COLLECTIONS.name)


@pytest.fixture(scope="session")
def archives(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Write every archive, in another process so that this one stays small, and return their directory."""
    directory = tmp_path_factory.mktemp("archives")
    subprocess.run([sys.executable, str(_HERE / "all_cases.py"), str(directory)], check=True, capture_output=True)
    return directory


@pytest.fixture
def world(tmp_path: Path) -> Iterator[Path]:
    """Return a directory for a home and what lies around it."""
    Path(OUTSIDE).unlink(missing_ok=True)  # an import that once let something out may have left it
    directory = tmp_path / "world"
    directory.mkdir()
    yield directory
    directory.chmod(0o755)
