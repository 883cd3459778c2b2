# Copyright: (c) 2026, sandboxops contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which images a task is about: named, pinned by snapshots, spelt in several ways."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Callable

import pytest
from ansible_collections.sandboxops.microsandbox.plugins.module_utils._ansible.image_selection import (
    wanted_images,
    wanted_pins,
)
from ansible_collections.sandboxops.microsandbox.plugins.module_utils._ansible.task import Task
from ansible_collections.sandboxops.microsandbox.plugins.module_utils._core.errors import (
    IntegrityError,
    RequestError,
    StateError,
)

NewTask = Callable[..., Task]

REFERENCE = "localhost/tiny:1"
DIGEST = "sha256:9dfddbfb28e8b57d786c7c5b76ef918eb19f2bcf632a3bf8e58fdadfc407f714"
OTHER = "sha256:" + "f" * 64


@pytest.fixture
def home(unpack_home: Callable[[str], Path]) -> Path:
    return unpack_home("0.6.2")


def select(task: Task) -> Any:
    return wanted_images(task, task.observe_home())


def test_an_image_is_wanted_at_the_digest_that_it_is_pinned_at(new_task: NewTask, home: Path) -> None:
    task = new_task(home, images=["alpine", "busybox"], pin={"docker.io/library/alpine:latest": OTHER})
    assert select(task) == (("alpine", OTHER), ("busybox", None))


def test_spellings_of_one_reference_are_one_image(new_task: NewTask, home: Path) -> None:
    task = new_task(home, images=["alpine", "index.docker.io/alpine:latest", "alpine"])
    assert select(task) == (("alpine", None),)


def test_snapshots_pin_their_images_and_share_them(new_task: NewTask, home: Path) -> None:
    task = new_task(home, images=["alpine", REFERENCE], snapshots=["first", "second", "child"])
    assert select(task) == (("alpine", None), (REFERENCE, DIGEST))


def test_a_snapshot_that_is_not_there_yet_leaves_check_mode_in_the_dark(new_task: NewTask, home: Path) -> None:
    request: dict[str, Any] = {"snapshots": ["none"], "pin": {"alpine": OTHER}}
    task = new_task(home, check_mode=True, **request)
    assert select(task) is None
    assert [warning.partition(";")[0] for warning in task.warnings] == ["there is no snapshot none yet"]
    with pytest.raises(StateError, match="there is no snapshot"):
        select(new_task(home, **request))


def test_a_task_has_to_name_something(new_task: NewTask, home: Path) -> None:
    with pytest.raises(RequestError, match="neither images nor snapshots"):
        select(new_task(home))


def test_a_pin_of_an_image_that_is_not_wanted_is_a_mistake(new_task: NewTask, home: Path) -> None:
    with pytest.raises(RequestError, match="pin names the image 'docker.io/library/alpine:latest'"):
        select(new_task(home, images=["busybox"], pin={"alpine": OTHER}))


def test_a_pin_counts_for_the_image_of_a_snapshot_too(new_task: NewTask, home: Path) -> None:
    assert select(new_task(home, snapshots=["first"], pin={REFERENCE: DIGEST})) == ((REFERENCE, DIGEST),)
    with pytest.raises(IntegrityError, match=f"pins image '{REFERENCE}' at {DIGEST}, expected is {OTHER}"):
        select(new_task(home, snapshots=["first"], pin={REFERENCE: OTHER}))


def test_snapshots_that_pin_one_reference_to_two_images_cannot_travel_together(new_task: NewTask, home: Path) -> None:
    manifest = home / "snapshots/second/manifest.json"
    manifest.write_text(manifest.read_text("utf-8").replace(DIGEST, OTHER), "utf-8")
    with pytest.raises(IntegrityError, match=f"at {OTHER}, expected is {DIGEST}"):
        select(new_task(home, snapshots=["first", "second"]))


@pytest.mark.parametrize(
    ("pin", "words"),
    [({"A B": OTHER}, "pin: the image reference 'A B'"), ({"a": "sha256:1"}, "pin is"), ({"a": None}, "pin is 'None'")],
    ids=["no reference", "no digest", "nothing"],
)
def test_a_pin_is_a_reference_and_a_digest(new_task: NewTask, home: Path, pin: dict[str, Any], words: str) -> None:
    with pytest.raises(RequestError, match=words):
        wanted_pins(new_task(home, pin=pin))
