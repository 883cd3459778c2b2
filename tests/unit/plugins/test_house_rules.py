# Copyright: (c) 2026, sandboxops contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Hold the layers of the library apart: imports look down only, pure layers do not touch the world, one exit."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path, PurePosixPath
from typing import NamedTuple

import pytest

_PLUGINS = Path(__file__).resolve().parents[3] / "plugins"
_PLUGINS_PACKAGE = "ansible_collections.sandboxops.microsandbox.plugins"
_LIBRARY = f"{_PLUGINS_PACKAGE}.module_utils"


class Layer(NamedTuple):
    """What the files of one directory may do.

    Attributes:
        imports: Layers of ours that they may import from, besides their own.
        types_only: Those of them that may give nothing but their classes.
        pure: They decide and convert, without a file, a clock, a random number or another process.
        ansible: They may import Ansible.
    """

    imports: frozenset[str]
    types_only: frozenset[str] = frozenset()
    pure: bool = False
    ansible: bool = False


_LAYERS = {
    "_core": Layer(frozenset(), pure=True),
    "_disk": Layer(frozenset({"_core"})),
    "_formats": Layer(frozenset({"_core"}), pure=True),
    "_observe": Layer(frozenset({"_core", "_disk", "_formats"})),
    "_plan": Layer(
        frozenset({"_core", "_disk", "_formats", "_observe"}), types_only=frozenset({"_disk", "_observe"}), pure=True
    ),
    "_apply": Layer(frozenset({"_core", "_disk", "_formats", "_observe", "_plan"})),
    "_ansible": Layer(frozenset({"_core", "_disk", "_formats", "_observe", "_plan", "_apply"}), ansible=True),
    "modules": Layer(frozenset({"_core", "_disk", "_formats", "_observe", "_plan", "_apply", "_ansible"})),
    # Filters run on the controller and only decide: what the library knows without a host.
    "filter": Layer(frozenset({"_core", "_formats", "_plan"}), pure=True, ansible=True),
    # So do actions, which talk to hosts as well; what they share lies beside them.
    "plugin_utils": Layer(frozenset({"_core", "_disk", "_formats", "_observe", "_plan", "_ansible"}), ansible=True),
    "action": Layer(
        frozenset({"_core", "_disk", "_formats", "_observe", "_plan", "_ansible", "plugin_utils"}), ansible=True
    ),
}

# All that a pure layer needs of the standard library. What is missing here may touch the world: look before adding it.
# fmt: off
_PURE_MODULES = frozenset({
    "__future__", "base64", "binascii", "bisect", "collections", "dataclasses", "datetime", "enum", "fnmatch",
    "functools", "hashlib", "itertools", "json", "math", "operator", "re", "string", "struct", "types", "typing",
    "unicodedata", "urllib.parse",
})
# fmt: on
_WORLD_CALLS = frozenset({"__import__", "compile", "eval", "exec", "input", "open", "print"})
_CLOCK_CALLS = frozenset({"now", "today", "utcnow"})

# Layers beside the library.
_BESIDE = ("action", "filter", "modules", "plugin_utils")

_EXIT_FILE = PurePosixPath("module_utils/_ansible/entry.py")
_EXIT_CALLS = frozenset({"exit_json", "fail_json", "fail_json_aws"})
_THIRD_PARTY_FILE = PurePosixPath("module_utils/_disk/zstd.py")
_THIRD_PARTY = frozenset({"compression", "zstandard"})  # compression is Python's own from 3.14 on

_CLASS_NAME = re.compile(r"_?[A-Z][A-Za-z0-9]*[a-z][A-Za-z0-9]*")


class Import(NamedTuple):
    """One imported name: ``from module import name``, or ``import module``."""

    module: str
    name: str | None
    line: int


def broken_rules(path: PurePosixPath, source: str) -> list[str]:
    """Return what a file does that its place forbids.

    Args:
        path: Path of the file below ``plugins/``.
        source: Its text.
    """
    tree = ast.parse(source)
    found = [*_broken_imports(path, tree), *_broken_calls(path, tree)]
    return [f"{path}:{line}: {rule}" for line, rule in sorted(found)]


def _layer_of(path: PurePosixPath) -> str:
    return path.parts[1] if path.parts[0] == "module_utils" else path.parts[0]


def _imports(path: PurePosixPath, tree: ast.Module) -> Iterator[Import]:
    """Yield what a file imports, relative modules under their absolute names."""
    package = [_PLUGINS_PACKAGE, *path.parent.parts]
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            for alias in node.names:
                yield Import(alias.name, None, node.lineno)
        elif isinstance(node, ast.ImportFrom):
            parents = package[: len(package) - node.level + 1] if node.level else []
            module = ".".join([*parents, *filter(None, [node.module])])
            for alias in node.names:
                yield Import(module, alias.name, node.lineno)


def _broken_imports(path: PurePosixPath, tree: ast.Module) -> Iterator[tuple[int, str]]:
    for imported in _imports(path, tree):
        there = _layer_imported(imported.module)
        if there is not None:
            rule = _broken_by_own(_layer_of(path), there, imported)
        else:
            rule = _broken_by_foreign(path, imported.module)
        if rule:
            yield imported.line, rule


def _layer_imported(module: str) -> str | None:
    """Return the layer that a module of ours lies in, or None for a foreign one."""
    for package in (_LIBRARY, _PLUGINS_PACKAGE):
        if module.startswith(f"{package}."):
            layer = module[len(package) + 1 :].partition(".")[0]
            return layer if package == _LIBRARY or layer in _LAYERS else None
    return None


def _broken_by_own(here: str, there: str, imported: Import) -> str | None:
    """Judge an import of a file of ours."""
    layer = _LAYERS[here]
    if there != here and there not in layer.imports:
        return f"{here} imports from {there}, it may import from {sorted(layer.imports)}"
    if there in layer.types_only and not _CLASS_NAME.fullmatch(imported.name or ""):
        return f"{here} imports {imported.name} from {there}, it may take classes only"
    return None


def _broken_by_foreign(path: PurePosixPath, module: str) -> str | None:
    """Judge an import of Python's library, of Ansible, or of a package."""
    here, top = _layer_of(path), module.partition(".")[0]
    layer = _LAYERS[here]
    if top == "ansible_collections":
        return f"{here} imports from {module}, which is not a file of a layer"
    if top == "tarfile":
        return "tarfile is imported, archives are read and written by our own closed grammar"
    if top == "ansible" and not layer.ansible:
        return f"{here} imports {module}, only _ansible may"
    if top in _THIRD_PARTY and path != _THIRD_PARTY_FILE:
        return f"{module} is imported, only {_THIRD_PARTY_FILE} may"
    if layer.pure and not {top, module} & _PURE_MODULES and top != "ansible":
        return f"{here} is pure and imports {module}"
    return None


def _broken_calls(path: PurePosixPath, tree: ast.Module) -> Iterator[tuple[int, str]]:
    layer = _LAYERS[_layer_of(path)]
    for node in ast.walk(tree):
        if isinstance(node, ast.Assert):
            yield node.lineno, "assert is gone with python -O, raise an error of the library"
        elif isinstance(node, ast.ExceptHandler) and _catches_everything(node):
            yield node.lineno, "everything is caught, a bug should be a traceback"
        elif isinstance(node, (ast.Attribute, ast.Name)):
            name = node.attr if isinstance(node, ast.Attribute) else node.id
            if name in _EXIT_CALLS and path != _EXIT_FILE:
                yield node.lineno, f"{name} is used, only {_EXIT_FILE} ends the module"
            elif layer.pure and isinstance(node, ast.Name) and name in _WORLD_CALLS:
                yield node.lineno, f"{name} is used in a pure layer"
            elif layer.pure and isinstance(node, ast.Attribute) and name in _CLOCK_CALLS:
                yield node.lineno, f"the clock is read with {name} in a pure layer"


def _catches_everything(handler: ast.ExceptHandler) -> bool:
    """Tell whether a bug would be swallowed; one that cleans up and passes everything on is not."""
    if handler.type is None:
        names = {"BaseException"}
    else:
        kinds = handler.type.elts if isinstance(handler.type, ast.Tuple) else [handler.type]
        names = {kind.id for kind in kinds if isinstance(kind, ast.Name)}
    last = handler.body[-1]
    passes_on = isinstance(last, ast.Raise) and last.exc is None
    return "Exception" in names or ("BaseException" in names and not passes_on)


def _files() -> list[PurePosixPath]:
    places = [*(_PLUGINS / name for name in _BESIDE), *(_PLUGINS / "module_utils").iterdir()]
    files = [path for place in places if place.is_dir() for path in place.rglob("*.py")]
    return sorted(PurePosixPath(path.relative_to(_PLUGINS)) for path in files)


@pytest.mark.parametrize("path", _files(), ids=str)
def test_a_file_does_what_its_layer_may_do(path: PurePosixPath) -> None:
    assert broken_rules(path, _PLUGINS.joinpath(path).read_text(encoding="utf-8")) == []


def test_every_directory_of_the_library_is_a_layer() -> None:
    found = {path.parts[1] for path in _files() if path.parts[0] == "module_utils"}
    assert found == set(_LAYERS) - set(_BESIDE)


def test_no_file_of_the_library_lies_outside_of_a_layer() -> None:
    assert list((_PLUGINS / "module_utils").glob("*.py")) == []


def test_packages_are_empty() -> None:
    packages = [path for path in _files() if path.name == "__init__.py"]
    assert packages
    assert [path for path in packages if _PLUGINS.joinpath(path).read_bytes()] == []


def test_the_action_group_lists_every_module() -> None:
    runtime = _PLUGINS.parent.joinpath("meta", "runtime.yml").read_text(encoding="utf-8")
    group = runtime.partition("  microsandbox:\n")[2]
    assert re.findall(r"^    - (\w+)$", group, re.MULTILINE) == sorted(
        path.stem for path in (_PLUGINS / "modules").glob("*.py")
    )


@pytest.mark.parametrize(
    ("path", "source"),
    [
        ("module_utils/_core/x.py", "import json"),
        ("module_utils/_disk/x.py", "import os, time\nfrom .._core.errors import FormatError"),
        ("module_utils/_disk/zstd.py", "try:\n    import zstandard\nexcept ImportError:\n    zstandard = None"),
        ("module_utils/_disk/x.py", "try:\n    f()\nexcept BaseException:\n    g()\n    raise"),
        ("module_utils/_disk/x.py", "try:\n    f()\nexcept (OSError, socket.error):\n    pass"),
        ("module_utils/_formats/x.py", "import struct\nfrom .descriptor import G1"),
        ("module_utils/_plan/x.py", "from .._observe.store import Store\nfrom .._formats.descriptor import G1"),
        ("module_utils/_apply/x.py", "from .._plan.snapshot import plan_snapshot"),
        ("module_utils/_ansible/entry.py", "from ansible.module_utils.basic import AnsibleModule\nm.fail_json(msg='')"),
        ("modules/x.py", f"from {_LIBRARY}._ansible.entry import run_module"),
        ("filter/x.py", "from ansible.errors import AnsibleFilterError\nfrom ..module_utils._plan.plan import Plan"),
        ("action/x.py", "import os\nfrom ..plugin_utils.long_task import LongTaskAction"),
    ],
)
def test_what_a_layer_may_do_is_accepted(path: str, source: str) -> None:
    assert broken_rules(PurePosixPath(path), source) == []


@pytest.mark.parametrize(
    ("path", "source", "rule"),
    [
        ("module_utils/_core/x.py", "from .._formats.descriptor import G1", "_core imports from _formats"),
        ("module_utils/_formats/x.py", "from .._disk.extents import Extent", "_formats imports from _disk"),
        ("module_utils/_disk/x.py", "from .._formats.descriptor import G1", "_disk imports from _formats"),
        (
            "module_utils/_observe/x.py",
            "def f():\n    from .._plan.snapshot import Plan",
            "_observe imports from _plan",
        ),
        ("module_utils/_observe/x.py", f"import {_LIBRARY}._apply.index", "_observe imports from _apply"),
        ("module_utils/_observe/x.py", "from .. import _apply", "not a file of a layer"),
        ("module_utils/_plan/x.py", "from .._apply.snapshot import Capture", "_plan imports from _apply"),
        ("module_utils/_plan/x.py", "from .._observe.store import observe_store", "it may take classes only"),
        ("module_utils/_plan/x.py", "from .._observe import store", "it may take classes only"),
        ("module_utils/_plan/x.py", f"import {_LIBRARY}._observe.store", "it may take classes only"),
        ("module_utils/_apply/x.py", "from .._ansible.entry import run_module", "_apply imports from _ansible"),
        ("module_utils/_apply/x.py", "from ansible.module_utils.basic import AnsibleModule", "only _ansible may"),
        ("modules/x.py", "from ansible.module_utils.basic import AnsibleModule", "only _ansible may"),
        ("modules/x.py", "import ansible_collections.community.general.plugins.x", "not a file of a layer"),
        ("filter/x.py", "from ..module_utils._observe.store import Store", "filter imports from _observe"),
        ("filter/x.py", "import os", "filter is pure and imports os"),
        ("modules/x.py", "from ..plugin_utils.long_task import x", "modules imports from plugin_utils"),
        ("plugin_utils/x.py", "from ..module_utils._apply.index import x", "plugin_utils imports from _apply"),
        ("module_utils/_core/x.py", "import os.path", "_core is pure and imports os.path"),
        ("module_utils/_core/x.py", "import urllib.request", "_core is pure and imports urllib.request"),
        ("module_utils/_formats/x.py", "from time import time", "_formats is pure and imports time"),
        ("module_utils/_plan/x.py", "import random", "_plan is pure and imports random"),
        ("module_utils/_plan/x.py", "from datetime import datetime\ndatetime.now()", "the clock is read with now"),
        ("module_utils/_formats/x.py", "open('x')", "open is used in a pure layer"),
        ("module_utils/_apply/x.py", "import tarfile", "tarfile is imported"),
        ("module_utils/_disk/x.py", "import zstandard", "only module_utils/_disk/zstd.py may"),
        ("module_utils/_apply/x.py", "module.fail_json(msg='')", "only module_utils/_ansible/entry.py ends the module"),
        ("modules/x.py", "finish = module.exit_json", "only module_utils/_ansible/entry.py ends the module"),
        ("module_utils/_disk/x.py", "assert x", "assert is gone"),
        ("module_utils/_disk/x.py", "try:\n    f()\nexcept Exception:\n    pass", "everything is caught"),
        (
            "module_utils/_disk/x.py",
            "try:\n    f()\nexcept (OSError, BaseException):\n    pass",
            "everything is caught",
        ),
        ("module_utils/_disk/x.py", "try:\n    f()\nexcept:\n    pass", "everything is caught"),
        ("module_utils/_disk/x.py", "try:\n    f()\nexcept Exception:\n    raise", "everything is caught"),
    ],
)
def test_what_a_layer_may_not_do_is_found(path: str, source: str, rule: str) -> None:
    found = broken_rules(PurePosixPath(path), source)
    assert len(found) == 1
    assert rule in found[0]
