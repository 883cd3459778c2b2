# Copyright: (c) 2026, sandboxops contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Artifacts: those that microsandbox wrote, with their holes, and made ones."""

from __future__ import annotations

import json
import os
import shutil
from pathlib import Path
from typing import Any, Callable

import pytest

_DATA = Path(__file__).parents[3] / "data"


@pytest.fixture
def real_artifact(tmp_path: Path) -> Callable[[str], Path]:
    """Copy an artifact that microsandbox wrote, and give its upper the holes that it had."""

    def copy(name: str) -> Path:
        target = tmp_path / name
        shutil.copytree(_DATA / "g1-artifacts" / name, target)
        upper = target / "upper.ext4"
        content = upper.read_bytes()
        expected = json.loads((_DATA / f"g1-artifacts/{name}.expected.json").read_text("utf-8"))
        with upper.open("wb") as file:
            file.truncate(len(content))
            for start, length in expected["upper"]["extents"]:
                file.seek(start)
                file.write(content[start : start + length])
        assert upper.read_bytes() == content
        return target

    return copy


@pytest.fixture
def make_artifact(tmp_path: Path) -> Callable[..., Path]:
    """Make an artifact whose upper has the chunks at their offsets, and return its directory.

    Further arguments change fields of its manifest.
    """

    def make(name: str, size: int = 65536, chunks: tuple[tuple[int, bytes], ...] = (), **changes: Any) -> Path:
        path = tmp_path / name
        path.mkdir(parents=True)
        with path.joinpath("upper.ext4").open("wb") as file:
            file.truncate(size)
            for offset, content in chunks:
                os.pwrite(file.fileno(), content, offset)
        recorded = changes.get("integrity")
        manifest = {
            "schema": 1,
            "format": changes.get("format", "raw"),
            "fstype": "ext4",
            "image": {"ref": "localhost/tiny:1", "manifest_digest": "sha256:" + "9d" * 32},
            "parent": changes.get("parent"),
            "created_at": changes.get("created_at", "2026-11-21T03:00:00+00:00"),
            "labels": changes.get("labels", {"name": name}),
            "upper": {
                "file": "upper.ext4",
                "size_bytes": size,
                "integrity": recorded and {"algorithm": recorded.algorithm, "digest": recorded.digest},
            },
            "source_sandbox": "base",
        }
        text = json.dumps(manifest, ensure_ascii=False, separators=(",", ":"))
        path.joinpath("manifest.json").write_text(text, "utf-8")
        return path

    return make
