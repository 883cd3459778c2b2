# Copyright: (c) 2026, sandboxops contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Unicode text is what UTF-8 can hold."""

from __future__ import annotations

import os

from ansible_collections.sandboxops.microsandbox.plugins.module_utils._core.unicode_text import is_unicode
from hypothesis import given
from hypothesis import strategies as st


@given(st.text(alphabet=st.characters(exclude_categories=()) | st.sampled_from(["\ud800", "\udfff"])))
def test_unicode_is_what_utf8_can_hold(text: str) -> None:
    try:
        text.encode("utf-8")
    except UnicodeEncodeError:
        assert not is_unicode(text)
    else:
        assert is_unicode(text)


def test_a_file_name_that_is_not_utf8_is_not_unicode() -> None:
    assert not is_unicode(os.fsdecode(b"bad\xff"))
    assert is_unicode(os.fsdecode("gut ☃ \U0001f9ea".encode()))
