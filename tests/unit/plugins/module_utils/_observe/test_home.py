# Copyright: (c) 2026, sandboxops contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Homes are found as microsandbox finds them, and their generation is told from what is there."""

from __future__ import annotations

import json
import os
import pwd
import shutil
from pathlib import Path
from typing import Callable

import pytest
from ansible_collections.sandboxops.microsandbox.plugins.module_utils._core.errors import (
    RequestError,
    StateError,
    UnsupportedError,
)
from ansible_collections.sandboxops.microsandbox.plugins.module_utils._observe.home import (
    Home,
    absolute_path,
    is_indexed,
    is_managed,
    locate_home,
    observe_home,
    require_writable,
)

Unpack = Callable[[str], Path]


def write_config(path: Path, **config: object) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(config), "utf-8")
    return path


def test_the_default_home_is_in_the_users_directory(tmp_path: Path) -> None:
    path = f"{tmp_path}/.microsandbox"
    assert observe_home(None, None, None, {"HOME": str(tmp_path)}) == Home(
        path=path,
        snapshots_dir=f"{path}/snapshots",
        managed_dir=f"{path}/snapshots",
        cache_dir=f"{path}/cache",
        sandboxes_dir=f"{path}/sandboxes",
        database=f"{path}/db/msb.db",
        generation="G1",
        exists=False,
    )
    assert list(tmp_path.iterdir()) == []


def test_a_home_is_located_whatever_stands_in_its_place(tmp_path: Path) -> None:
    path = tmp_path / "home"
    path.write_text("mine", "utf-8")
    found = locate_home(str(path), None, None, {"HOME": str(tmp_path)})
    assert (found.path, found.snapshots_dir, found.generation, found.exists) == (
        str(path),
        f"{path}/snapshots",
        "unknown",
        False,
    )


def test_the_option_wins_over_the_configuration_and_that_over_the_environment(tmp_path: Path) -> None:
    write_config(tmp_path / "env/config.json", home=str(tmp_path / "configured"))
    environ = {"HOME": str(tmp_path / "user"), "MSB_HOME": str(tmp_path / "env")}
    assert observe_home(None, None, None, environ).path == str(tmp_path / "configured")
    assert observe_home(str(tmp_path / "option"), None, None, environ).path == str(tmp_path / "option")
    tmp_path.joinpath("env/config.json").unlink()
    assert observe_home(None, None, None, environ).path == str(tmp_path / "env")


def test_a_home_given_as_option_has_its_own_configuration(tmp_path: Path) -> None:
    write_config(tmp_path / "option/config.json", home="/elsewhere", paths={"snapshots": "/data/s", "sandboxes": "/b"})
    home = observe_home(str(tmp_path / "option"), None, None, {"HOME": str(tmp_path)})
    assert (home.path, home.snapshots_dir, home.sandboxes_dir) == (str(tmp_path / "option"), "/data/s", "/b")
    assert home.cache_dir == str(tmp_path / "option/cache")


def test_the_configuration_file_can_be_named_by_the_environment(tmp_path: Path) -> None:
    write_config(tmp_path / ".microsandbox/config.json", paths={"cache": "/wrong"})
    path = write_config(tmp_path / "elsewhere.json", home=str(tmp_path / "h"), paths={"cache": "/right"})
    home = observe_home(None, None, None, {"HOME": str(tmp_path), "MSB_CONFIG_PATH": str(path)})
    assert (home.path, home.cache_dir) == (str(tmp_path / "h"), "/right")


def test_directories_given_as_options_win_over_the_configuration(tmp_path: Path) -> None:
    write_config(tmp_path / ".microsandbox/config.json", paths={"snapshots": "/data/s", "cache": "/data/c"})
    home = observe_home(None, "/option/s", "/option/c", {"HOME": str(tmp_path)})
    assert (home.snapshots_dir, home.cache_dir) == ("/option/s", "/option/c")
    assert home.managed_dir == "/data/s"


@pytest.mark.parametrize("kind", ["malformed", "fifo", "directory", "long"])
def test_a_configuration_that_cannot_be_read_is_an_empty_one(tmp_path: Path, kind: str) -> None:
    path = write_config(tmp_path / ".microsandbox/config.json", paths={"cache": "/c"})
    if kind == "malformed":
        path.write_text('{"paths": {"cache": "/c"}', "utf-8")
    elif kind == "long":
        path.write_text(path.read_text("utf-8") + " " * (1 << 20), "utf-8")
    else:
        path.unlink()
        os.mkfifo(path) if kind == "fifo" else path.mkdir()
    assert observe_home(None, None, None, {"HOME": str(tmp_path)}).cache_dir == f"{tmp_path}/.microsandbox/cache"


def test_a_configuration_may_be_a_symlink(tmp_path: Path) -> None:
    target = write_config(tmp_path / "dotfiles/msb.json", paths={"cache": "/c"})
    tmp_path.joinpath(".microsandbox").mkdir()
    tmp_path.joinpath(".microsandbox/config.json").symlink_to(target)
    assert observe_home(None, None, None, {"HOME": str(tmp_path)}).cache_dir == "/c"


def test_paths_are_absolute_and_normal_and_nothing_is_expanded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    tmp_path.joinpath("link").symlink_to("elsewhere")
    home = observe_home("link/./x/../y/", "~/s", "../c", {})
    assert home.path == f"{tmp_path}/link/y"
    assert home.snapshots_dir == f"{tmp_path}/~/s"
    assert home.cache_dir == f"{tmp_path.parent}/c"


@pytest.mark.parametrize("bad", ["/a\0b", "a\0", "/\ud800"])
def test_a_path_with_a_character_that_none_can_have_is_refused(tmp_path: Path, bad: str) -> None:
    environ = {"HOME": str(tmp_path)}
    for home, snapshots_dir, cache_dir in ((bad, None, None), (None, bad, None), (None, None, bad)):
        with pytest.raises(RequestError, match="the path .* has a character that no path can have") as caught:
            observe_home(home, snapshots_dir, cache_dir, environ)
        json.dumps(caught.value.facts).encode("utf-8")
        caught.value.message.encode("utf-8")


def test_a_configured_path_with_a_character_that_none_can_have_is_refused(tmp_path: Path) -> None:
    write_config(tmp_path / ".microsandbox/config.json", paths={"cache": "/a\0b"})
    with pytest.raises(RequestError, match=r"the path '/a\\x00b' has a character that no path can have"):
        observe_home(None, None, None, {"HOME": str(tmp_path)})


def test_a_path_may_have_bytes_that_are_no_text() -> None:
    assert absolute_path("/a/../b\udcff") == "/b\udcff"


def test_without_an_environment_the_user_database_knows_the_directory() -> None:
    expected = os.path.join(pwd.getpwuid(os.geteuid()).pw_dir, ".microsandbox")
    assert observe_home(None, None, None, {}).path == expected


@pytest.mark.parametrize(("version", "generation"), [("0.4.4", "G1"), ("0.6.2", "G1"), ("0.7.11", "G3")])
def test_the_generation_of_a_real_home_is_told_without_a_trace(
    unpack_home: Unpack, list_tree: Callable[[Path], object], version: str, generation: str
) -> None:
    path = unpack_home(version)
    before = list_tree(path)
    home = observe_home(str(path), None, None, {})
    assert list_tree(path) == before
    assert (home.generation, home.exists) == (generation, True)


@pytest.mark.parametrize(
    ("file", "generation"),
    [
        ("snapshots/a/manifest.json", "G1"),
        ("snapshots/a/snapshot.json", "G2"),
        ("snapshots/a/group.json", "G3"),
        ("snapshots/.groups.lock", "G3"),
        ("snapshots/snapshot.json", "G1"),
    ],
)
def test_a_store_without_a_database_shows_its_generation(tmp_path: Path, file: str, generation: str) -> None:
    write_config(tmp_path / file)
    write_config(tmp_path / "snapshots/b/manifest.json")
    assert observe_home(str(tmp_path), None, None, {}).generation == generation


def test_a_database_says_the_generation_whatever_the_store_holds(unpack_home: Unpack) -> None:
    home = unpack_home("0.6.2")
    write_config(home / "snapshots/later/snapshot.json")
    assert observe_home(str(home), None, None, {}).generation == "G1"
    later = unpack_home("0.7.11")
    shutil.rmtree(later / "snapshots")
    assert observe_home(str(later), None, None, {}).generation == "G3"


def test_a_store_that_microsandbox_does_not_manage_says_nothing_of_the_home(unpack_home: Unpack) -> None:
    later = unpack_home("0.7.11")
    home = observe_home(str(unpack_home("0.6.2")), str(later / "snapshots"), None, {})
    assert (home.generation, home.snapshots_dir) == ("G1", str(later / "snapshots"))


def test_in_a_later_home_only_the_managed_store_is_left_alone(unpack_home: Unpack, tmp_path: Path) -> None:
    home = observe_home(str(unpack_home("0.7.11")), str(tmp_path), None, {})
    tmp_path.joinpath("link").symlink_to(home.managed_dir)
    for path in (home.managed_dir, f"{home.managed_dir}/new", str(tmp_path / "link/new")):
        assert is_managed(home, path)
        with pytest.raises(UnsupportedError, match=f"home {home.path} is of generation G3"):
            require_writable(home, path)
    for path in (f"{home.managed_dir}-beside", str(tmp_path / "new"), home.path):
        assert not is_managed(home, path)
        require_writable(home, path)


def test_in_a_home_of_g1_the_managed_store_is_writable(unpack_home: Unpack) -> None:
    home = observe_home(str(unpack_home("0.6.2")), None, None, {})
    require_writable(home, f"{home.managed_dir}/new")


def test_only_the_managed_store_of_a_g1_home_is_indexed(unpack_home: Unpack) -> None:
    home = observe_home(str(unpack_home("0.6.2")), None, None, {})
    assert is_indexed(home, home.managed_dir)
    assert not is_indexed(home, f"{home.managed_dir}/below")
    later = observe_home(str(unpack_home("0.7.11")), None, None, {})
    assert not is_indexed(later, later.managed_dir)


def test_a_damaged_database_makes_the_generation_unknown(tmp_path: Path) -> None:
    write_config(tmp_path / "db/msb.db", x="y" * 5000)
    assert observe_home(str(tmp_path), None, None, {}).generation == "unknown"


def test_a_symlinked_database_is_refused(tmp_path: Path) -> None:
    tmp_path.joinpath("db").mkdir()
    tmp_path.joinpath("db/msb.db").symlink_to("elsewhere")
    with pytest.raises(StateError, match="is no regular file, a database is one"):
        observe_home(str(tmp_path), None, None, {})


@pytest.mark.parametrize("path", ["sandboxes", "sandboxes/base", "cache/layers/x", "db/x", "run/locks/x"])
def test_what_microsandbox_keeps_for_itself_is_nothing_to_write_over(unpack_home: Unpack, path: str) -> None:
    home = observe_home(str(unpack_home("0.6.2")), None, None, {})
    with pytest.raises(StateError, match="which microsandbox keeps for itself"):
        require_writable(home, os.path.join(home.path, path))
    require_writable(home, os.path.join(home.path, "snapshots", "x"))
