# Copyright: (c) 2026, sandboxops contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What modules return is what they document."""

from __future__ import annotations

import importlib
import re
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
from ansible_collections.sandboxops.microsandbox.plugins.module_utils._ansible.task import Task

_PACKAGE = "ansible_collections.sandboxops.microsandbox.plugins.modules"
_MODULES = sorted(path.stem for path in Path(__file__).resolve().parents[4].glob("plugins/modules/*.py"))
_INFO_MODULES = [name for name in _MODULES if name.endswith("_info")]
_BY_ALL = {"steps", "bytes", "elapsed", "error"}
_BY_ANSIBLE = {"changed", "diff", "warnings"}


def _documented(module: ModuleType) -> set[str]:
    return set(re.findall(r"^(\w+):", module.RETURN, re.MULTILINE))


@pytest.mark.parametrize("name", _MODULES)
def test_what_every_module_returns_is_documented(name: str) -> None:
    assert _BY_ALL - _documented(importlib.import_module(f"{_PACKAGE}.{name}")) == set()


@pytest.mark.parametrize("name", _INFO_MODULES)
def test_what_a_module_returns_of_its_own_is_documented(name: str, tmp_path: Path) -> None:
    module = importlib.import_module(f"{_PACKAGE}.{name}")
    params: dict[str, Any] = {option: spec.get("default") for option, spec in module.ARGUMENT_SPEC.items()}
    task = Task({**params, "home": str(tmp_path)}, check_mode=False, now_ns=1)
    assert set(module.work(task).results) - _documented(module) - _BY_ANSIBLE == set()
