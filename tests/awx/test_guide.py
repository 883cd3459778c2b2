# Copyright: (c) 2026, sandboxops contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the guide on AWX names is there: playbooks, surveys, variables, and what credentials inject."""

from __future__ import annotations

import json
import re
from typing import Any

import yaml
from awx_jobs import CHECKOUT
from guide import GUIDE, blocks


def credential_type() -> tuple[dict[str, Any], dict[str, Any]]:
    """Return the inputs and the injectors of the credential type in the guide."""
    parsed = [yaml.safe_load(block) for block in blocks("yaml")]
    (inputs,) = [each for each in parsed if isinstance(each, dict) and "fields" in each]
    (injectors,) = [each for each in parsed if isinstance(each, dict) and "extra_vars" in each]
    return inputs, injectors


def known_variables() -> set[str]:
    """Return the variables of all roles."""
    found: set[str] = set()
    for path in CHECKOUT.glob("roles/*/meta/argument_specs.yml"):
        found |= yaml.safe_load(path.read_text(encoding="utf-8"))["argument_specs"]["main"]["options"].keys()
    return found


def test_the_credential_type_is_one_that_awx_accepts() -> None:
    inputs, injectors = credential_type()
    assert inputs.keys() <= {"fields", "required"}
    fields = {field["id"]: field for field in inputs["fields"]}
    for name, field in fields.items():
        assert re.fullmatch(r"[a-zA-Z_][a-zA-Z0-9_]*", name)
        assert field.keys() <= {"id", "type", "label", "secret", "help_text", "format", "multiline", "choices"}
        assert field["type"] in ("string", "boolean")
        assert field.get("secret", False) == (name == "password")
    assert set(inputs["required"]) <= fields.keys()
    assert injectors.keys() <= {"extra_vars", "env", "file"}
    used = {name for text in injectors["extra_vars"].values() for name in re.findall(r"{{ (\w+) }}", text)}
    assert used == fields.keys()


def test_what_a_credential_injects_is_read_by_a_role() -> None:
    dummy, injectors = credential_type()
    assert injectors["extra_vars"].keys() - known_variables() == set()


def test_every_job_template_has_its_playbook_and_its_survey() -> None:
    rows = re.findall(r"^\| [^|]+ \| `(\w+)` \|.*\| `(playbooks/\S+)` \|$", GUIDE.read_text("utf-8"), re.MULTILINE)
    assert {name for name, dummy in rows} == {
        path.name.partition(".")[0] for path in CHECKOUT.glob("playbooks/*.survey.json")
    }
    for name, survey in rows:
        assert survey == f"playbooks/{name}.survey.json"
        assert (CHECKOUT / survey).is_file()
        assert (CHECKOUT / f"playbooks/{name}.yml").is_file()


def test_every_variable_in_the_guide_is_known() -> None:
    named = set(re.findall(r"`((?:snapshot|image_cache|host)_\w+_\w+)`", GUIDE.read_text("utf-8")))
    # What a job hands on, or what a module is called, is no option of a role.
    assert named
    assert named - known_variables() - {path.stem for path in CHECKOUT.glob("plugins/modules/*.py")} == set()


def test_an_answer_that_is_left_out_passes_the_role() -> None:
    # AWX writes it as !unsafe and empty, which core 2.19 and later read as null. An option with a default refuses that.
    options: dict[str, Any] = {}
    for path in CHECKOUT.glob("roles/*/meta/argument_specs.yml"):
        options |= yaml.safe_load(path.read_text(encoding="utf-8"))["argument_specs"]["main"]["options"]
    refusing = []
    for path in CHECKOUT.glob("playbooks/*.survey.json"):
        for question in json.loads(path.read_text(encoding="utf-8"))["spec"]:
            option = options.get(question["variable"], {})
            if not question["required"] and option.get("type", "str") not in ("str", "raw") and "default" in option:
                refusing.append(question["variable"])
    assert refusing == []
