# Copyright: (c) 2026, sandboxops contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Excerpts of foreign text are short and harmless, whatever it is."""

from __future__ import annotations

import pytest
from ansible_collections.sandboxops.microsandbox.plugins.module_utils._core.errors import bytes_excerpt, excerpt


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("plain", "'plain'"),
        ("a\nb\x1b[31m", r"'a\nb\x1b[31m'"),
        ("x" * 80, "'" + "x" * 80 + "'"),
        ("x" * 81, "'" + "x" * 80 + "...'"),
    ],
)
def test_text_is_quoted_escaped_and_cut(text: str, shown: str) -> None:
    assert excerpt(text) == shown


@pytest.mark.parametrize(
    ("content", "shown"),
    [
        ("\u00fcber".encode(), "'\u00fcber'"),
        (b"\xff\n", r"'\xff\n'"),
        (b"x" * 100_000, "'" + "x" * 80 + "...'"),
    ],
)
def test_bytes_are_shown_as_the_text_that_they_are(content: bytes, shown: str) -> None:
    assert bytes_excerpt(content) == shown
