# Copyright: (c) 2026, sandboxops contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Cuts of the power, a few of those that ``powerloss.py`` makes."""

from __future__ import annotations

from typing import Callable

import pytest
from mounts import Mount
from powerloss import changing_calls, cut_after, cut_before
from trial import NEW, OLD, Bench
from worlds import Operation, Scene


@pytest.mark.parametrize("mount", ["ext4", "xfs"], indirect=True)
@pytest.mark.parametrize(
    "name",
    ["capture, replacing", "export, replacing", "import, chain", "import with image, replacing", "removal"],
)
def test_a_power_cut_leaves_old_or_new(mount: Mount, name: str, operation_named: Callable[[str], Operation]) -> None:
    bench = Bench(Scene(mount.path, operation_named(name)))
    steps = [c for c in changing_calls(bench) if c.name in ("renameat", "renameat2", "fsync") or c.name == "unlinkat"]

    verdicts = [cut_before(bench, mount, call) for call in [steps[0], *steps[-8:]]]

    assert [(verdict.what, verdict.problems) for verdict in verdicts if verdict.problems] == []
    assert verdicts[0].state == OLD


@pytest.mark.parametrize("mount", ["ext4", "xfs"], indirect=True)
@pytest.mark.parametrize(
    "name",
    [
        *("capture, new", "export, new directory", "import, no store yet", "removal", "index"),
        *("import with image", "import with image, chain", "bundle export", "bundle import"),
    ],
)
def test_what_was_reported_done_survives_a_power_cut(
    mount: Mount, name: str, operation_named: Callable[[str], Operation]
) -> None:
    bench = Bench(Scene(mount.path, operation_named(name)))

    verdict = cut_after(bench, mount, None)

    assert verdict.problems == ()
    assert (verdict.ended, verdict.state) == ("succeeded", NEW)
