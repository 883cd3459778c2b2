# Copyright: (c) 2026, sandboxops contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What ansible-builder makes of the collection, and of the definition in the guide."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import yaml
from guide import blocks

_BUILDER = Path(sys.executable).parent / "ansible-builder"


def build(*arguments: str | Path, cwd: Path) -> str:
    done = subprocess.run(
        [_BUILDER, *arguments],
        cwd=cwd,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 0, done.stdout
    return done.stdout


def test_the_collection_asks_for_one_python_package_and_for_nothing_of_the_system(
    collections: Path, tmp_path: Path
) -> None:
    pip, bindep = tmp_path / "pip.txt", tmp_path / "bindep.txt"
    printed = build("introspect", collections, "--write-pip", pip, "--write-bindep", bindep, cwd=tmp_path)
    found = yaml.safe_load(printed.partition("---")[2])
    ours = [line for line in found["python"] if line.endswith("# from collection sandboxops.microsandbox")]
    assert [line.partition("  #")[0] for line in ours] == ['zstandard >= 0.15; python_version < "3.14"']
    assert [line for line in found["system"] if "sandboxops" in line] == []


def test_the_definition_in_the_guide_is_accepted(tmp_path: Path) -> None:
    (definition,) = [text for text in blocks("yaml") if text.startswith("# execution-environment.yml")]
    (tmp_path / "execution-environment.yml").write_text(definition, encoding="utf-8")
    printed = build("create", "--file", "execution-environment.yml", "--context", "context", cwd=tmp_path)
    assert "Complete!" in printed
    requirements = yaml.safe_load((tmp_path / "context/_build/requirements.yml").read_text(encoding="utf-8"))
    assert requirements == {"collections": [{"name": "sandboxops.microsandbox"}]}
    containerfile = next(path for path in (tmp_path / "context").iterdir() if path.is_file())
    assert "rsync" not in containerfile.read_text(encoding="utf-8")
