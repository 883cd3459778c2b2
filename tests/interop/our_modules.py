# Copyright: (c) 2026, sandboxops contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Our modules, each run in a process of its own from the checkout, as Ansible would run it on a host."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

_PACKAGE = "ansible_collections.sandboxops.microsandbox.plugins.modules"


class ModuleFailure(Exception):
    """The module failed.

    Attributes:
        result: The whole result; its ``error`` holds the code and the facts.
    """

    def __init__(self, result: dict) -> None:
        super().__init__(result.get("msg"))
        self.result = result


class OurModules:
    """The modules of the checkout, run against one home.

    Args:
        import_path: A directory in which ``ansible_collections.sandboxops.microsandbox`` is the checkout.
        home: The microsandbox home, given to every module.
    """

    def __init__(self, import_path: Path, home: Path) -> None:
        self.home = home
        self._import_path = import_path

    def run(self, module: str, *, check_mode: bool = False, **options: object) -> dict:
        """Run ``sandboxops.microsandbox.MODULE`` with the options and return its result.

        Raises:
            ModuleFailure: The module failed.
        """
        arguments = {"home": self.home, "_ansible_check_mode": check_mode, "_ansible_diff": True, **options}
        done = subprocess.run(
            [sys.executable, "-m", f"{_PACKAGE}.{module}"],
            input=json.dumps({"ANSIBLE_MODULE_ARGS": arguments}, default=str),
            env={**os.environ, "PYTHONPATH": str(self._import_path)},
            capture_output=True,
            text=True,
            check=False,
        )
        try:
            result = json.loads(done.stdout)
        except ValueError:
            raise AssertionError(f"{module} printed no result: {done.stdout}{done.stderr}") from None
        if result.get("failed"):
            raise ModuleFailure(result)
        return result
