# Copyright: (c) 2026, sandboxops contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Fixtures of the tests that run jobs as AWX does; the samples are those of the tests of playbooks."""

from __future__ import annotations

import os
import shutil
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Callable

import pytest

sys.path.insert(0, str(Path(__file__).parents[1] / "integration"))
sys.path.insert(0, str(Path(__file__).parent))

from awx_jobs import CHECKOUT, JobTemplate


@pytest.fixture(scope="session")
def collections(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The path that the collection is found on: the one that Ansible is told, else one to this checkout."""
    told = os.environ.get("ANSIBLE_COLLECTIONS_PATH")
    if told:
        return Path(told)
    directory = tmp_path_factory.mktemp("collections")
    namespace = directory / "ansible_collections/sandboxops"
    namespace.mkdir(parents=True)
    namespace.joinpath("microsandbox").symlink_to(CHECKOUT, target_is_directory=True)
    return directory


@pytest.fixture
def directories() -> Iterator[Callable[[], Path]]:
    """Makes directories with short names, which go away with the test."""
    made = []

    def make() -> Path:
        made.append(Path(tempfile.mkdtemp(prefix="microsandbox-awx-")).resolve())
        return made[-1]

    yield make
    for directory in made:
        shutil.rmtree(directory)


@pytest.fixture
def homes(directories: Callable[[], Path]) -> Path:
    """The directory of the hosts' homes."""
    return directories()


@pytest.fixture
def job_template(directories: Callable[[], Path], collections: Path) -> Callable[..., JobTemplate]:
    """Makes a job template of a playbook for some hosts."""

    def make(playbook: str, hosts: Any, **common: Any) -> JobTemplate:
        return JobTemplate(directories(), collections, playbook, hosts, **common)

    return make
