# Copyright: (c) 2026, sandboxops contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The style sheet is whole, and asks for nothing."""

from __future__ import annotations

from ansible_collections.sandboxops.microsandbox.plugins.module_utils._formats.report_style import STYLE


def test_every_bracket_is_closed() -> None:
    assert STYLE.count("{") == STYLE.count("}") > 60


def test_every_colour_is_defined_for_the_day_and_the_dark() -> None:
    day, dark = (part.partition("}")[0] for part in STYLE.split(":root {")[1:3])
    names = {name.partition(":")[0].strip() for name in day.split(";") if "--" in name}
    assert names == {name.partition(":")[0].strip() for name in dark.split(";") if "--" in name}
    used = {part.partition(")")[0] for part in STYLE.split("var(")[1:]}
    assert used <= names
