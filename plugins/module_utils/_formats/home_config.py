# Copyright: (c) 2026, sandboxops contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The configuration of a home: ``<home>/config.json`` or the file that ``MSB_CONFIG_PATH`` names, all versions."""

from __future__ import annotations

from dataclasses import dataclass

from .._core.errors import FormatError
from .._core.json_fields import Fields
from .._core.strict_json import parse_json

CONFIG_FILE = "config.json"
MAX_CONFIG_BYTES = 1 << 20


@dataclass(frozen=True)
class HomeConfig:
    """The directories that a configuration sets, verbatim; None where the default holds.

    Attributes:
        home: The home directory itself.
        snapshots: Directory of the store.
        cache: Directory of the image cache.
        sandboxes: Directory of the sandboxes' disks.
    """

    home: str | None = None
    snapshots: str | None = None
    cache: str | None = None
    sandboxes: str | None = None


def parse_home_config(content: bytes) -> HomeConfig:
    """Parse a configuration; like microsandbox, take a malformed one for an empty one."""
    try:
        fields = Fields(parse_json(content, what=CONFIG_FILE, max_bytes=MAX_CONFIG_BYTES), CONFIG_FILE)
        home = fields.optional_text("home")
        if not fields.has("paths"):
            return HomeConfig(home=home)
        paths = fields.fields("paths")
        return HomeConfig(
            home=home,
            snapshots=paths.optional_text("snapshots"),
            cache=paths.optional_text("cache"),
            sandboxes=paths.optional_text("sandboxes"),
        )
    except FormatError:
        return HomeConfig()
