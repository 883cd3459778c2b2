# Copyright: (c) 2026, sandboxops contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which layers an image cache has, whatever image they belong to."""

from __future__ import annotations

import contextlib
import os
import re

from .._core.errors import MicrosandboxError
from .._formats.image_files import LAYERS
from .._formats.member_names import CacheFile
from .image_cache import open_cache_file, require_valid_erofs

_LAYER = re.compile(r"sha256_([0-9a-f]{64})\.erofs\Z")


def observe_layers(cache_dir: str) -> tuple[str, ...]:
    """Return the diff ids of the layers in a cache that are valid, sorted."""
    found = []
    try:
        names = os.listdir(os.path.join(cache_dir, LAYERS))
    except (FileNotFoundError, NotADirectoryError):
        return ()
    for name in names:
        match = _LAYER.match(name)
        if match is not None:
            with (
                contextlib.suppress(MicrosandboxError, OSError),
                open_cache_file(cache_dir, CacheFile(LAYERS, name)) as fd,
            ):
                require_valid_erofs(fd, name)
                found.append(f"sha256:{match[1]}")
    return tuple(sorted(found))
