# Copyright: (c) 2026, sandboxops contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The configuration of a home never fails to be read."""

from __future__ import annotations

import pytest
from ansible_collections.sandboxops.microsandbox.plugins.module_utils._formats.home_config import (
    HomeConfig,
    parse_home_config,
)
from hypothesis import given
from hypothesis import strategies as st


def test_directories_are_taken_verbatim_and_the_rest_is_ignored() -> None:
    content = b"""{"home": "~/m", "paths": {"snapshots": "s/../t", "cache": "/c", "sandboxes": "", "logs": 1},
                   "database": {"max_connections": 2.5}, "future": []}"""
    assert parse_home_config(content) == HomeConfig("~/m", "s/../t", "/c", "")


@pytest.mark.parametrize(
    "content", [b"{}", b'{"paths":null}', b'{"paths":{}}', b'{"home":null,"paths":{"cache":null}}']
)
def test_what_is_not_set_is_none(content: bytes) -> None:
    assert parse_home_config(content) == HomeConfig(None, None, None, None)


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"{",
        b"[]",
        b"\xff",
        b'{"home":1}',
        b'{"home":"/h","paths":[]}',
        b'{"home":"/h","paths":{"cache":1}}',
        b'{"home":"/h"}}',
        b'{"home":"/h","home":"/i"}',
        b" " * (1 << 20) + b'{"home":"/h"}',
    ],
)
def test_a_malformed_configuration_is_an_empty_one(content: bytes) -> None:
    assert parse_home_config(content) == HomeConfig()


@given(st.binary())
def test_no_bytes_raise(content: bytes) -> None:
    assert isinstance(parse_home_config(content), HomeConfig)
