# Copyright: (c) 2026, sandboxops contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Fixtures of the tests that drive the modules through the real Ansible."""

from __future__ import annotations

import os
import shutil
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Callable

import pytest

sys.path.insert(0, str(Path(__file__).parent))

from real_ansible import Ansible
from sample_homes import make_home

_CHECKOUT = Path(__file__).resolve().parents[2]


@pytest.fixture(scope="session")
def collections(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The path that the collection is found on: the one that Ansible is told, else one to this checkout."""
    told = os.environ.get("ANSIBLE_COLLECTIONS_PATH")
    if told:
        return Path(told)
    directory = tmp_path_factory.mktemp("collections")
    namespace = directory / "ansible_collections/sandboxops"
    namespace.mkdir(parents=True)
    namespace.joinpath("microsandbox").symlink_to(_CHECKOUT, target_is_directory=True)
    return directory


@pytest.fixture(scope="session")
def directories() -> Iterator[Callable[[], Path]]:
    """Makes directories that every user can enter, for whom pytest's own are closed."""
    made = []

    def make() -> Path:
        directory = Path(tempfile.mkdtemp(prefix="microsandbox-tests-")).resolve()
        directory.chmod(0o755)
        made.append(directory)
        return directory

    yield make
    for directory in made:
        shutil.rmtree(directory)


@pytest.fixture(scope="session")
def new_ansible(directories: Callable[[], Path], collections: Path) -> Callable[[], Ansible]:
    """Makes an Ansible of its own for whoever asks."""
    return lambda: Ansible(directories(), collections)


@pytest.fixture
def ansible(new_ansible: Callable[[], Ansible]) -> Ansible:
    """Ansible, with the tests' Python on the managed side too."""
    return new_ansible()


@pytest.fixture
def machine(directories: Callable[[], Path]) -> Path:
    """A directory in which everything lies that a test works on."""
    return directories()


@pytest.fixture
def home(machine: Path) -> Path:
    """The home that 0.6.2 wrote, with three snapshots."""
    return make_home(machine / "home")
