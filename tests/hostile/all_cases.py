# Copyright: (c) 2026, sandboxops contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""All hostile archives: ``python all_cases.py DIRECTORY`` writes them."""

from __future__ import annotations

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))

from case import Case
from cases_containers import CONTAINERS
from cases_content import LINEAGES, MANIFESTS
from cases_disks import DISKS
from cases_images import CACHE, IMAGES
from cases_members import MEMBERS
from cases_metadata import METADATA
from cases_paths import PATHS
from cases_resources import RESOURCES

CASES: tuple[Case, ...] = (
    *PATHS,
    *MEMBERS,
    *CONTAINERS,
    *MANIFESTS,
    *LINEAGES,
    *CACHE,
    *IMAGES,
    *METADATA,
    *DISKS,
    *RESOURCES,
)


def main() -> None:
    """Write every archive into the directory named on the command line."""
    directory = Path(sys.argv[1])
    directory.mkdir(parents=True, exist_ok=True)
    for case in CASES:
        directory.joinpath(case.id).write_bytes(case.build())
    print(f"{len(CASES)} archives in {directory}")


if __name__ == "__main__":
    main()
