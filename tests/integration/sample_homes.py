# Copyright: (c) 2026, sandboxops contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Homes to work on: those that the real microsandbox wrote, moved to where a test needs them."""

from __future__ import annotations

import json
import os
import re
import shutil
import sqlite3
import subprocess
import sys
import tarfile
import tempfile
from collections.abc import Iterable
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

DATA = Path(__file__).parents[1] / "unit/data"
IMAGE_REFERENCE = "localhost/tiny:1"
IMAGE_DIGEST = "sha256:9dfddbfb28e8b57d786c7c5b76ef918eb19f2bcf632a3bf8e58fdadfc407f714"

# The snapshots of the home of 0.6.2: the first and its child are of the sandbox base, the second is of crashed.
FIRST = "sha256:f99833b45ab19e76143c909b201411bd2f468199643823fd99934523b20ec2d4"
SECOND = "sha256:3e653c8684206ffad288a6e6d2c7cd247dd12036a7e8dccb892fa479086f4537"
CHILD = "sha256:9695801b5256663f12465e27fa429c3e563290caa886104fb366bf6637b91b9c"

Statement = tuple[str, tuple[Any, ...]]

_MOVE_ARTIFACTS = (
    "UPDATE snapshot_index SET artifact_path = ? || substr(artifact_path, instr(artifact_path, '/.microsandbox/') + 14)"
)
_MOVE_GROUPS = (
    "UPDATE snapshot_index SET group_path = ? || substr(group_path, instr(group_path, '/.microsandbox/') + 14)"
)
_FIRST_WITH_GROUPS = "0.7"

# A program that ends without closing its connection, as microsandbox does: what it wrote stays in the log.
_WRITER = """
import json, os, sqlite3, sys
connection = sqlite3.connect(sys.argv[1], isolation_level=None)
for statement, values in json.load(sys.stdin):
    connection.execute(statement, values)
os._exit(0)
"""


def make_home(path: Path, version: str = "0.6.2") -> Path:
    """Put the home that a version of microsandbox wrote at a path, as if it had always been there, and return it.

    Part of its database is only in the write-ahead log, beside an index of that log.
    """
    with tempfile.TemporaryDirectory(dir=path.parent) as directory:
        with tarfile.open(DATA / f"homes/home-{version}.tar.xz") as archive:
            archive.extractall(directory, filter="data")
        shutil.move(Path(directory, ".microsandbox"), path)
    moves = [_MOVE_ARTIFACTS, _MOVE_GROUPS] if version >= _FIRST_WITH_GROUPS else [_MOVE_ARTIFACTS]
    change_database(path, [(move, (str(path),)) for move in moves])
    for state in path.glob("sandboxes/*/runtime/root-disk.json"):
        text = state.read_text(encoding="utf-8")
        state.write_text(re.sub(r'"path":"[^"]*/\.microsandbox/', f'"path":"{path}/', text), encoding="utf-8")
    return path


def change_database(home: Path, statements: Iterable[Statement]) -> None:
    """Execute statements on a home's database, which land in its log."""
    program = [sys.executable, "-c", _WRITER, home / "db/msb.db"]
    subprocess.run(program, input=json.dumps(list(statements)), text=True, check=True)


def read_database(home: Path, query: str, *values: Any) -> list[tuple[Any, ...]]:
    """Query a copy of a home's database, which stays as it is."""
    with tempfile.TemporaryDirectory() as directory:
        for path in (home / "db").glob("msb.db*"):
            shutil.copy(path, directory)
        with closing(sqlite3.connect(Path(directory, "msb.db"))) as connection:
            return connection.execute(query, values).fetchall()


def index_rows(home: Path) -> dict[str, str]:
    """Return the digest that the index has for each name."""
    return dict(read_database(home, "SELECT name, digest FROM snapshot_index"))


def add_sandbox(home: Path, name: str, status: str = "Stopped", upper_bytes: int = 256 << 10, **config: Any) -> Path:
    """Add a sandbox to a home's database, and return its upper: a sparse file with a little data.

    Args:
        home: The home.
        name: The sandbox's name.
        status: What the database says that it does.
        upper_bytes: Apparent size of its upper.
        config: What its configuration says besides the usual.
    """
    usual = {"name": name, "image": {"Oci": {"reference": IMAGE_REFERENCE}}, "manifest_digest": IMAGE_DIGEST}
    insert = "INSERT INTO sandbox (name, status, config) VALUES (?, ?, ?)"
    change_database(home, [(insert, (name, status, json.dumps(usual | config)))])
    upper = home / "sandboxes" / name / "upper.ext4"
    upper.parent.mkdir()
    write_sparse(upper, upper_bytes, {8192: name.encode() * 1000, upper_bytes // 2: b"middle"})
    return upper


def write_sparse(path: Path, size: int, data: dict[int, bytes]) -> None:
    """Write a file that is a hole but for the data at some offsets."""
    with path.open("wb") as file:
        file.truncate(size)
        for offset, content in data.items():
            os.pwrite(file.fileno(), content, offset)


def flip_a_byte(path: Path, place: float) -> None:
    """Damage a file in place: one byte, at a share of its length."""
    with path.open("r+b") as file:
        offset = int(path.stat().st_size * place)
        file.seek(offset)
        (byte,) = file.read(1)
        file.seek(offset)
        file.write(bytes([byte ^ 0xFF]))


def lose_bits(path: Path, place: float) -> None:
    """Damage a file with a recorded digest as a disk does it, without a trace in its times."""
    if not os.listxattr(path):
        pytest.skip("this file system has no extended attributes")
    found = path.stat()
    flip_a_byte(path, place)
    os.utime(path, ns=(found.st_atime_ns, found.st_mtime_ns))
