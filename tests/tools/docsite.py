# Copyright: (c) 2026, sandboxops contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the web site of the documentation is made of, below ``.cache/docsite/``."""

from __future__ import annotations

import shutil
from pathlib import Path

from environments import CACHE

SOURCE = CACHE / "docsite" / "source"
REFERENCE = SOURCE / "reference"
SITE = CACHE / "docsite" / "html"

# Pages stay where they lie in the checkout, with what they link to, so that their links are right here too.
_PAGES = ("README.md", "docs/**/*", "roles/*/README.md", "playbooks/*", "LICENSES/*")
_CONFIGURATION = "docs/docsite"


def lay_out(tree: Path) -> None:
    """Copy the pages of the collection in a directory to where Sphinx reads them, and its configuration to the top."""
    shutil.rmtree(SOURCE.parent, ignore_errors=True)
    for pattern in _PAGES:
        for page in filter(Path.is_file, tree.glob(pattern)):
            target = SOURCE / page.relative_to(tree)
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(page, target)
    shutil.copytree(SOURCE / _CONFIGURATION, SOURCE, dirs_exist_ok=True)
    shutil.rmtree(SOURCE / _CONFIGURATION)
    # antsibull-docs writes only where nobody else can.
    REFERENCE.mkdir(mode=0o700)
