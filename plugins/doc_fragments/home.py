# Copyright: (c) 2026, sandboxops contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Documentation of the options that say which home a task works on."""

from __future__ import annotations


class ModuleDocFragment:
    """Options that every module has."""

    DOCUMENTATION = r"""
options:
  home:
    description:
      - Home of microsandbox on the managed host.
      - Without it, the environment variable E(MSB_HOME) counts, and without that C(~/.microsandbox) of the user that
        the task runs as.
    type: path
  snapshots_dir:
    description:
      - Directory of the snapshots.
      - Without it, the home's own configuration decides, and without that C(snapshots) in the home.
    type: path
  cache_dir:
    description:
      - Directory of the image cache.
      - Without it, the home's own configuration decides, and without that C(cache) in the home.
    type: path
  lock_timeout:
    description:
      - How long to wait for locks that other processes hold, in seconds.
    type: float
    default: 60
requirements:
  - Python 3.9 or newer
notes:
  - The modules work on generation G1 of microsandbox's snapshots (versions 0.4 to 0.6.6). They read what they can of a
    home of a later generation, and refuse to write into the store that its microsandbox manages; snapshots at paths of
    your own work there, and so do archives.
  - Root gives what it makes to the owner of the directory that it stands in, so that a user's home stays the user's.
"""
