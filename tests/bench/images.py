# Copyright: (c) 2026, sandboxops contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Images on their way to another home, alone and with a snapshot, and what a home that has most of one is spared."""

from __future__ import annotations

import filecmp
import os
import shutil
import sys
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from cached_image import IMAGE, add_image, pin_image
from contenders import LEVEL, MODULE, SDK062, TAR, Entry, Programs, module_entry, sdk062_entry, shell_entry
from jobs import measure_rivals, require_same_content, warm
from measured import Cost, run
from real_062 import Sdk062

EXPORT_IMAGE, EXPORT_BOTH = "export of an image", "export of a snapshot with its image"
IMPORT_IMAGE, IMPORT_BOTH = "import of an image", "import of a snapshot with its image"

_UPPER_BYTES = 16 << 20
_EROFS_NAMES = (IMAGE.fsmeta_name, *IMAGE.layer_names)


@dataclass
class ImageScene:
    """A home whose cache holds the image and whose snapshot pins it, and archives of both.

    Attributes:
        directory: Where homes and archives are.
        programs: What the contenders run in.
        layer_bytes: Size of each of the eight layers.
        checked: How many products were checked.
    """

    directory: Path
    programs: Programs
    layer_bytes: int
    checked: int = field(default=0, init=False)

    @property
    def sdk(self) -> Sdk062:
        """Return 0.6.2 on the home that everything comes from."""
        return Sdk062(self.programs.environment_062, self.directory / "home")

    @property
    def bundle(self) -> Path:
        """Return our bundle of the image."""
        return self.directory / "bundle.tar.zst"

    @property
    def archive(self) -> Path:
        """Return the archive that 0.6.2 made of the snapshot and the image."""
        return self.directory / "archive-062.tar.zst"

    @property
    def out(self) -> Path:
        """Return the directory that products go below."""
        return self.directory / "out"

    @property
    def target(self) -> Path:
        """Return the home that imports go into."""
        return self.out / "home"

    def prepare(self) -> None:
        """Make all of it, when it is not there yet."""
        done = self.directory / "prepared"
        if done.exists():
            return
        shutil.rmtree(self.directory, ignore_errors=True)
        self.sdk.home.mkdir(parents=True)
        self.sdk.make_stopped_sandbox("base", upper_bytes=_UPPER_BYTES, content=Path(__file__).parent)
        add_image(self.sdk.home, self.layer_bytes, self.programs)
        pin_image(self.sdk, "base")
        self.sdk.call("create", source_sandbox="base", name="golden")
        self.sdk.call("export", name_or_path="golden", out=self.archive, with_image=True)
        self.run_module("image_cache_bundle", self.sdk.home, **self.export_options, path=self.bundle)
        (self.directory / "empty").mkdir()
        Sdk062(self.programs.environment_062, self.directory / "empty").call("list")  # makes the database
        done.touch()

    @property
    def export_options(self) -> dict[str, Any]:
        """Return how our module makes bundles."""
        return {"state": "exported", "images": [IMAGE.reference], "level": LEVEL}

    def clear(self) -> None:
        """Remove what the last run produced, and make the home for imports empty again."""
        shutil.rmtree(self.out, ignore_errors=True)
        shutil.copytree(self.directory / "empty", self.target)

    def run_module(self, module: str, home: Path, **options: object) -> dict[str, Any]:
        """Run one of our modules and return its result."""
        entry = module_entry(self.programs, "", module, home=home, **options)
        return run(entry.command, entry.env, entry.text).answer

    def require_installed(self, where: str) -> None:
        """Check that the target has every byte of the image.

        Raises:
            SystemExit: It has not.
        """
        for name in _EROFS_NAMES:
            if not filecmp.cmp(self.sdk.home / name, self.target / name, shallow=False):
                raise SystemExit(f"{where}: {name} has another content")


def measure_images(directory: Path, programs: Programs, layer_bytes: int, rounds: int) -> dict[str, Any]:
    """Return the figures of every job by contender, and what a home that has most layers is spared.

    Raises:
        SystemExit: A product is not what it must be.
    """
    scene = ImageScene(directory, programs, layer_bytes)
    print(f"images: preparing {len(_EROFS_NAMES) - 1} layers of {layer_bytes} bytes", file=sys.stderr, flush=True)
    scene.prepare()
    warm(directory)
    files = {name: (scene.sdk.home / name).stat().st_size for name in _EROFS_NAMES}

    def look(entry: Entry, cost: Cost, is_first: bool) -> int:
        blocks = sum(path.lstat().st_blocks for path in scene.out.rglob("*"))
        if is_first:
            _CHECKS[entry.job](scene, entry, cost.answer)
            scene.checked += 1
        return blocks * 512

    jobs = {}
    for job, rivals in _entries(scene).items():
        jobs[job] = measure_rivals(rivals, rounds, scene.clear, look)
        print(f"images: {job}", file=sys.stderr, flush=True)
    spared = _measure_spared(scene)
    shutil.rmtree(scene.out)
    return {
        "layers": len(IMAGE.layers),
        "bytes": sum(files.values()),
        "jobs": jobs,
        "spared": spared,
        "checked": scene.checked,
    }


def _entries(scene: ImageScene) -> dict[str, list[Entry]]:
    programs, home, target = scene.programs, scene.sdk.home, scene.target
    product = scene.out / "product.tar.zst"
    names = f"{IMAGE.metadata_name} {IMAGE.vmdk_name} {' '.join(_EROFS_NAMES)}"
    pack = f'tar -c -C "$1" {names} | zstd -q -T0 -{LEVEL} -o "$2"'
    unpack = 'zstd -q -d -c "$1" | tar -x -C "$2"; find "$2" -type f -exec sync {} +'
    both = {"state": "exported", "snapshot": "golden", "with_image": True, "level": LEVEL, "path": product}
    installing = {"home": target, "state": "imported"}
    return {
        EXPORT_IMAGE: [
            module_entry(programs, EXPORT_IMAGE, "image_cache_bundle", home=home, **scene.export_options, path=product),
            shell_entry(EXPORT_IMAGE, TAR, pack, home, product),
        ],
        EXPORT_BOTH: [
            module_entry(programs, EXPORT_BOTH, "snapshot_archive", home=home, **both),
            sdk062_entry(programs, home, EXPORT_BOTH, "export", name_or_path="golden", out=product, with_image=True),
        ],
        IMPORT_IMAGE: [
            module_entry(programs, IMPORT_IMAGE, "image_cache_bundle", **installing, path=scene.bundle),
            shell_entry(IMPORT_IMAGE, TAR, unpack, scene.bundle, target),
        ],
        IMPORT_BOTH: [
            module_entry(programs, IMPORT_BOTH, "snapshot_archive", **installing, path=scene.archive),
            sdk062_entry(programs, target, IMPORT_BOTH, "import", archive=scene.archive),
        ],
    }


def _check_bundle(scene: ImageScene, entry: Entry, answer: dict[str, Any]) -> None:
    product = scene.out / "product.tar.zst"
    if entry.who == MODULE:
        if not filecmp.cmp(product, scene.bundle, shallow=False):
            raise SystemExit(f"{entry.job} by {entry.who} wrote other bytes than before")
        return
    compare = shell_entry("", TAR, 'zstd -q -d -c "$1" | tar --compare -C "$2"', product, scene.sdk.home)
    run(compare.command)


def _check_archive(scene: ImageScene, entry: Entry, answer: dict[str, Any]) -> None:
    """Import what one of us exported into the other."""
    product = scene.out / "product.tar.zst"
    if entry.who == MODULE:
        Sdk062(scene.programs.environment_062, scene.target).call("import", archive=product)
        importing = Entry(IMPORT_BOTH, SDK062, [])
    else:
        answer = scene.run_module("snapshot_archive", scene.target, state="imported", path=product)
        importing = Entry(IMPORT_BOTH, MODULE, [])
    _check_snapshot(scene, importing, answer)


def _check_image(scene: ImageScene, entry: Entry, answer: dict[str, Any]) -> None:
    where = f"{entry.job} by {entry.who}"
    scene.require_installed(where)
    if entry.who == MODULE and not all(image["boots_offline"] for image in answer["images"]):
        raise SystemExit(f"{where}: the image does not boot offline")


def _check_snapshot(scene: ImageScene, entry: Entry, answer: dict[str, Any]) -> None:
    where = f"{entry.job} by {entry.who}"
    scene.require_installed(where)
    (upper,) = scene.target.glob("snapshots/*/upper.ext4")
    require_same_content(scene.sdk.home / "snapshots/golden/upper.ext4", upper, where)
    if entry.who == MODULE:
        refusal = [each["image"]["missing"] for each in answer["snapshots"] if not each["image"]["boots_offline"]]
    else:
        refusal = Sdk062(scene.programs.environment_062, scene.target).offline_refusal(IMAGE.reference)
    if refusal:
        raise SystemExit(f"{where}: the snapshot does not boot offline: {refusal}")


_CHECKS = {
    EXPORT_IMAGE: _check_bundle,
    EXPORT_BOTH: _check_archive,
    IMPORT_IMAGE: _check_image,
    IMPORT_BOTH: _check_snapshot,
}


def _measure_spared(scene: ImageScene) -> dict[str, dict[str, int]]:
    """Return the bytes that go to a home without any layer, and to one that tells which it has: all but one."""
    found = {"no layer": _import_bundle(scene, scene.bundle)}
    scene.clear()
    for name in IMAGE.layer_names[:-1]:
        (scene.target / name).parent.mkdir(parents=True, exist_ok=True)
        os.link(scene.sdk.home / name, scene.target / name)
    layers = scene.run_module("snapshot_info", scene.target)["cached_layers"]
    if sorted(layers) != sorted(IMAGE.diff_ids[:-1]):
        raise SystemExit(f"images: the target has {len(IMAGE.diff_ids) - 1} layers and tells of {layers}")
    lacking = scene.out / "lacking.tar.zst"
    options = {**scene.export_options, "exclude_layers": layers}
    scene.run_module("image_cache_bundle", scene.sdk.home, **options, path=lacking)
    found["all layers but one"] = _import_bundle(scene, lacking, is_empty=False)
    return found


def _import_bundle(scene: ImageScene, bundle: Path, is_empty: bool = True) -> dict[str, int]:
    if is_empty:
        scene.clear()
    answer = scene.run_module("image_cache_bundle", scene.target, state="imported", path=bundle)
    _check_image(scene, Entry(IMPORT_IMAGE, MODULE, []), answer)
    scene.checked += 1
    size = bundle.stat().st_size
    return {"bundle": size, "written": answer["bytes"]["written"], "added": answer["bundle"]["added_bytes"]}
