# Copyright: (c) 2026, sandboxops contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Sandboxes: every case that the real tools judged, and disks that are more than one upper."""

from __future__ import annotations

import contextlib
import json
import os
import sqlite3
from pathlib import Path
from typing import Any, Callable

import pytest
from ansible_collections.sandboxops.microsandbox.plugins.module_utils._core.errors import (
    FormatError,
    MicrosandboxError,
    RequestError,
    StateError,
    UnsupportedError,
)
from ansible_collections.sandboxops.microsandbox.plugins.module_utils._observe.home import Home, observe_home
from ansible_collections.sandboxops.microsandbox.plugins.module_utils._observe.sandbox import (
    CaptureSource,
    is_busy,
    list_sandbox_names,
    observe_sandbox,
    require_capturable,
)

DATA = Path(__file__).parents[3] / "data"
CASES = json.loads((DATA / "create-preconditions/vectors.json").read_text("utf-8"))["cases"]
HOMES = {
    version: json.loads((DATA / f"homes/home-{version}.expected.json").read_text("utf-8"))
    for version in ("0.4.4", "0.6.2", "0.7.11")
}
VALID_CONFIG = {
    "name": "base",
    "image": {"Oci": {"reference": "localhost/tiny:1"}},
    "manifest_digest": "sha256:9dfddbfb28e8b57d786c7c5b76ef918eb19f2bcf632a3bf8e58fdadfc407f714",
}
# microsandbox captures a disk that is about to change; this collection does not.
STRICTER = {"status 'Starting'"}

Unpack = Callable[[str], Path]


@pytest.fixture
def home(unpack_home: Unpack) -> Home:
    """A real home whose sandboxes are all gone."""
    found = observe_home(str(unpack_home("0.6.2")), None, None, {})
    with contextlib.closing(sqlite3.connect(found.database, isolation_level=None)) as connection:
        connection.execute("DELETE FROM sandbox")
    return found


def add_sandbox(home: Home, status: object = "Stopped", config: object = None, upper: str | None = "raw") -> Path:
    """Add the sandbox ``base`` and return the path of its upper."""
    text = config if isinstance(config, (str, bytes)) else json.dumps(VALID_CONFIG if config is None else config)
    with contextlib.closing(sqlite3.connect(home.database, isolation_level=None)) as connection:
        connection.execute("INSERT INTO sandbox (name, status, config) VALUES ('base', ?, ?)", (status, text))
    path = Path(home.sandboxes_dir, "base/upper.ext4")
    if path.exists():
        path.unlink()
    path.parent.mkdir(exist_ok=True)
    if upper == "dir":
        path.mkdir()
    elif upper == "fifo":
        os.mkfifo(path)
    elif upper == "symlink":
        path.symlink_to("/dev/null")
    elif upper is not None:
        path.touch()
        os.truncate(path, 0 if upper == "zero" else 65536)
    return path


def record_layers(home: Home, *layers: tuple[object, str]) -> None:
    state = {
        "schema": "microsandbox.runtime-root-disk/1",
        "layers": [{"layer_id": f"layer_{n}", "path": str(path), "format": f} for n, (path, f) in enumerate(layers)],
    }
    path = Path(home.sandboxes_dir, "base/runtime/root-disk.json")
    path.parent.mkdir()
    path.write_text(json.dumps(state), "utf-8")


def capture(home: Home) -> None:
    require_capturable(observe_sandbox(home, "base"))


def test_there_are_all_the_real_cases() -> None:
    assert len(CASES) == 27
    assert {case.get("upper", "raw") for case in CASES} == {"raw", "zero", "dir", "fifo"}


@pytest.mark.parametrize("case", CASES, ids=lambda case: case["id"])
def test_a_sandbox_is_capturable_when_a_careful_microsandbox_captures_it(home: Home, case: dict[str, Any]) -> None:
    if "status" in case:
        status = "" if case["id"] == "status ''" else case["status"]
        config = case["config"] if isinstance(case["config"], dict) else None
        add_sandbox(home, status, config, case["upper"])
    # 0.6.18 refuses what 0.4.4 wrote, 0.4.4 what later versions wrote; this collection reads both.
    is_captured = any(case[version]["result"] == "ok" for version in ("0.4.4", "0.6.18"))
    if is_captured and case["id"] not in STRICTER:
        capture(home)
    else:
        with pytest.raises(MicrosandboxError, match="sandbox 'base'"):
            capture(home)


@pytest.mark.parametrize(
    ("version", "sandbox"),
    [(version, sandbox) for version, home in HOMES.items() for sandbox in home["sandboxes"]],
    ids=lambda value: value if isinstance(value, str) else value["name"],
)
def test_the_sandboxes_of_real_homes_are_judged_without_a_trace(
    unpack_home: Unpack, list_tree: Callable[[Path], object], version: str, sandbox: dict[str, Any]
) -> None:
    path = unpack_home(version)
    before = list_tree(path)
    found = observe_sandbox(observe_home(str(path), None, None, {}), sandbox["name"])
    assert (found.name, found.status) == (sandbox["name"], sandbox["status"])
    assert found.upper == str(path / "sandboxes" / sandbox["name"] / "upper.ext4")
    if sandbox["snapshot"] == "ok":
        require_capturable(found)
    else:
        with pytest.raises(MicrosandboxError):
            require_capturable(found)
    assert list_tree(path) == before


@pytest.mark.parametrize(
    ("status", "error", "message"),
    [
        ("Running", StateError, "sandbox 'base' is Running, a capture needs one that is Stopped, Crashed or Created"),
        ("Draining", StateError, "is Draining"),
        ("Paused", StateError, "is Paused"),
        ("Starting", StateError, "is Starting"),
        ("stopped", UnsupportedError, "is in the unknown state 'stopped'"),
        ("", UnsupportedError, "is in the unknown state ''"),
        (None, FormatError, "status or config that is no text"),
        (b"Stopped", FormatError, "status or config that is no text"),
    ],
)
def test_a_state_that_is_not_at_rest_is_named(
    home: Home, status: object, error: type[MicrosandboxError], message: str
) -> None:
    if status is None:
        with contextlib.closing(sqlite3.connect(home.database, isolation_level=None)) as connection:
            connection.execute("ALTER TABLE sandbox RENAME TO old")
            connection.execute("CREATE TABLE sandbox (id INTEGER PRIMARY KEY, name, config, status)")
    add_sandbox(home, status)
    with pytest.raises(error, match=message):
        capture(home)


@pytest.mark.parametrize(
    ("change", "error", "message"),
    [
        ({"image": {"Bind": "/tmp"}}, StateError, "is rooted in a bind, a snapshot needs an OCI image"),
        ({"image": {"DiskImage": {"path": "/x"}}}, StateError, "is rooted in a disk-image"),
        ({"image": {"Future": 1}}, UnsupportedError, "sandbox 'base': image in the sandbox's config is 'Future'"),
        ({"image": 1}, FormatError, "sandbox 'base': image in the sandbox's config is the number 1"),
        ({"image": {"Oci": ""}}, StateError, "names no OCI image"),
        ({"manifest_digest": None}, StateError, "pins no OCI image manifest"),
        ({"manifest_digest": "sha256:" + "A" * 64}, FormatError, "pins the image manifest 'sha256:AAAA"),
        (
            {"image": {"Oci": {"reference": "a", "root_disk": {"kind": "tmpfs"}}}},
            UnsupportedError,
            "root disk of kind 'tmpfs', only one of kind managed",
        ),
    ],
)
def test_a_configuration_that_no_snapshot_can_hold_is_explained(
    home: Home, change: dict[str, Any], error: type[MicrosandboxError], message: str
) -> None:
    add_sandbox(home, config={**VALID_CONFIG, **change})
    with pytest.raises(error, match=message) as caught:
        capture(home)
    assert caught.value.facts["sandbox"] == "base"


def test_a_configuration_that_is_no_json_names_the_sandbox(home: Home) -> None:
    add_sandbox(home, config='{"image":')
    with pytest.raises(FormatError, match="sandbox 'base': the sandbox's config is not JSON"):
        observe_sandbox(home, "base")


@pytest.mark.parametrize(
    ("upper", "message"),
    [
        (None, "sandbox 'base' has no upper at .*/upper.ext4"),
        ("dir", "is no regular file"),
        ("fifo", "is no regular file"),
        ("symlink", "is no regular file"),
    ],
)
def test_an_upper_that_is_no_file_is_refused(home: Home, upper: str | None, message: str) -> None:
    add_sandbox(home, upper=upper)
    with pytest.raises(StateError, match=message):
        capture(home)


def test_a_capturable_sandbox_is_a_source_of_its_size_and_image(home: Home) -> None:
    add_sandbox(home)
    sandbox = observe_sandbox(home, "base")
    source = require_capturable(sandbox)
    assert source == CaptureSource(sandbox, 65536, "localhost/tiny:1", str(VALID_CONFIG["manifest_digest"]))


def test_a_missing_directory_is_a_missing_upper(home: Home) -> None:
    path = add_sandbox(home, upper=None)
    path.parent.rmdir()
    with pytest.raises(StateError, match="has no upper"):
        capture(home)


def test_a_recorded_disk_of_one_raw_layer_must_be_the_upper(home: Home) -> None:
    path = add_sandbox(home)
    os.link(path, path.parent / "hard-link")
    record_layers(home, (path.parent / "hard-link", "raw"))
    capture(home)


@pytest.mark.parametrize("other", ["copy", "symlink"])
def test_a_recorded_disk_elsewhere_is_refused(home: Home, other: str) -> None:
    path = add_sandbox(home)
    elsewhere = path.parent / "elsewhere"
    if other == "copy":
        elsewhere.write_bytes(path.read_bytes())
    else:
        elsewhere.symlink_to(path)
    record_layers(home, (elsewhere, "raw"))
    with pytest.raises(UnsupportedError, match="is recorded as '.*/elsewhere', which is not its upper"):
        capture(home)


@pytest.mark.parametrize("path", ["/nonexistent/upper.ext4", "", "a\0b"])
def test_a_recorded_disk_that_is_missing_is_refused(home: Home, path: str) -> None:
    add_sandbox(home)
    record_layers(home, (path, "raw"))
    with pytest.raises(StateError, match="which cannot be looked at"):
        capture(home)


@pytest.mark.parametrize("formats", [[], ["qcow2"], ["raw", "qcow2"], ["raw", "raw"]])
def test_a_disk_of_other_layers_is_refused(home: Home, formats: list[str]) -> None:
    path = add_sandbox(home)
    record_layers(home, *((path, disk_format) for disk_format in formats))
    with pytest.raises(UnsupportedError, match=f"has {len(formats)} layers .*, only one raw layer can be captured"):
        capture(home)


def test_a_malformed_record_of_the_disk_is_refused(home: Home) -> None:
    path = add_sandbox(home)
    path.parent.joinpath("runtime").mkdir()
    path.parent.joinpath("runtime/root-disk.json").write_text("{}", "utf-8")
    with pytest.raises(FormatError, match="sandbox 'base': root-disk.json lacks the field schema"):
        observe_sandbox(home, "base")


def test_what_only_the_log_says_counts(home: Home) -> None:
    add_sandbox(home)
    with contextlib.closing(sqlite3.connect(home.database, isolation_level=None)) as connection:
        connection.execute("UPDATE sandbox SET status = 'Running'")
        assert os.path.getsize(f"{home.database}-wal") > 0
        with pytest.raises(StateError, match="is Running"):
            capture(home)


def test_a_sandbox_that_is_not_there_is_named_with_its_home(home: Home, tmp_path: Path) -> None:
    with pytest.raises(StateError, match=f"there is no sandbox 'nope' in the home {home.path}"):
        observe_sandbox(home, "nope")
    empty = observe_home(str(tmp_path / "empty"), None, None, {})
    with pytest.raises(StateError, match="there is no sandbox 'base': the home .* has no database"):
        observe_sandbox(empty, "base")


def test_a_database_without_sandboxes_has_none(tmp_path: Path) -> None:
    tmp_path.joinpath("db").mkdir()
    tmp_path.joinpath("db/msb.db").touch()
    with pytest.raises(StateError, match="there is no sandbox 'base'"):
        observe_sandbox(observe_home(str(tmp_path), None, None, {}), "base")


@pytest.mark.parametrize("name", ["", ".", "..", "a/b", "../x", "a\0b", "\udcff"])
def test_a_name_that_is_no_directory_is_refused(home: Home, name: str) -> None:
    with pytest.raises(RequestError, match="is not the name of a directory"):
        observe_sandbox(home, name)


def test_the_sandboxes_of_a_home_are_listed_by_name(home: Home, tmp_path: Path) -> None:
    assert list_sandbox_names(home) == ()
    add_sandbox(home)
    assert list_sandbox_names(home) == ("base",)
    assert list_sandbox_names(observe_home(str(tmp_path / "none"), None, None, {})) == ()


@pytest.mark.parametrize(("status", "expected"), [("Running", True), ("Starting", True), ("Stopped", False)])
def test_a_sandbox_whose_disk_may_change_is_busy(home: Home, status: str, expected: bool) -> None:
    add_sandbox(home, status)
    assert is_busy(observe_sandbox(home, "base")) is expected
