# Copyright: (c) 2026, sandboxops contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Fixtures that put our modules and the real microsandbox, each in its own environment, on homes of a test."""

from __future__ import annotations

import shutil
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Callable

import pytest

sys.path.insert(0, str(Path(__file__).parent))

from loopback_registry import LoopbackRegistry
from our_modules import OurModules
from real_062 import Sdk062
from real_0711 import Msb0711
from sandbox_image import APP, BASE, REPEATED
from setup_envs import ensure_microsandbox


@pytest.fixture(scope="session")
def environment_062() -> Path:
    """Return the environment of microsandbox 0.6.2."""
    return ensure_microsandbox("0.6.2")


@pytest.fixture(scope="session")
def environment_0711() -> Path:
    """Return the environment of microsandbox 0.7.11."""
    return ensure_microsandbox("0.7.11")


@pytest.fixture
def homes() -> Iterator[Path]:
    """Return a directory for homes, with a path so short that the sockets of 0.7.11 fit below it."""
    directory = Path(tempfile.mkdtemp(prefix="msb-", dir="/tmp"))
    yield directory
    shutil.rmtree(directory)


@pytest.fixture
def sdk062(environment_062: Path, homes: Path) -> Callable[[str], Sdk062]:
    """Return the 0.6.2 SDK on a home of that name, made when it is missing."""

    def on_home(name: str) -> Sdk062:
        (homes / name).mkdir(exist_ok=True)
        return Sdk062(environment_062, homes / name)

    return on_home


@pytest.fixture
def msb0711(environment_0711: Path, homes: Path) -> Callable[[str], Msb0711]:
    """Return 0.7.11's ``msb`` on a home of that name, made when it is missing."""

    def on_home(name: str) -> Msb0711:
        (homes / name).mkdir(exist_ok=True)
        return Msb0711(environment_0711, homes / name)

    return on_home


@pytest.fixture(scope="session")
def registry() -> Iterator[LoopbackRegistry]:
    """Return a registry to publish images in."""
    registry = LoopbackRegistry()
    yield registry
    registry.close()


@pytest.fixture
def images_062(sdk062: Callable[[str], Sdk062], registry: LoopbackRegistry) -> Sdk062:
    """Return the 0.6.2 SDK on the home ``builder``: three images pulled, a stopped sandbox and a snapshot of each.

    The sandboxes and snapshots are named ``base``, ``app`` and ``repeated`` after the images.
    """
    sdk = sdk062("builder")
    for image in (BASE, APP, REPEATED):
        name = image.name.partition(":")[0]
        sdk.make_pulled_sandbox(name, registry.publish(image))
        sdk.call("create", source_sandbox=name, name=name, record_integrity=True)
    return sdk


@pytest.fixture
def images_0711(msb0711: Callable[[str], Msb0711]) -> Msb0711:
    """Return 0.7.11's ``msb`` on the home ``builder7``: three images loaded, with a stopped sandbox of each."""
    msb = msb0711("builder7")
    for image in (BASE, APP, REPEATED):
        msb.make_stopped_sandbox(image.name.partition(":")[0], image=image, root_disk="256M")
    return msb


@pytest.fixture(scope="session")
def import_path(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a directory in which ``ansible_collections.sandboxops.microsandbox`` is this checkout."""
    directory = tmp_path_factory.mktemp("collections")
    collection = directory / "ansible_collections/sandboxops/microsandbox"
    collection.parent.mkdir(parents=True)
    collection.symlink_to(Path(__file__).resolve().parents[2])
    return directory


@pytest.fixture
def ours(import_path: Path, homes: Path) -> Callable[[str], OurModules]:
    """Return our modules on a home of that name, made when it is missing."""

    def on_home(name: str) -> OurModules:
        (homes / name).mkdir(exist_ok=True)
        return OurModules(import_path, homes / name)

    return on_home


@pytest.fixture
def content(tmp_path: Path) -> Path:
    """Return a directory whose files a sandbox's upper holds."""
    directory = tmp_path / "content"
    (directory / "opt").mkdir(parents=True)
    (directory / "opt/app.txt").write_bytes(b"golden\n" * 30_000)
    (directory / "opt/noise.bin").write_bytes(bytes(i * i % 251 for i in range(300_000)))
    return directory
