# Copyright: (c) 2026, sandboxops contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What all the tests of faults stand on."""

from __future__ import annotations

import shutil
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Callable

import pytest

sys.path.insert(0, str(Path(__file__).parent))

from mounts import mounted, why_no_mounts
from needs import require
from tracing import why_not_here
from trial import Bench
from worlds import OPERATIONS, Operation, Scene


@pytest.fixture
def directory() -> Iterator[Path]:
    """Return a directory that every user may enter."""
    path = Path(tempfile.mkdtemp(prefix="faults-"))
    path.chmod(0o755)
    yield path
    shutil.rmtree(path)


@pytest.fixture
def operation_named() -> Callable[[str], Operation]:
    """Find an operation by its name."""
    return {operation.name: operation for operation in OPERATIONS}.__getitem__


@pytest.fixture
def bench_of(directory: Path, operation_named: Callable[[str], Operation]) -> Callable[[str], Bench]:
    """Set up an operation, by its name, in the directory."""
    return lambda name: Bench(Scene(directory, operation_named(name)))


@pytest.fixture(autouse=True, scope="session")
def _require_strace() -> None:
    require(why_not_here())


@pytest.fixture
def mount(request: pytest.FixtureRequest, directory: Path) -> Iterator[object]:
    """Mount the file system that the test is parametrised with."""
    require(why_no_mounts())
    with mounted(request.param, directory) as mount:
        yield mount
