# Copyright: (c) 2026, sandboxops contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The surveys beside the playbooks: what AWX accepts, and variables that the playbooks read."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest

_CHECKOUT = Path(__file__).resolve().parents[3]
_SURVEYS = sorted(_CHECKOUT.glob("playbooks/*.survey.json"))
_TEXTS = {"text", "textarea", "password"}
_NUMBERS = {"integer": int, "float": float}
_CHOICES = {"multiplechoice", "multiselect"}
_NEVER_EMPTY = {"int", "float", "bool", "dict"}


def _questions(path: Path) -> list[dict[str, Any]]:
    survey = json.loads(path.read_text(encoding="utf-8"))
    assert survey.keys() == {"name", "description", "spec"}
    questions: list[dict[str, Any]] = survey["spec"]
    return questions


def test_there_are_surveys() -> None:
    assert _SURVEYS


@pytest.mark.parametrize("path", _SURVEYS, ids=lambda path: path.name)
def test_every_question_is_one_that_awx_accepts(path: Path) -> None:
    questions = _questions(path)
    for question in questions:
        assert question.keys() >= {"question_name", "type", "variable", "required"}
        assert isinstance(question["required"], bool)
        kind, default = question["type"], question.get("default", "")
        assert kind in _TEXTS | _NUMBERS.keys() | _CHOICES
        if kind in _NUMBERS:
            assert default == "" or isinstance(default, _NUMBERS[kind])
            assert default == "" or question["min"] <= default <= question["max"]
        elif kind in _CHOICES:
            assert set(default.split("\n")) - {""} <= set(question["choices"])
        else:
            assert question["min"] <= len(default) <= question["max"]
    variables = [question["variable"] for question in questions]
    assert len(variables) == len(set(variables))


@pytest.mark.parametrize("path", _SURVEYS, ids=lambda path: path.name)
def test_every_answer_is_read(path: Path) -> None:
    playbook = path.with_name(path.name.replace(".survey.json", ".yml")).read_text(encoding="utf-8")
    roles = re.findall(r"sandboxops\.microsandbox\.(\w+)", playbook)
    specs = [_CHECKOUT / "roles" / role / "meta/argument_specs.yml" for role in roles]
    read = playbook + "".join(spec.read_text(encoding="utf-8") for spec in specs if spec.exists())
    assert [q["variable"] for q in _questions(path) if not re.search(rf"\b{q['variable']}\b", read)] == []


@pytest.mark.parametrize("path", _SURVEYS, ids=lambda path: path.name)
def test_what_may_be_left_empty_is_a_variable_that_takes_nothing_for_an_answer(path: Path) -> None:
    specs = "".join(spec.read_text(encoding="utf-8") for spec in _CHECKOUT.glob("roles/*/meta/argument_specs.yml"))
    types = dict(re.findall(r"^      (\w+):\n(?:        .*\n|\n)*?        type: (\w+)$", specs, re.MULTILINE))
    optional = [q["variable"] for q in _questions(path) if not q["required"]]
    assert {variable: types[variable] for variable in optional if types[variable] in _NEVER_EMPTY} == {}
