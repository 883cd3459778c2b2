# Copyright: (c) 2026, sandboxops contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Find every example that the documentation shows, and judge what a command printed by what a page says it prints."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import yaml

LANGUAGES = ("yaml", "console", "json")
_FENCED = re.compile(r"^```(\w*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
_COMMAND = "$ "
# What differs from run to run and from machine to machine, but for the counts of a recap.
_KINDS = {
    "digest": r"sha256:[0-9a-f]{64}",
    "stars": r"\*{3,}",
    "age": r"\b(?:\d+[smhdw])+\b",
    "unit": r"(?<= )(?:[KMGT]i?)?B\b",
    "filesystem": r"\b(?:btrfs|ext4|overlay|tmpfs|xfs|zfs)\b",
    "reflink": r"(?<=reflink: )(?:yes|no)",
    "number": r"(?<![=\d.])\d+(?:[.,:T+-]+\d+)*",
}
_VOLATILE = re.compile("|".join(f"(?P<{kind}>{pattern})" for kind, pattern in _KINDS.items()))


class Example(NamedTuple):
    """A block of a page.

    Attributes:
        page: Path of the page below the checkout.
        line: Line of the page, or of the EXAMPLES of a plugin, that it starts on.
        language: What it is written in.
        text: The block.
    """

    page: str
    line: int
    language: str
    text: str

    @property
    def start(self) -> str:
        """Return the first line, by which the example is told from others of its page."""
        return self.text.splitlines()[0]

    @property
    def file_name(self) -> str | None:
        """Return the name of the file that the example is, when it says so in its first line."""
        found = re.fullmatch(r"# ([\w/-]+\.yml)", self.start)
        return found[1] if found else None


class Command(NamedTuple):
    """A command of a console block.

    Attributes:
        text: What is typed.
        printed: What is shown of its output; nothing when the block does not show it.
    """

    text: str
    printed: str


def find_examples(checkout: Path) -> dict[str, list[Example]]:
    """Return the examples of README.md, docs, the roles' READMEs, and the plugins' EXAMPLES, by page."""
    pages = [checkout / "README.md", *checkout.glob("docs/**/*.md"), *checkout.glob("roles/*/README.md")]
    plugins = [*checkout.glob("plugins/modules/*.py"), *checkout.glob("plugins/filter/*.yml")]
    found = {}
    for path in sorted([*pages, *plugins]):
        name = str(path.relative_to(checkout))
        text = path.read_text(encoding="utf-8")
        examples = list(_fenced(name, text) if path.suffix == ".md" else _of_plugin(name, text))
        if examples:
            found[name] = examples
    return found


def commands(example: Example) -> list[Command]:
    """Return the commands of a console block; one that only shows output has a single one without a text."""
    text = example.text.replace("\\\n", "")
    if _COMMAND not in text:
        return [Command("", text)]
    pieces = re.split(r"^\$ ", text, flags=re.MULTILINE)[1:]
    return [Command(*piece.partition("\n")[::2]) for piece in pieces]


def missing_output(shown: str, printed: str) -> str | None:
    """Return the first part of what a page shows that was not printed, or None when all was, in this order.

    Parts are separated by lines of three dots. Numbers, digests and the ways that lines are broken may differ, but not
    the counts of a recap.
    """
    actual, at = " ".join(printed.split()), 0
    for part in re.split(r"^ *\.\.\.$", shown, flags=re.MULTILINE):
        words = " ".join(part.split())
        found = re.compile(_pattern(words)).search(actual, at)
        if found is None:
            return words
        at = found.end()
    return None


def _pattern(words: str) -> str:
    pieces, at = [], 0
    for volatile in _VOLATILE.finditer(words):
        pieces.append(re.escape(words[at : volatile.start()]))
        pieces.append(_KINDS[volatile.lastgroup or ""])
        at = volatile.end()
    return "".join([*pieces, re.escape(words[at:])])


def _fenced(page: str, text: str) -> Iterator[Example]:
    for block in _FENCED.finditer(text):
        if block[1] in LANGUAGES:
            yield Example(page, text.count("\n", 0, block.start()) + 1, block[1], block[2])


def _of_plugin(page: str, text: str) -> Iterator[Example]:
    if page.endswith(".py"):
        assignments = [node for node in ast.parse(text).body if isinstance(node, ast.Assign)]
        (examples,) = [node.value.value for node in assignments if ast.unparse(node.targets[0]) == "EXAMPLES"]
    else:
        examples = yaml.safe_load(text)["EXAMPLES"]
    yield Example(page, 1, "yaml", examples.lstrip("\n"))
