# Copyright: (c) 2026, sandboxops contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Every example of the documentation runs, and prints what its page says, or is listed here with the reason."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Callable

import pytest
import yaml
from documented_examples import LANGUAGES, Example, commands, find_examples, missing_output
from real_ansible import COLLECTION, task
from sample_homes import SECOND
from sample_world import PYTHON_IMAGE, World

_CHECKOUT = Path(__file__).resolve().parents[2]
_PAGES = find_examples(_CHECKOUT)

# Examples that are not run here: page, how they start, and why.
_NOT_RUN_HERE = {
    ("README.md", "$ git clone "): "tests/interop/test_demo.py runs the demo, of this checkout",
    ("README.md", "TASK [Sum up the builder]"): "printed by the demo",
    ("README.md", "$ ./test.sh"): "runs this test",
    ("README.md", "$ ansible-galaxy collection build"): "tests/tools/collection.py builds and installs before each run",
    ("README.md", "$ ./demo.sh ansible host1"): "asks what the demo has left, with the real microsandbox",
    ("docs/awx.md", "# collections/requirements.yml"): "what AWX installs a project's collections by",
    ("docs/awx.md", "$ curl "): "asks AWX",
    ("docs/awx.md", "fields:"): "tests/awx judges it",
    ("docs/awx.md", "extra_vars:"): "tests/awx judges it",
    ("docs/awx.md", "[host1] archive golden.tar.zst"): "tests/unit/docs/test_progress_lines.py judges it",
    ("docs/awx.md", "$ ansible-runner transmit"): "tests/awx does",
    ("docs/awx.md", "# seed.yml"): "tests/awx runs such a file",
    ("docs/awx.md", "# execution-environment.yml"): "tests/awx builds a context from it",
    ("docs/benchmark.md", "$ python3 tests/bench/run.py"): "the stage bench runs it",
    ("docs/faults.md", "$ python3 -m pytest tests/faults"): "the stage faults runs it",
    ("docs/fleet.md", "TASK [Capture the golden sandbox]"): "tests/unit/docs/test_progress_lines.py judges its lines",
    ("docs/transfer.md", "[web03] archive"): "tests/unit/docs/test_progress_lines.py judges it",
    ("docs/quickstart.md", "$ git clone "): "tests/interop/test_demo.py runs the demo, of this checkout",
    ("docs/quickstart.md", "$ ansible-galaxy collection build"): "tests/tools/collection.py does",
    ("roles/image_cache_seed/README.md", "ok: [host1] =>"): "test_image_cache_seed.py reads such lines",
    ("roles/snapshot_distribute/README.md", "ok: [host1] =>"): "says what came of twenty hosts",
    ("roles/snapshot_retention/README.md", "snapshot_retention_approved:"): "a variable, which playbook retain sets",
}
# Pages whose first example makes what other pages find made.
# The fences that an example is looked for behind, the one that ends a block, and that of a text that is no example.
_FENCES = (*(f"```{language}" for language in LANGUAGES), "```", "```text")
_BARE, _PREPARED = "bare", "prepared"
_FROM_NOTHING = ("docs/fleet.md", "docs/quickstart.md")
_EXPORTED = task("snapshot_archive", state="exported", snapshot="golden", path="/srv/golden.tar.zst")
_LISTED = {**task("snapshot_info"), "register": "listed"}
_RECALLED = {"ansible.builtin.set_fact": {"recalled": {}, "verified": {}}}
_RELEASE = {
    "ansible.builtin.set_fact": {
        "release": f"{{{{ lookup('ansible.builtin.file', '/srv/golden.json') | {COLLECTION}.parse_release }}}}",
        "installed": {"skipped": True},
    }
}
_PLAN = {"ansible.builtin.set_fact": {"plan": f"{{{{ listed | {COLLECTION}.distribution_plan(release, 'golden') }}}}"}}
# Tasks before those of a page, which speaks of what they leave.
_BEFORE: dict[str, list[Any]] = {
    "plugins/filter/distribution_result.yml": [_LISTED, _RELEASE, _PLAN],
    "plugins/filter/release_record.yml": [{**_EXPORTED, "register": "exported"}],
    "plugins/filter/seed_plan.yml": [{**task("image_cache_info", images=[PYTHON_IMAGE]), "register": "source"}],
    "plugins/filter/snapshots_due.yml": [_LISTED, _RECALLED],
    "plugins/filter/verification_record.yml": [_LISTED, _RECALLED],
}
_VARIABLES: dict[str, Any] = {"plugins/modules/snapshot.py": {"retired": [SECOND]}}


@pytest.fixture(scope="module")
def prepared_world(directories: Callable[[], Path], collections: Path) -> Iterator[World]:
    """The world as it is before a first playbook, and as most pages find it, both to be restored."""
    world = World(directories(), collections)
    world.save(_BARE)
    world.prepare()
    world.save(_PREPARED)
    yield world
    world.close()


@pytest.fixture
def world(prepared_world: World, page: str) -> World:
    """The world in which nothing of the page has been done."""
    prepared_world.restore(_BARE if page in _FROM_NOTHING else _PREPARED)
    return prepared_world


def _reason(example: Example) -> str | None:
    found = [why for (page, start), why in _NOT_RUN_HERE.items() if page == example.page and _starts(example, start)]
    return found[0] if found else None


def _starts(example: Example, start: str) -> bool:
    return example.start.startswith(start)


def _is_typed(example: Example) -> bool:
    return example.language == "console" and _reason(example) is None


def _run_yaml(world: World, example: Example) -> str:
    """Run plays or tasks, and return what they printed; keep a file that a later command of the page names."""
    content = yaml.safe_load(example.text)
    name = example.file_name
    if name is not None and any(name in other.text for other in _PAGES[example.page] if _is_typed(other)):
        world.write(name, example.text)
        return ""
    assert isinstance(content, list), (
        f"{example.page}:{example.line} is neither tasks nor plays nor a file of a command"
    )
    if "hosts" in content[0] or "ansible.builtin.import_playbook" in content[0]:
        world.write(name or "playbook.yml", example.text)
        ran = world.type(f"ansible-playbook {name or 'playbook.yml'}")
    else:
        ran = world.play(_BEFORE.get(example.page, []) + content, **_VARIABLES.get(example.page, {}))
    assert ran.exit_status == 0, f"{example.page}:{example.line}\n{ran.printed}"
    assert "PLAY RECAP" in ran.printed, ran.printed
    assert "no hosts matched" not in ran.printed, ran.printed
    return ran.printed


def _run_console(world: World, example: Example, printed: str) -> str:
    for command in commands(example):
        if command.text:
            ran = world.type(command.text)
            assert ran.exit_status == 0, f"{example.page}:{example.line}\n$ {command.text}\n{ran.printed}"
            printed = ran.printed
        missing = missing_output(world.located(command.printed), printed)
        assert missing is None, f"{example.page}:{example.line}\nnot printed: {missing}\n{printed}"
    return printed


@pytest.mark.parametrize("page", _PAGES)
def test_the_examples_of_a_page_work_from_top_to_bottom(page: str, world: World) -> None:
    printed = ""
    for example in _PAGES[page]:
        if _reason(example) is not None:
            continue
        if example.language == "yaml":
            printed = _run_yaml(world, example)
        elif example.language == "console":
            printed = _run_console(world, example, printed)
        else:
            json.loads(example.text)


def test_no_example_is_excused_that_is_not_there() -> None:
    examples = [example for page in _PAGES.values() for example in page]
    excused = [key for key in _NOT_RUN_HERE if not any(e.page == key[0] and _starts(e, key[1]) for e in examples)]

    assert excused == []


def test_every_fenced_block_is_an_example_of_a_known_kind() -> None:
    others = [
        f"{page}: {fence}"
        for page in [*_CHECKOUT.glob("docs/*.md"), *_CHECKOUT.glob("roles/*/README.md"), _CHECKOUT / "README.md"]
        for fence in re.findall(r"^[ >]*(?:```|~~~).*$", page.read_text(encoding="utf-8"), re.MULTILINE)
        if fence not in _FENCES
    ]

    assert others == []


def test_output_is_compared_but_for_what_differs_from_run_to_run() -> None:
    shown = "ok: [host1] =>\n    msg: 512.00 MB apparent, 3 hosts\n...\nhost1 : ok=3    changed=2\n"
    good = "x\nok: [host1] =>\n    msg: 1.50 GB\n      apparent, 12 hosts\nmore\nhost1   : ok=3 changed=2 failed=0"

    assert missing_output(shown, good) is None
    assert missing_output(shown, good.replace("apparent", "allocated")) is not None
    assert missing_output(shown, good.replace("changed=2", "changed=3")) == "host1 : ok=3 changed=2"
