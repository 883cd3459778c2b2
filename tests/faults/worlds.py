# Copyright: (c) 2026, sandboxops contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The operations under test, each with the world that it starts in."""

from __future__ import annotations

import os
import random
import shutil
import sqlite3
import subprocess
import tarfile
from collections.abc import Mapping
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Callable

from operation import run_operation

_HOME_ARCHIVE = Path(__file__).parents[1] / "unit/data/homes/home-0.6.2.tar.xz"
NOW_NS = 1_790_000_000_123_456_789
_UPPER_BYTES = 768 << 10
_LONG_BYTES = 4 << 20

# A world's directory stays the same for all runs, because the index holds absolute paths.
Parameters = Mapping[str, Any]


@dataclass(frozen=True)
class Operation:
    """One run of a module in one world.

    Attributes:
        name: What the run does, in words.
        module: The module.
        parameters: Its options; ``{}`` in a text stands for the world's directory.
        prepare: Changes the common world into the one that the run starts in.
        without: Calls that the system does not have during this run.
        is_several: Whether it is about more than one snapshot or file of the image cache, each of which is a change by
            itself.
    """

    name: str
    module: str
    parameters: Parameters
    prepare: Callable[[Path], object] = lambda world: None
    without: tuple[str, ...] = ()
    is_several: bool = False

    def in_world(self, world: Path) -> dict[str, Any]:
        """Return the options for a world."""
        texts = {k: v.format(world) if isinstance(v, str) else v for k, v in self.parameters.items()}
        return {"home": str(world / "home"), "lock_timeout": 0.3, **texts}

    def run(self, world: Path) -> dict[str, Any]:
        """Run it in this process, undisturbed."""
        return run_operation(self.module, self.in_world(world), NOW_NS)


@dataclass
class Scene:
    """A directory in which the world of an operation is set up again and again.

    Attributes:
        directory: Where the worlds lie.
        operation: The operation.
    """

    directory: Path
    operation: Operation
    world: Path = field(init=False)
    _template: Path = field(init=False)

    def __post_init__(self) -> None:
        self.world = self.directory / "world"
        self._template = self.directory / "template"
        self.clear()
        _make_common_world(self.world)
        self.operation.prepare(self.world)
        os.rename(self.world, self._template)

    def reset(self) -> None:
        """Put the world back into the state before the operation."""
        shutil.rmtree(self.world, ignore_errors=True)
        subprocess.run(["cp", "-a", "--sparse=always", self._template, self.world], check=True)

    def clear(self) -> None:
        """Remove the worlds."""
        shutil.rmtree(self.world, ignore_errors=True)
        shutil.rmtree(self._template, ignore_errors=True)


def change_database(world: Path, statement: str, *values: object) -> None:
    """Execute a statement on the world's database."""
    with closing(sqlite3.connect(world / "home/db/msb.db", isolation_level=None)) as connection:
        connection.execute(statement, values)


def write_upper(path: Path, seed: int) -> None:
    """Write a sparse upper: data at its start, in its middle and at its end, holes between."""
    with path.open("wb") as file:
        file.truncate(_UPPER_BYTES)
        for number, offset in enumerate(range(0, _UPPER_BYTES, _UPPER_BYTES // 3)):
            os.pwrite(file.fileno(), bytes([seed, number + 1]) * 20_000, offset)


def _make_common_world(world: Path) -> None:
    """Unpack a real home, give its sandboxes larger uppers, and write the archives that imports read."""
    world.mkdir(parents=True)
    for name in ("archives", "tmp"):
        world.joinpath(name).mkdir()
    with tarfile.open(_HOME_ARCHIVE) as archive:
        archive.extractall(world, filter="data")
    world.joinpath(".microsandbox").rename(world / "home")
    moved = "? || substr(artifact_path, instr(artifact_path, '/snapshots/'))"
    change_database(world, f"UPDATE snapshot_index SET artifact_path = {moved}", str(world / "home"))  # noqa: S608
    for seed, sandbox in enumerate(("base", "crashed")):
        write_upper(world / "home/sandboxes" / sandbox / "upper.ext4", seed + 1)
    for name, snapshot, parents in (("chain", "child", True), ("single", "second", False)):
        export = Operation(
            "prepare",
            "snapshot_archive",
            {
                "state": "exported",
                "snapshot": snapshot,
                "path": f"{{}}/archives/{name}.tar.zst",
                "with_parents": parents,
                "with_image": False,
                "threads": 1,
            },
        )
        _require_success(export.run(world))


def _require_success(result: dict[str, Any]) -> None:
    if result["failed"]:
        raise AssertionError(f"a world cannot be prepared: {result['msg']}")


def _forget(*names: str) -> Callable[[Path], None]:
    """Take snapshots out of the home, with their rows."""

    def prepare(world: Path) -> None:
        for name in names:
            shutil.rmtree(world / "home/snapshots" / name)
            change_database(world, "DELETE FROM snapshot_index WHERE name = ?", name)
        change_database(world, "UPDATE snapshot_index SET child_count = 0")

    return prepare


def _without_store(world: Path) -> None:
    shutil.rmtree(world / "home/snapshots")
    change_database(world, "DELETE FROM snapshot_index")


def _with_larger_archive(world: Path) -> None:
    """Capture the larger upper and export it, for an import that writes more than one run of data."""
    capture = Operation("prepare", "snapshot", {"name": "large", "sandbox": "base"})
    export = Operation("prepare", "snapshot_archive", _EXPORT | {"snapshot": "large", "path": "{}/archives/large.tar"})
    for operation in (capture, export):
        _require_success(operation.run(world))
    _forget("large")(world)


def _with_long_archives(world: Path) -> None:
    """Export an upper whose content does not shrink, for imports that read their archive in many pieces."""
    upper = world / "home/sandboxes/base/upper.ext4"
    small = upper.read_bytes()
    upper.write_bytes(random.Random(1).randbytes(_LONG_BYTES))  # noqa: S311 - content, not secrets
    capture = Operation("prepare", "snapshot", {"name": "long", "sandbox": "base"})
    long = _EXPORT | {"snapshot": "long"}
    exports = [
        Operation("prepare", "snapshot_archive", long | {"path": f"{{}}/archives/long.{kind}"})
        for kind in ("tar", "tar.zst")
    ]
    for operation in (capture, *exports):
        _require_success(operation.run(world))
    _forget("long")(world)
    upper.write_bytes(small)


def _with_images(world: Path) -> None:
    """Export snapshots with their image, and the image alone, for imports into a home that has neither."""
    archive = {"snapshot": "second", "with_image": True, "path": "{}/archives/image.tar.zst"}
    bundle = {"state": "exported", "images": [_IMAGE], "path": "{}/archives/bundle.tar.zst", "threads": 1}
    chain = {"snapshot": "child", "with_parents": True, "with_image": True, "path": "{}/archives/images.tar"}
    for operation in (
        Operation("prepare", "snapshot_archive", _EXPORT | chain),
        Operation("prepare", "snapshot_archive", _EXPORT | archive),
        Operation("prepare", "image_cache_bundle", bundle),
    ):
        _require_success(operation.run(world))
    _forget("first", "second", "child")(world)
    shutil.rmtree(world / "home/cache")


def _with_images_and_a_layer(world: Path) -> None:
    """Leave the cache one layer of the image and what a killed run left."""
    layer = next(world.joinpath("home/cache/layers").glob("sha256_09c18e4d*.erofs"))
    shutil.copy2(layer, world / "layer")
    _with_images(world)
    area = world / "home/cache/.sandboxops-staging-0123456789abcdef"
    area.mkdir(0o700, parents=True)
    area.joinpath("file-0").write_bytes(bytes(12_288))
    world.joinpath("home/cache/layers").mkdir()
    world.joinpath("layer").rename(world / "home/cache/layers" / layer.name)


def _with_images_and_others(world: Path) -> None:
    """Leave the cache other bytes under the names of the image's files."""
    cache = world / "home/cache"
    names = [path.relative_to(cache) for path in cache.glob("*/*") if path.suffix in (".erofs", ".vmdk", ".json")]
    _with_images(world)
    for name in names:
        cache.joinpath(name).parent.mkdir(parents=True, exist_ok=True)
        cache.joinpath(name).write_bytes(b"other " * 1000)


def _with_wrong_index(world: Path) -> None:
    change_database(world, "DELETE FROM snapshot_index WHERE name = 'second'")
    change_database(world, "UPDATE snapshot_index SET child_count = 7, size_bytes = 1 WHERE name = 'first'")
    change_database(
        world,
        "INSERT INTO snapshot_index SELECT 'sha256:' || hex(zeroblob(32)), 'gone', NULL, image_ref,"
        " image_manifest_digest, format, fstype, ?, size_bytes, created_at, indexed_at, 0"
        " FROM snapshot_index WHERE name = 'child'",
        str(world / "home/snapshots/gone"),
    )


def _moved_aside(world: Path) -> None:
    """Leave what a run left that died with the old snapshot moved aside and the new one not yet in place."""
    store = world / "home/snapshots"
    area = store / ".sandboxops-staging-0123456789abcdef"
    area.mkdir(0o700)
    store.joinpath("second").rename(area / "aside-second")
    area.joinpath("artifact").mkdir()
    area.joinpath("artifact/upper.ext4").write_bytes(bytes(70_000))


_IMAGE = "localhost/tiny:1"
_EXPORT = {"state": "exported", "snapshot": "first", "threads": 1}
_IMPORT = {"state": "imported"}
_REPLACE = {"name": "second", "sandbox": "base", "labels": {"new": "yes"}, "force": True}
_IMPORT_OVER = _IMPORT | {"path": "{}/archives/large.tar", "name": "first", "force": True}

OPERATIONS = (
    Operation("capture, new", "snapshot", {"name": "fresh", "sandbox": "base"}),
    Operation("capture, new, no integrity", "snapshot", {"name": "fresh", "sandbox": "base", "integrity": False}),
    Operation("capture, replacing", "snapshot", _REPLACE),
    Operation("capture, replacing, no exchange", "snapshot", _REPLACE, without=("renameat2",)),
    Operation("capture after a dead run", "snapshot", _REPLACE, _moved_aside),
    Operation("export, new directory", "snapshot_archive", _EXPORT | {"path": "{}/archives/new/first.tar.zst"}),
    Operation("export, replacing", "snapshot_archive", _EXPORT | {"path": "{}/archives/single.tar.zst"}),
    Operation(
        "import, single",
        "snapshot_archive",
        _IMPORT | {"path": "{}/archives/large.tar", "name": "large"},
        _with_larger_archive,
    ),
    Operation(
        "import, no store yet",
        "snapshot_archive",
        _IMPORT | {"path": "{}/archives/single.tar.zst"},
        _without_store,
    ),
    Operation(
        "import, chain",
        "snapshot_archive",
        _IMPORT | {"path": "{}/archives/chain.tar.zst"},
        _forget("first", "child"),
        is_several=True,
    ),
    Operation("import, replacing", "snapshot_archive", _IMPORT_OVER, _with_larger_archive),
    Operation("import, replacing, no exchange", "snapshot_archive", _IMPORT_OVER, _with_larger_archive, ("renameat2",)),
    Operation(
        "export with image",
        "snapshot_archive",
        _EXPORT | {"path": "{}/archives/single.tar.zst", "with_image": True},
    ),
    Operation(
        "bundle export",
        "image_cache_bundle",
        {"state": "exported", "images": [_IMAGE], "path": "{}/archives/single.tar.zst", "force": True, "threads": 1},
    ),
    Operation(
        "import with image",
        "snapshot_archive",
        _IMPORT | {"path": "{}/archives/image.tar.zst", "name": "second"},
        _with_images,
        is_several=True,
    ),
    Operation(
        "import with image, chain",
        "snapshot_archive",
        _IMPORT | {"path": "{}/archives/images.tar"},
        _with_images,
        is_several=True,
    ),
    Operation(
        "import with image, replacing",
        "snapshot_archive",
        _IMPORT | {"path": "{}/archives/image.tar.zst", "name": "second", "force": True},
        _with_images_and_others,
        is_several=True,
    ),
    Operation(
        "bundle import",
        "image_cache_bundle",
        _IMPORT | {"path": "{}/archives/bundle.tar.zst"},
        _with_images_and_a_layer,
        is_several=True,
    ),
    Operation("removal", "snapshot", {"state": "absent", "name": "second"}),
    Operation(
        "removal of two",
        "snapshot",
        {
            "state": "absent",
            "digests": [
                "sha256:f99833b45ab19e76143c909b201411bd2f468199643823fd99934523b20ec2d4",
                "sha256:9695801b5256663f12465e27fa429c3e563290caa886104fb366bf6637b91b9c",
            ],
        },
        is_several=True,
    ),
    Operation("index", "snapshot_index", {"prune": True}, _with_wrong_index),
)

# What they change is what the other imports change; reading is what there is more of.
LONG_IMPORTS = tuple(
    Operation(
        f"import, long, {kind}",
        "snapshot_archive",
        _IMPORT | {"path": f"{{}}/archives/long.{kind}", "name": "long"},
        _with_long_archives,
    )
    for kind in ("tar", "tar.zst")
)
