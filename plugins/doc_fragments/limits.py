# Copyright: (c) 2026, sandboxops contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Documentation of what an archive may demand of a host."""

from __future__ import annotations


class ModuleDocFragment:
    """Options of the modules that read archives."""

    DOCUMENTATION = r"""
options:
  limits:
    description:
      - What an archive may demand of the host that reads it. One that demands more is refused.
    type: dict
    default: {}
    suboptions:
      members:
        description:
          - Number of members.
        type: int
        default: 4096
      name_bytes:
        description:
          - Length of a member's name in bytes.
        type: int
        default: 4096
      manifest_bytes:
        description:
          - Size of a manifest in bytes. No more than the default is ever read.
        type: int
        default: 1048576
      apparent_bytes:
        description:
          - Apparent size of all uppers and of all layers of images together in bytes.
        type: int
        default: 274877906944
      allocated_bytes:
        description:
          - Bytes that all uppers together take on the disk, and all files of the image cache together. Checked while
            they are written, and counted alike where nothing is written, as in check mode.
        type: int
        default: 274877906944
      extents:
        description:
          - Number of runs in one sparse member.
        type: int
        default: 262144
      window_bytes:
        description:
          - Memory that decompression may look back into, in bytes. No more than the default is ever read.
        type: int
        default: 134217728
"""
