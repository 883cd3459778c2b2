# Copyright: (c) 2026, sandboxops contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The modules on stores of many artifacts: a second run that has nothing to do, and a listing of everything."""

from __future__ import annotations

import hashlib
import json
import shutil
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

from cached_image import IMAGE, add_image, pin_image
from contenders import LEVEL, Programs, Scene, link_sandbox
from measured import Cost, run
from real_062 import Sdk062

_HERE = Path(__file__).resolve().parent
_LAYER_BYTES = 16 << 20  # eight of them


class _Task(NamedTuple):
    """What is run again and again.

    Attributes:
        module: The module.
        options: Its options but the home.
        changes: Whether its first run has something to do.
        is_right: Tells whether a result is what it must be.
    """

    module: str
    options: dict[str, Any]
    changes: bool = True
    is_right: Callable[[dict[str, Any]], bool] = bool


def measure_unchanged(scene: Scene, artifacts: int, rounds: int) -> dict[str, Any]:
    """Run each module twice or more on a store of so many other artifacts, and return what the later runs cost.

    Raises:
        SystemExit: The first run changed nothing, or a later one something.
    """
    print(f"{scene.workload.name}: unchanged runs", file=sys.stderr, flush=True)
    home = scene.directory / "store"
    shutil.rmtree(home, ignore_errors=True)
    home.mkdir()
    sdk = Sdk062(scene.programs.environment_062, home)
    link_sandbox(sdk, scene.image)
    add_image(home, _LAYER_BYTES, scene.programs)
    pin_image(sdk, "base")
    run([scene.programs.python, _HERE / "make_store.py", home, str(artifacts)], scene.programs.env)
    found = {}
    for name, task in _tasks(scene, home, artifacts).items():
        first = _run_module(scene.programs, home, task.module, task.options)
        if first.answer["changed"] != task.changes:
            raise SystemExit(f"{name}: the first run changed {'nothing' if task.changes else first.answer['steps']}")
        costs = [_run_module(scene.programs, home, task.module, task.options) for dummy in range(rounds)]
        for cost in costs:
            if cost.answer["changed"]:
                raise SystemExit(f"{name}: a second run changed something: {cost.answer['steps']}")
            if not task.is_right(cost.answer):
                raise SystemExit(f"{name}: a second run returned {cost.answer}")
        found[name] = _figures(costs)
    shutil.rmtree(home)
    return found


def _tasks(scene: Scene, home: Path, artifacts: int) -> dict[str, _Task]:
    """Return what to run by the names of the rows, in this order; imports of images go into caches of their own."""
    changing = {**_snapshot_tasks(), **_archive_tasks(scene, home), **_image_tasks(home)}
    return {**changing, **_info_tasks(artifacts), "archive_fetch: the host's part": _fetch_task(home)}


def _snapshot_tasks() -> dict[str, _Task]:
    return {
        "snapshot: captured": _Task("snapshot", {"name": "golden", "sandbox": "base"}),
        "snapshot: absent": _Task("snapshot", {"name": "gone", "state": "absent"}, changes=False),
        "snapshot: absent by digest": _Task(
            "snapshot", {"digest": "sha256:" + "00" * 32, "state": "absent"}, changes=False
        ),
        "snapshot_index": _Task("snapshot_index", {}, changes=False),
    }


def _archive_tasks(scene: Scene, home: Path) -> dict[str, _Task]:
    exported = {"state": "exported", "snapshot": "golden", "level": LEVEL}
    with_image = home / "with-image.tar.zst"
    tasks = {
        "exported, dense": {**exported, "path": home / "dense.tar.zst", "layout": "dense"},
        "exported, sparse": {**exported, "path": home / "sparse.tar.zst", "layout": "sparse"},
        "exported, sparse, with its image": {**exported, "path": with_image, "layout": "sparse", "with_image": True},
        "imported": {"state": "imported", "name": "plain", "path": scene.archive("sparse")},
        "imported, of 0.6.2 by digest": {
            "state": "imported",
            "path": scene.archive("dense-062"),
            "digest": _sealed_digest(scene),
        },
        "imported, with its image": {
            "state": "imported",
            "path": with_image,
            "cache_dir": home / "cache-of-archive",
        },
    }
    found = {f"snapshot_archive: {name}": _Task("snapshot_archive", options) for name, options in tasks.items()}
    return {**found, "archive_transfer: present": _transfer_task(scene, home)}


def _transfer_task(scene: Scene, home: Path) -> _Task:
    """Return a transfer of an archive that an earlier one has brought; only its mode is not the wanted one."""
    archive, piece = home / "transferred.tar.zst", home / "piece"
    shutil.copyfile(scene.archive("sparse"), piece)
    wanted = {"dest": archive, "checksum": _sha256(piece), "size_bytes": piece.stat().st_size}
    part = {"do": "append", "piece": piece, "offset": 0, "source": "the controller"}
    _run_module(scene.programs, home, "archive_transfer", {**wanted, "src": "golden.tar.zst", "part": part})
    archive.chmod(0o644)
    return _Task("archive_transfer", {**wanted, "url": "http://127.0.0.1:9/nobody-listens"})


def _fetch_task(home: Path) -> _Task:
    """Return what a host is asked of an archive that is to go to the controller; once it is there, that is all."""
    archive = home / "sparse.tar.zst"
    options = {"src": archive, "dest": home / "fetched.tar.zst", "part": {"do": "probe"}}
    return _Task("archive_fetch", options, False, lambda answer: answer["checksum"] == _sha256(archive))


def _image_tasks(home: Path) -> dict[str, _Task]:
    bundle = home / "bundle.tar.zst"
    exported = {"state": "exported", "images": [IMAGE.reference], "level": LEVEL, "path": bundle}
    imported = {"state": "imported", "path": bundle, "cache_dir": home / "cache-of-bundle"}
    return {
        "image_cache_bundle: exported": _Task("image_cache_bundle", exported),
        "image_cache_bundle: imported": _Task("image_cache_bundle", imported),
    }


def _info_tasks(artifacts: int) -> dict[str, _Task]:
    """Return what never changes anything. By now the store holds some snapshots more than those made first."""

    def info(module: str, is_right: Callable[[dict[str, Any]], bool], **options: object) -> _Task:
        return _Task(module, options, changes=False, is_right=is_right)

    return {
        "snapshot_info": info("snapshot_info", lambda answer: len(answer["snapshots"]) > artifacts),
        "sandbox_info": info("sandbox_info", lambda answer: [box["name"] for box in answer["sandboxes"]] == ["base"]),
        "image_cache_info": info(
            "image_cache_info",
            lambda answer: [image["boots_offline"] for image in answer["images"]] == [True],
            images=[IMAGE.reference],
        ),
        "host_info": info("host_info", lambda answer: "zstd" not in [lack["what"] for lack in answer["missing"]]),
    }


def measure_listing(home: Path, programs: Programs, artifacts: int, rounds: int) -> dict[str, Any]:
    """List a store of so many artifacts with snapshot_info and return the cost.

    Raises:
        SystemExit: It lists another number.
    """
    print(f"listing {artifacts} artifacts", file=sys.stderr, flush=True)
    shutil.rmtree(home, ignore_errors=True)
    home.mkdir()
    Sdk062(programs.environment_062, home).call("list")  # makes the database
    run([programs.python, _HERE / "make_store.py", home, str(artifacts)], programs.env)
    costs = [_run_module(programs, home, "snapshot_info", {}) for dummy in range(rounds)]
    for cost in costs:
        listed = len(cost.answer["snapshots"])
        if listed != artifacts or cost.answer["invalid"] or cost.answer["index"]["missing_rows"]:
            raise SystemExit(f"snapshot_info lists {listed} of {artifacts} artifacts, or finds fault")
    shutil.rmtree(home)
    return _figures(costs)


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return f"sha256:{hashlib.file_digest(file, 'sha256').hexdigest()}"


def _sealed_digest(scene: Scene) -> str:
    return scene.sdk.call("open", path_or_name="sealed")["digest"]


def _run_module(programs: Programs, home: Path, module: str, options: dict[str, Any]) -> Cost:
    text = json.dumps({"ANSIBLE_MODULE_ARGS": {"home": home, **options}}, default=str)
    return run(programs.module(module), programs.env, text)


def _figures(costs: list[Cost]) -> dict[str, Any]:
    return {
        "seconds": [cost.seconds for cost in costs],
        "process": [cost.process_seconds for cost in costs],
        "peak": [cost.peak_bytes for cost in costs],
        "phases": costs[0].answer["elapsed"],
    }
