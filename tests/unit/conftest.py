# Copyright: (c) 2026, sandboxops contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Make ``ansible_collections.sandboxops.microsandbox`` importable from a plain checkout, with or without Ansible."""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

# A busy machine is no finding.
settings.register_profile("patient", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("patient")

_CHECKOUT = Path(__file__).resolve().parents[2]
_COLLECTIONS = pytest.StashKey["tempfile.TemporaryDirectory[str]"]()


def pytest_configure(config: pytest.Config) -> None:
    """Put a tree first on the import path in which the collection's name is a link to the checkout."""
    collections = tempfile.TemporaryDirectory(prefix="collections-")
    namespace = Path(collections.name, "ansible_collections", "sandboxops")
    namespace.mkdir(parents=True)
    namespace.joinpath("microsandbox").symlink_to(_CHECKOUT, target_is_directory=True)
    sys.path.insert(0, collections.name)
    config.stash[_COLLECTIONS] = collections


def pytest_unconfigure(config: pytest.Config) -> None:
    """Remove that tree."""
    collections = config.stash[_COLLECTIONS]
    sys.path.remove(collections.name)
    collections.cleanup()


@pytest.fixture(scope="session")
def collections_path(pytestconfig: pytest.Config) -> Path:
    """The directory to put on the import path of a Python that a test starts."""
    return Path(pytestconfig.stash[_COLLECTIONS].name)
