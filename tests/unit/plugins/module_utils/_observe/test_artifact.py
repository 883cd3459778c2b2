# Copyright: (c) 2026, sandboxops contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Artifacts: the real ones are opened as microsandbox opens them, and what is none is told what it is."""

from __future__ import annotations

import json
import os
import shutil
from pathlib import Path
from typing import Any, Callable

import pytest
from ansible_collections.sandboxops.microsandbox.plugins.module_utils._core.errors import (
    FormatError,
    IntegrityError,
    StateError,
    UnsupportedError,
)
from ansible_collections.sandboxops.microsandbox.plugins.module_utils._observe.artifact import (
    is_capture_leftover,
    observe_artifact,
    observe_descriptor,
    open_upper,
    require_unchanged,
)

DATA = Path(__file__).parents[3] / "data"
REAL = {
    path.name[: -len(".expected.json")]: json.loads(path.read_text("utf-8"))
    for path in sorted(DATA.glob("g1-artifacts/*.expected.json"))
}

Copy = Callable[[str], Path]
Make = Callable[..., Path]
Listing = Callable[[Path], object]


def test_there_are_all_the_real_artifacts() -> None:
    assert list(REAL) == ["basic-0.6.2", "extentframed-0.4.4", "nolabels-0.6.2", "unicode-0.6.2"]


@pytest.mark.parametrize("name", REAL)
def test_a_real_artifact_is_opened_without_a_trace(real_artifact: Copy, list_tree: Listing, name: str) -> None:
    path, expected = real_artifact(name), REAL[name]
    before = list_tree(path)
    artifact = observe_artifact(str(path))
    assert list_tree(path) == before
    found, manifest = artifact.descriptor, expected["manifest"]
    assert (artifact.name, artifact.path, found.generation) == (name, str(path), "G1")
    assert found.digest == expected["digest"]
    assert (found.format, found.fstype, found.parent) == (manifest["format"], manifest["fstype"], manifest["parent"])
    assert found.image_reference == manifest["image"]["ref"]
    assert found.image_manifest_digest == manifest["image"]["manifest_digest"]
    assert (found.created_at, found.source_sandbox) == (manifest["created_at"], manifest["source_sandbox"])
    assert dict(found.labels) == manifest["labels"]
    assert (found.upper_file, found.upper_bytes) == ("upper.ext4", manifest["upper"]["size_bytes"])
    assert artifact.allocated_bytes == sum(length for dummy, length in expected["upper"]["extents"])
    assert observe_descriptor(str(path)) == found


def test_a_missing_directory_is_no_snapshot(tmp_path: Path) -> None:
    with pytest.raises(StateError, match="there is no snapshot at .*/missing"):
        observe_artifact(str(tmp_path / "missing"))


@pytest.mark.parametrize("kind", ["symlink", "file"])
def test_what_is_no_directory_is_no_snapshot(tmp_path: Path, real_artifact: Copy, kind: str) -> None:
    path = tmp_path / "it"
    if kind == "symlink":
        path.symlink_to(real_artifact("basic-0.6.2"))
    else:
        path.touch()
    with pytest.raises(StateError, match="it is no directory, a snapshot is one"):
        observe_artifact(str(path))


@pytest.mark.parametrize("kind", ["symlink", "fifo", "directory"])
def test_a_manifest_that_is_no_file_is_refused_at_once(real_artifact: Copy, kind: str) -> None:
    path = real_artifact("basic-0.6.2")
    manifest = path / "manifest.json"
    manifest.rename(path / "elsewhere")
    if kind == "symlink":
        manifest.symlink_to("elsewhere")
    elif kind == "fifo":
        os.mkfifo(manifest)
    else:
        manifest.mkdir()
    with pytest.raises(FormatError, match="manifest.json is no regular file"):
        observe_artifact(str(path))


@pytest.mark.parametrize("content", [b"", b"{}", b"not JSON", b'{"schema":1}'])
def test_a_malformed_manifest_is_refused(real_artifact: Copy, content: bytes) -> None:
    path = real_artifact("basic-0.6.2")
    path.joinpath("manifest.json").write_bytes(content)
    with pytest.raises(FormatError):
        observe_artifact(str(path))


def test_a_manifest_beyond_a_mebibyte_is_not_read(real_artifact: Copy) -> None:
    path = real_artifact("basic-0.6.2")
    os.truncate(path / "manifest.json", 1 << 40)
    with pytest.raises(FormatError, match="manifest.json has more than the 1048576 bytes that are read"):
        observe_artifact(str(path))


def test_a_directory_without_a_descriptor_is_refused(tmp_path: Path) -> None:
    with pytest.raises(FormatError, match="holds no manifest.json, which a snapshot has"):
        observe_artifact(str(tmp_path))


@pytest.mark.parametrize("kind", ["symlink", "dangling symlink", "fifo", "directory"])
def test_an_upper_that_is_no_file_is_not_the_one_described(real_artifact: Copy, kind: str) -> None:
    path = real_artifact("basic-0.6.2")
    upper = path / "upper.ext4"
    upper.rename(path / "elsewhere")
    if kind == "fifo":
        os.mkfifo(upper)
    elif kind == "directory":
        upper.mkdir()
    else:
        upper.symlink_to("elsewhere" if kind == "symlink" else "nowhere")
    with pytest.raises(IntegrityError, match="upper.ext4 is no regular file"):
        observe_artifact(str(path))
    assert observe_descriptor(str(path)).digest == REAL["basic-0.6.2"]["digest"]


def test_a_missing_upper_is_named(real_artifact: Copy) -> None:
    path = real_artifact("basic-0.6.2")
    path.joinpath("upper.ext4").unlink()
    with pytest.raises(IntegrityError, match="upper.ext4 is missing, manifest.json describes it") as caught:
        observe_artifact(str(path))
    assert caught.value.facts == {"path": str(path / "upper.ext4")}


@pytest.mark.parametrize("size", [0, 1048575, 1048577])
def test_an_upper_of_another_size_is_told_with_both_sizes(real_artifact: Copy, size: int) -> None:
    path = real_artifact("basic-0.6.2")
    os.truncate(path / "upper.ext4", size)
    message = f"upper.ext4 has {size} bytes, its descriptor says 1048576"
    with pytest.raises(IntegrityError, match=message) as caught:
        observe_artifact(str(path))
    assert (caught.value.facts["expected"], caught.value.facts["actual"]) == (1048576, size)


@pytest.mark.parametrize(
    ("path", "generation", "message"),
    [
        ("g2-artifacts/basic-0.6.7", "G2", "is a snapshot of generation G2, this collection reads G1"),
        ("g2-artifacts/merkle-0.6.18", "G2", "is a snapshot of generation G2"),
        ("g3-groups/basic-0.7.11", "G3", "is a group of snapshots of generation G3"),
        (
            "g3-groups/basic-0.7.11/snap_c3c36122388a892c4744880a3beb570a",
            "G3",
            "is a snapshot of generation G3, this collection reads G1",
        ),
    ],
)
def test_an_artifact_of_a_later_generation_is_named_as_one(path: str, generation: str, message: str) -> None:
    with pytest.raises(UnsupportedError, match=message) as caught:
        observe_artifact(str(DATA / path))
    assert caught.value.facts["generation"] == generation


def test_a_snapshot_that_a_later_microsandbox_migrated_is_told_from_a_new_one(tmp_path: Path) -> None:
    path = tmp_path / "migrated"
    shutil.copytree(DATA / "g2-artifacts/basic-0.6.7", path)
    path.joinpath(".manifest.json.legacy").touch()
    with pytest.raises(UnsupportedError, match="is a snapshot migrated from G1 of generation G2"):
        observe_artifact(str(path))


def test_a_later_descriptor_that_is_damaged_is_refused(tmp_path: Path) -> None:
    tmp_path.joinpath("snapshot.json").write_text("{", "utf-8")
    with pytest.raises(FormatError, match="snapshot.json"):
        observe_artifact(str(tmp_path))


def test_an_upper_is_open_while_the_block_runs(real_artifact: Copy) -> None:
    path = real_artifact("basic-0.6.2")
    with open_upper(observe_artifact(str(path))) as fd:
        assert os.pread(fd, 1 << 20, 0) == path.joinpath("upper.ext4").read_bytes()
    with pytest.raises(OSError, match="Bad file descriptor"):
        os.fstat(fd)


def overwrite(upper: Path) -> None:
    with upper.open("r+b") as file:
        file.write(b"x")


@pytest.mark.parametrize(
    ("change", "what"),
    [
        (overwrite, "mtime_ns"),
        (lambda upper: os.truncate(upper, 5), "size"),
        (lambda upper: upper.chmod(0o600), "ctime_ns"),
    ],
)
def test_an_upper_that_changes_meanwhile_is_noticed(
    real_artifact: Copy, change: Callable[[Path], None], what: str
) -> None:
    path = real_artifact("basic-0.6.2")
    artifact = observe_artifact(str(path))

    def read() -> None:
        with open_upper(artifact):
            change(path / "upper.ext4")

    with pytest.raises(StateError, match=f"upper.ext4 changed while it was read: .*{what} "):
        read()


@pytest.mark.parametrize("kind", ["shorter", "fifo"])
def test_an_upper_that_was_swapped_since_is_not_read(real_artifact: Copy, kind: str) -> None:
    path = real_artifact("basic-0.6.2")
    artifact = observe_artifact(str(path))
    path.joinpath("upper.ext4").unlink()
    if kind == "fifo":
        os.mkfifo(path / "upper.ext4")
    else:
        path.joinpath("upper.ext4").write_bytes(b"short")
    with pytest.raises(IntegrityError, match="is no regular file|has 5 bytes"), open_upper(artifact):
        pytest.fail("it was opened")


def test_a_file_replaced_by_an_equal_one_has_changed(tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.touch()
    before = path.stat()
    os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))
    with pytest.raises(
        StateError, match="file changed while it was read: ctime_ns [0-9]+ before, ctime_ns [0-9]+ after"
    ):
        require_unchanged(before, path.stat(), str(path))
    require_unchanged(before, before, str(path))


@pytest.mark.parametrize(
    ("files", "is_leftover"),
    [
        ([], True),
        (["upper.ext4"], True),
        (["upper.ext4", "manifest.json.tmp"], True),
        (["upper.ext4", "manifest.json"], False),
        (["upper.ext4", "photo.jpg"], False),
        ([".hidden"], False),
    ],
)
def test_what_an_interrupted_capture_leaves_is_known(tmp_path: Path, files: list[str], is_leftover: bool) -> None:
    for name in files:
        tmp_path.joinpath(name).touch()
    assert is_capture_leftover(str(tmp_path)) is is_leftover


def test_what_is_no_directory_is_no_leftover(tmp_path: Path) -> None:
    tmp_path.joinpath("file").touch()
    tmp_path.joinpath("empty").mkdir()
    tmp_path.joinpath("link").symlink_to("empty")
    assert not is_capture_leftover(str(tmp_path / "file"))
    assert not is_capture_leftover(str(tmp_path / "link"))
    assert not is_capture_leftover(str(tmp_path / "missing"))


def test_holes_do_not_count_as_allocated(make_artifact: Make) -> None:
    chunks: Any = ((1 << 30, b"x" * 4096),)
    artifact = observe_artifact(str(make_artifact("large", 4 << 30, chunks)))
    assert artifact.descriptor.upper_bytes == 4 << 30
    assert artifact.allocated_bytes == 4096


def test_an_upper_that_cannot_be_opened_is_named(make_artifact: Make) -> None:
    artifact = observe_artifact(str(make_artifact("a", 4096, ())))
    upper = Path(artifact.path, "upper.ext4")
    upper.unlink()
    with pytest.raises(FileNotFoundError) as caught, open_upper(artifact):
        pass
    assert caught.value.filename == str(upper)
