# Copyright: (c) 2026, sandboxops contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Configuration of Sphinx. tests/tools/docsite.py lays out what it reads: this checkout's pages, and the reference."""

from __future__ import annotations

import re

from sphinx.application import Sphinx

project = "sandboxops.microsandbox"
project_copyright = "2026 sandboxops contributors"
extensions = ["myst_parser", "sphinx_antsibull_ext"]
exclude_patterns = ["LICENSES"]

html_theme = "furo"
html_title = project
html_copy_source = False
html_show_sphinx = False
html_use_index = False
pygments_style = "ansible"
pygments_dark_style = "monokai"
antsibull_ext_color_scheme = "default-autodark"
html_static_path = ["_static"]
html_css_files = ["site.css"]

# The pages stay readable on a git host, so they link to each other by file and by heading.
myst_heading_anchors = 3
# The reference names documents of Ansible's own, which are nowhere in this checkout and on no network.
suppress_warnings = ["ref.ref"]

# The theme shows a table of contents beside the page, and full names of plugins do not fit into its list of pages.
_CHANGES = (
    (re.compile(r"^\.\. contents::\n(?: +:\w+:.*\n)*", re.MULTILINE), ""),
    (re.compile(r"^Sandboxops\.Microsandbox$", re.MULTILINE), "Modules, roles, filters"),
    (re.compile(r"^(# )?sandboxops\.microsandbox\.(?=\w+(?: \w+ -- .*)?$)", re.MULTILINE), r"\1"),
)


def setup(app: Sphinx) -> None:
    """Register what is done to pages before they are read."""
    app.connect("source-read", _fit)


def _fit(_app: Sphinx, name: str, source: list[str]) -> None:
    if name.startswith(("reference/", "roles/")):
        for pattern, replacement in _CHANGES:
            source[0] = pattern.sub(replacement, source[0], count=1)
