# Copyright: (c) 2026, sandboxops contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What tests need of the machine."""

from __future__ import annotations

import os

import pytest


def require(reason: str | None) -> None:
    """Skip a test that cannot run here, for this reason; it fails where root runs it, who can have what is missing."""
    if reason is not None and os.geteuid() == 0:
        pytest.fail(f"root has to be able to run this test: {reason}")
    if reason is not None:
        pytest.skip(reason)
