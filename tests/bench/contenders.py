# Copyright: (c) 2026, sandboxops contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Who is measured at what: for each job, the command of every contender on one workload."""

from __future__ import annotations

import json
import os
import shutil
import sqlite3
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from measured import run
from workloads import Workload

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "interop"))

from real_062 import Sdk062
from real_0711 import Msb0711

_HERE = Path(__file__).resolve().parent

OURS, MODULE, ANSIBLE = "library", "module", "ansible"
CP, TAR, BSDTAR, HASHLIB = "cp", "tar and zstd", "bsdtar", "hashlib"
SDK062, MSB0711 = "0.6.2", "0.7.11"

CAPTURE, CAPTURE_HASHED, VERIFY = "capture", "capture with integrity", "verify"
EXPORT_SPARSE, EXPORT_DENSE = "export, sparse", "export, dense"
IMPORT_SPARSE, IMPORT_DENSE = "import, sparse", "import, dense of 0.6.2"
IMPORT_VERIFY, IMPORT_SPARSE_VERIFY = "import with verify, dense of 0.6.2", "import with verify, sparse"

LEVEL = 3
# Ansible's own cost depends neither on the job nor on the data.
_THROUGH_ANSIBLE = (CAPTURE, EXPORT_SPARSE, IMPORT_SPARSE)
_MODULES = "ansible_collections.sandboxops.microsandbox.plugins.modules"


@dataclass(frozen=True)
class Programs:
    """What the contenders run in.

    Attributes:
        python: A Python with Ansible and zstandard.
        import_path: A directory in which the collection can be imported from.
        environment_062: The environment of microsandbox 0.6.2.
        environment_0711: The environment of microsandbox 0.7.11.
    """

    python: Path
    import_path: Path
    environment_062: Path
    environment_0711: Path

    @property
    def env(self) -> dict[str, str]:
        """Return the environment variables for our own code and for Ansible."""
        kept = {key: value for key, value in os.environ.items() if not key.startswith(("ANSIBLE_", "MSB_", "PYTHON"))}
        path = str(self.import_path)
        ansible_home = str(self.import_path / "ansible")
        return kept | {"PYTHONPATH": path, "ANSIBLE_COLLECTIONS_PATH": path, "ANSIBLE_HOME": ansible_home}

    @property
    def packages(self) -> Path:
        """Return the installed packages, of which some workloads are made."""
        return next((self.python.parents[1] / "lib").glob("python*/site-packages"))

    def library(self, job: str, **arguments: object) -> list[str | Path]:
        """Return the command that runs one operation of the library."""
        return [self.python, _HERE / "library_job.py", job, json.dumps(arguments, default=str)]

    def module(self, name: str) -> list[str | Path]:
        """Return the command that runs a module, whose arguments go to its standard input."""
        return [self.python, "-m", f"{_MODULES}.{name}"]

    def ansible(self, module: str, arguments: Mapping[str, object]) -> list[str | Path]:
        """Return the command that lets Ansible run a module on this machine."""
        interpreter = ["-e", f"ansible_python_interpreter={self.python}"]
        where: list[str | Path] = [self.python.with_name("ansible"), "localhost", "-i", "localhost,", "-c", "local"]
        return [
            *where,
            *interpreter,
            "-m",
            f"sandboxops.microsandbox.{module}",
            "-a",
            json.dumps(arguments, default=str),
        ]


@dataclass(frozen=True)
class Entry:
    """A contender in a job.

    Attributes:
        job: The job.
        who: The contender.
        command: What to run; it leaves its product as the largest file below the scene's ``out``.
        env: Environment variables, or None for the runner's.
        text: Standard input.
    """

    job: str
    who: str
    command: list[str | Path]
    env: Mapping[str, str] | None = None
    text: str = ""


@dataclass
class Scene:
    """A workload with everything that the contenders start from, made once and kept between runs.

    Attributes:
        workload: The workload.
        image: Its upper.
        directory: Where homes and archives are.
        programs: What the contenders run in.
    """

    workload: Workload
    image: Path
    directory: Path
    programs: Programs
    sdk: Sdk062 = field(init=False)
    msb: Msb0711 = field(init=False)

    def __post_init__(self) -> None:
        self.sdk = Sdk062(self.programs.environment_062, self.directory / "g1")
        self.msb = Msb0711(self.programs.environment_0711, self.directory / "g3")

    @property
    def out(self) -> Path:
        """Return the directory that products go below."""
        return self.directory / "out"

    def archive(self, name: str) -> Path:
        """Return the path of one of the archives to import."""
        return self.directory / f"{name}.tar.zst"

    def later(self, name: str) -> str:
        """Return the path of a snapshot in the home of 0.7.11."""
        # What was imported or created elsewhere stays listed, under the same names.
        store = (self.msb.home / "snapshots").resolve()
        rows = (row for row in self.msb.snapshots() if row["name"].split(":")[-1] == name)
        return next(row["artifact_path"] for row in rows if store in Path(row["artifact_path"]).resolve().parents)

    def prepare(self) -> None:
        """Make the homes, snapshots and archives, when they are not there yet."""
        done = self.directory / "prepared"
        if done.exists():
            return
        shutil.rmtree(self.directory, ignore_errors=True)
        for home in (self.sdk.home, self.msb.home):
            home.mkdir(parents=True)
        link_sandbox(self.sdk, self.image)
        upper = self.msb.make_stopped_sandbox("base", root_disk=f"{self.workload.apparent_bytes >> 20}M")
        upper.unlink()
        os.link(self.image, upper)
        for name, integrity in (("plain", False), ("sealed", True)):
            self.sdk.call("create", source_sandbox="base", name=name, record_integrity=integrity)
            flag = ["--integrity"] if integrity else []
            self.msb.run("snapshot", "create", name, "--sandbox", "base", *flag)
        self.sdk.call("export", name_or_path="sealed", out=self.archive("dense-062"))
        self.msb.run("snapshot", "export", self.later("plain"), "--output", self.directory / "plain.msb")
        for archive, snapshot, layout in (
            ("dense", "plain", "dense"),
            ("sparse", "plain", "sparse"),
            ("sparse-sealed", "sealed", "sparse"),
        ):
            path, out = self.sdk.home / "snapshots" / snapshot, self.archive(archive)
            command = self.programs.library("export", path=path, out=out, layout=layout, level=LEVEL)
            run(command, self.programs.env)
        done.touch()

    def clear(self) -> None:
        """Remove what the last run produced."""
        shutil.rmtree(self.out, ignore_errors=True)
        self.out.mkdir()

    def product(self) -> Path | None:
        """Return the largest file that the last run produced."""
        files = [path for path in self.out.rglob("*") if path.is_file() and not path.is_symlink()]
        return max(files, key=lambda path: path.stat().st_size, default=None)


def link_sandbox(sdk: Sdk062, image: Path) -> None:
    """Make a stopped sandbox ``base`` whose upper is the image."""
    upper = sdk.make_stopped_sandbox("base", upper_bytes=16 << 20, content=Path(__file__).parent)
    upper.unlink()
    os.link(image, upper)
    size = json.dumps(image.stat().st_size >> 20)
    with sqlite3.connect(sdk.home / "db/msb.db") as connection:
        connection.execute(
            "UPDATE sandbox SET config = json_set(config, '$.image.Oci.upper_size_mib', json(?))", [size]
        )
    connection.close()


def module_entry(programs: Programs, job: str, module: str, **options: object) -> Entry:
    """Return the entry of a module, run with these options."""
    text = json.dumps({"ANSIBLE_MODULE_ARGS": options}, default=str)
    return Entry(job, MODULE, programs.module(module), programs.env, text)


def sdk062_entry(programs: Programs, home: Path, job: str, operation: str, **arguments: object) -> Entry:
    """Return the entry of the SDK of 0.6.2, run on a home."""
    env = {key: value for key, value in os.environ.items() if not key.startswith("MSB_")}
    python = programs.environment_062 / "bin/python"
    command: list[str | Path] = [python, _HERE / "sdk062_job.py", operation, json.dumps(arguments, default=str)]
    return Entry(job, SDK062, command, env | {"MSB_HOME": str(home), "HOME": str(home)})


def shell_entry(job: str, who: str, script: str, *arguments: Path) -> Entry:
    """Return the entry of a script for bash, which fails when one of its programs does."""
    return Entry(job, who, ["bash", "-c", f"set -e -o pipefail; {script}", "bash", *arguments])


def entries(scene: Scene) -> list[Entry]:
    """Return all contenders in all jobs, those of one job next to each other."""
    rivals = [*_ours(scene), *_modules(scene), *_tools(scene), *_sdk062(scene), *_msb0711(scene)]
    jobs = list(dict.fromkeys(entry.job for entry in rivals))
    return sorted(rivals, key=lambda entry: jobs.index(entry.job))


def _ours(scene: Scene) -> list[Entry]:
    home, new = scene.sdk.home, scene.out / "artifact"

    def entry(job: str, operation: str, **arguments: object) -> Entry:
        return Entry(job, OURS, scene.programs.library(operation, **arguments), scene.programs.env)

    def capture(job: str, integrity: bool) -> Entry:
        return entry(job, "capture", home=home, sandbox="base", path=new, integrity=integrity)

    def export(job: str, layout: str) -> Entry:
        path, out = home / "snapshots/plain", scene.out / "archive.tar.zst"
        return entry(job, "export", path=path, out=out, layout=layout, level=LEVEL)

    def importing(job: str, archive: str, verify: bool) -> Entry:
        return entry(job, "import", archive=scene.archive(archive), path=new, verify=verify)

    return [
        capture(CAPTURE, False),
        capture(CAPTURE_HASHED, True),
        entry(VERIFY, "verify", path=home / "snapshots/sealed"),
        export(EXPORT_SPARSE, "sparse"),
        export(EXPORT_DENSE, "dense"),
        importing(IMPORT_SPARSE, "sparse", False),
        importing(IMPORT_DENSE, "dense-062", False),
        importing(IMPORT_VERIFY, "dense-062", True),
        importing(IMPORT_SPARSE_VERIFY, "sparse-sealed", True),
    ]


def _modules(scene: Scene) -> list[Entry]:
    home, found = scene.sdk.home, []

    def add(job: str, module: str, **options: Any) -> None:
        programs, arguments = scene.programs, {"home": home, **options}
        found.append(module_entry(programs, job, module, **arguments))
        if scene.workload.name == "W1" and job in _THROUGH_ANSIBLE:
            found.append(Entry(job, ANSIBLE, programs.ansible(module, arguments), programs.env))

    capture = {"sandbox": "base", "path": scene.out / "artifact"}
    export = {"state": "exported", "snapshot": "plain", "path": scene.out / "archive.tar.zst", "level": LEVEL}
    importing = {"state": "imported", "snapshots_dir": scene.out, "name": "artifact"}
    add(CAPTURE, "snapshot", **capture, integrity=False)
    add(CAPTURE_HASHED, "snapshot", **capture)
    add(VERIFY, "snapshot_info", name="sealed", verify=True)
    add(EXPORT_SPARSE, "snapshot_archive", **export, layout="sparse")
    add(EXPORT_DENSE, "snapshot_archive", **export, layout="dense")
    add(IMPORT_SPARSE, "snapshot_archive", **importing, path=scene.archive("sparse"), verify=False)
    add(IMPORT_DENSE, "snapshot_archive", **importing, path=scene.archive("dense-062"), verify=False)
    add(IMPORT_VERIFY, "snapshot_archive", **importing, path=scene.archive("dense-062"))
    add(IMPORT_SPARSE_VERIFY, "snapshot_archive", **importing, path=scene.archive("sparse-sealed"))
    return found


def _tools(scene: Scene) -> list[Entry]:
    plain, product = scene.sdk.home / "snapshots/plain", scene.out / "product"
    pack = f'tar -S -c -C "$1" upper.ext4 manifest.json | zstd -q -T0 -{LEVEL} -o "$2"'
    unpack = 'zstd -q -d -c "$1" | tar -S -x -C "$2"'
    floor: list[str | Path] = [scene.programs.python, _HERE / "hashlib_floor.py", scene.image]
    hashed = (CAPTURE_HASHED, VERIFY, IMPORT_VERIFY, IMPORT_SPARSE_VERIFY)
    return [
        shell_entry(CAPTURE, CP, 'cp --sparse=always "$1" "$2"; sync "$2"', scene.image, product),
        *(Entry(job, HASHLIB, floor) for job in hashed),
        shell_entry(EXPORT_SPARSE, TAR, pack, plain, product),
        shell_entry(EXPORT_DENSE, TAR, pack, plain, product),
        shell_entry(IMPORT_SPARSE, BSDTAR, 'bsdtar -x -S -f "$1" -C "$2"', scene.archive("sparse"), scene.out),
        shell_entry(IMPORT_SPARSE, TAR, unpack, scene.archive("sparse"), scene.out),
        shell_entry(IMPORT_DENSE, BSDTAR, 'bsdtar -x -S -f "$1" -C "$2"', scene.archive("dense-062"), scene.out),
    ]


def _sdk062(scene: Scene) -> list[Entry]:
    def entry(job: str, operation: str, **arguments: object) -> Entry:
        return sdk062_entry(scene.programs, scene.sdk.home, job, operation, **arguments)

    create = {"source_sandbox": "base", "path": scene.out / "artifact"}
    return [
        entry(CAPTURE, "create", **create),
        entry(CAPTURE_HASHED, "create", **create, record_integrity=True),
        entry(VERIFY, "verify", path_or_name="sealed"),
        entry(EXPORT_DENSE, "export", name_or_path="sealed", out=scene.out / "archive.tar.zst"),
        # It verifies whatever records a digest, and its own archives always do.
        entry(IMPORT_DENSE, "import", archive=scene.archive("dense"), dest=scene.out),
        entry(IMPORT_VERIFY, "import", archive=scene.archive("dense-062"), dest=scene.out),
    ]


def _msb0711(scene: Scene) -> list[Entry]:
    home = str(scene.msb.home)
    env = {key: value for key, value in os.environ.items() if not key.startswith("MSB_")}
    (program,) = scene.programs.environment_0711.glob("lib/python*/site-packages/microsandbox/_bundled/bin/msb")

    def entry(job: str, *arguments: str | Path) -> Entry:
        return Entry(job, MSB0711, [program, "snapshot", *arguments], env | {"MSB_HOME": home, "HOME": home})

    create: list[str | Path] = ["create", "new", "--sandbox", "base", "--dest-dir", scene.out]
    export: list[str | Path] = ["export", scene.later("plain"), "--output", scene.out / "archive.msb"]
    return [
        entry(CAPTURE, *create),
        entry(CAPTURE_HASHED, *create, "--integrity"),
        entry(VERIFY, "verify", scene.later("sealed")),
        entry(EXPORT_SPARSE, *export),
        entry(IMPORT_SPARSE, "import", "--dest", scene.out, scene.directory / "plain.msb"),
        entry(IMPORT_DENSE, "import", "--dest", scene.out, scene.archive("dense-062")),
    ]
