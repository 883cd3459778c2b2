# Copyright: (c) 2026, sandboxops contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The library that a host has, or what to install where it has none."""

from __future__ import annotations

from typing import Any, Callable

import pytest
from ansible_collections.sandboxops.microsandbox.plugins.module_utils._core.errors import UnsupportedError


def test_the_library_in_use_is_named(zstd: Any, request: pytest.FixtureRequest) -> None:
    name = "zstandard " if "zstandard" in request.node.name else ("compression.zstd ", "backports.zstd ")
    assert zstd.adapter.backend().startswith(name)


def test_a_host_without_a_library_is_told_what_to_install(
    zstd_of: Callable[[str], Any], by_program: Callable[..., bytes]
) -> None:
    frame = by_program(b"content")
    host = zstd_of("neither")
    assert host.adapter.backend() is None
    message = "install python3-zstandard .* or zstandard with pip"
    with pytest.raises(UnsupportedError, match=message) as caught:
        host.FrameWriter(3, 1, 10, bytearray().extend)
    assert caught.value.facts == {"library": "zstandard"}
    with pytest.raises(UnsupportedError, match=message):
        host.FrameReader(host.source_of(frame))
    with pytest.raises(UnsupportedError, match=message):
        host.adapter.new_piece_decoder()
    with pytest.raises(UnsupportedError, match=message):
        host.adapter.require_backend()
