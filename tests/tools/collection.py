# Copyright: (c) 2026, sandboxops contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The collection as others see it: a clean tree for the linters, the tarball, and what installing it gives."""

from __future__ import annotations

import shutil
import subprocess
from functools import cache
from pathlib import Path

from environments import CACHE, CHECKOUT, ensure_environment, plain_environment


@cache
def clean_tree() -> Path:
    """Copy the files that git tracks or would track to a repository of its own, once a run.

    ansible-test wants a real directory below ``ansible_collections``; ansible-lint, ansible-test and ansible-galaxy
    all take up what lies about in a checkout, or write into it.

    Returns:
        The collection's directory in a tree that can serve as a collections path.
    """
    tree = CACHE / "tree"
    shutil.rmtree(tree, ignore_errors=True)
    collection = tree / "ansible_collections" / "sandboxops" / "microsandbox"
    collection.mkdir(parents=True)
    listing = ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
    names = subprocess.run(listing, cwd=CHECKOUT, stdout=subprocess.PIPE, text=True, check=True).stdout
    for name in filter(None, names.split("\0")):
        source, target = CHECKOUT / name, collection / name
        if source.exists():  # a file that is deleted but not yet committed is listed too
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(source, target, follow_symlinks=False)
    for command in (["git", "init", "--quiet"], ["git", "add", "--all"]):
        subprocess.run(command, cwd=collection, env=plain_environment(), check=True)
    return collection


def copy_of_clean_tree(name: str) -> Path:
    """Copy the clean tree, for a program that writes into it while others read it, and return the copy."""
    original = clean_tree()
    tree = CACHE / f"tree-{name}"
    shutil.rmtree(tree, ignore_errors=True)
    collection = tree / original.relative_to(CACHE / "tree")
    shutil.copytree(original, collection, symlinks=True)
    return collection


@cache
def tarball() -> Path:
    """Build the collection's tarball from the clean tree, once a run."""
    built = CACHE / "built"
    shutil.rmtree(built, ignore_errors=True)
    _galaxy_collection("build", "--output-path", built, cwd=clean_tree())
    (archive,) = built.glob("*.tar.gz")
    return archive


@cache
def installed_collections() -> Path:
    """Install the tarball into an empty directory, once a run, and return it: the collections path of a user."""
    installed = CACHE / "installed"
    shutil.rmtree(installed, ignore_errors=True)
    _galaxy_collection("install", "--offline", "--collections-path", installed, tarball(), cwd=CHECKOUT)
    return installed


def _galaxy_collection(*arguments: str | Path, cwd: Path) -> None:
    galaxy = ensure_environment("python-3.11") / "ansible-galaxy"
    subprocess.run([galaxy, "collection", *arguments], cwd=cwd, env=plain_environment(), check=True)
