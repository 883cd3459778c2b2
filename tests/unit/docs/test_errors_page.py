# Copyright: (c) 2026, sandboxops contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import ast
import re
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path

from ansible_collections.sandboxops.microsandbox.plugins.module_utils._core import errors

_CHECKOUT = Path(__file__).resolve().parents[3]
_PAGE = (_CHECKOUT / "docs/errors.md").read_text(encoding="utf-8")
_CLASSES = {
    name: found.code
    for name, found in vars(errors).items()
    if isinstance(found, type) and issubclass(found, errors.MicrosandboxError)
}
# What is made of an OSError and of a killed task; an error of any kind passes through where more is known of it.
_OF_THE_SYSTEM = {fact: {"os"} for fact in ("errno", "path", "signal", "doing")}
_ANY = "any"


def _documented_facts() -> dict[str, set[str]]:
    rows = re.findall(r"^\| `(\w+)` \| ([a-z`, ]+) \|", _PAGE, re.MULTILINE)
    return {fact: set(re.findall(r"\w+", codes)) for fact, codes in rows if re.search(r"`|\bany\b", codes)}


def _facts_in_the_code() -> dict[str, set[str]]:
    facts = defaultdict(set, {fact: set(codes) for fact, codes in _OF_THE_SYSTEM.items()})
    for source in (_CHECKOUT / "plugins").rglob("*.py"):
        for function in ast.walk(ast.parse(source.read_text(encoding="utf-8"))):
            if isinstance(function, ast.FunctionDef):
                for code, fact in _facts_of(function):
                    facts[fact].add(code)
    return facts


def _facts_of(function: ast.FunctionDef) -> Iterator[tuple[str, str]]:
    spread = {
        target.id: node.value
        for node in ast.walk(function)
        if isinstance(node, ast.Assign)
        for target in node.targets
        if isinstance(target, ast.Name)
    }
    for call in ast.walk(function):
        if not isinstance(call, ast.Call) or (code := _code(call.func)) is None:
            continue
        for keyword in call.keywords:
            if keyword.arg is not None:
                yield code, keyword.arg
                continue
            value = spread[keyword.value.id] if isinstance(keyword.value, ast.Name) else keyword.value
            assert isinstance(value, ast.Dict), f"{ast.unparse(call)} has facts that cannot be read here"
            for key in value.keys:
                if isinstance(key, ast.Constant):
                    yield code, str(key.value)


def _code(function: ast.expr) -> str | None:
    """Return the code of the error that a call makes: of its class, or any for the class of another error."""
    if isinstance(function, ast.Name):
        return _CLASSES.get(function.id)
    return _ANY if ast.unparse(function) == "type(exc)" else None


def test_every_code_has_a_section_and_no_other_has_one() -> None:
    codes = {code for name, code in _CLASSES.items() if name != "MicrosandboxError"} | {"os"}

    assert sorted(re.findall(r"^## `(\w+)`", _PAGE, re.MULTILINE)) == sorted(codes)


def test_every_fact_is_listed_with_its_codes() -> None:
    documented, found = _documented_facts(), _facts_in_the_code()

    assert sorted(documented) == sorted(found)
    assert {fact: codes for fact, codes in found.items() if _ANY not in codes} == {
        fact: documented[fact] for fact, codes in found.items() if _ANY not in codes
    }
    assert {fact for fact, codes in found.items() if _ANY in codes} == {
        fact for fact, codes in documented.items() if codes == {_ANY}
    }
