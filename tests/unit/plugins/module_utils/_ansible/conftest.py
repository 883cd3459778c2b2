# Copyright: (c) 2026, sandboxops contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Homes whose image caches hold real images, and tasks that work on them."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import TYPE_CHECKING, Any, Callable

import pytest

if TYPE_CHECKING:
    from ansible_collections.sandboxops.microsandbox.plugins.module_utils._ansible.task import Task

_IMAGES = Path(__file__).parents[3] / "data/image-cache"
_NOW_NS = 1_795_230_000_000_000_000
_DEFAULTS: dict[str, Any] = {
    **dict.fromkeys(("snapshots_dir", "cache_dir", "checksum", "compression", "digest", "name")),
    "lock_timeout": 1,
    "limits": {},
    "images": [],
    "snapshots": [],
    "exclude_layers": [],
    "pin": {},
    "level": 3,
    "threads": 1,
    "layout": "auto",
    "force": False,
    "verify": True,
    "with_parents": False,
    "with_image": True,
}


@pytest.fixture
def add_images(tmp_path: Path) -> Callable[..., Path]:
    """Put images among the samples into the cache of a home below the test's directory, and return the home."""

    def add(home: str, *names: str) -> Path:
        cache = tmp_path / home / "cache"
        for name in names:
            shutil.copytree(_IMAGES / name / "cache", cache, dirs_exist_ok=True)
        for path in cache.rglob("*"):
            path.chmod(0o755 if path.is_dir() else 0o644)
        for vmdk in cache.glob("vmdk/*"):
            vmdk.write_text(vmdk.read_text("utf-8").replace("{CACHE}", str(cache.resolve())), "utf-8")
        return cache.parent

    return add


@pytest.fixture
def new_task() -> Callable[..., Task]:
    """Make a task on a home; options that are not given have their defaults."""
    # The collection can be imported only once the tests are configured, which is after this file is read.
    from ansible_collections.sandboxops.microsandbox.plugins.module_utils._ansible.task import Task  # noqa: PLC0415

    def make(home: Path, check_mode: bool = False, **params: Any) -> Task:
        shown = {name: str(value) if isinstance(value, Path) else value for name, value in params.items()}
        return Task({**_DEFAULTS, "home": str(home), **shown}, check_mode, _NOW_NS)

    return make
