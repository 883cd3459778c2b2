# Copyright: (c) 2026, sandboxops contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The filter ``verification_record``: what a host remembers of its verifications."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Callable

from ansible.errors import AnsibleFilterError

from ..module_utils._core.errors import MicrosandboxError
from ..module_utils._formats.verification_record import verification_record_text
from ..module_utils._plan.audited_host import Answers, verifications_after


def verification_record(
    listed: Mapping[str, Any], recalled: Mapping[str, Any], verified: Mapping[str, Any], now: str
) -> str:
    """Return the text of the record; the options are described in verification_record.yml."""
    try:
        return verification_record_text(verifications_after(Answers(listed, recalled, verified), str(now)))
    except MicrosandboxError as exc:
        raise AnsibleFilterError(f"verification_record: {exc.message}") from exc


class FilterModule:
    """The filter by its name."""

    def filters(self) -> dict[str, Callable[..., Any]]:
        """Return the filter."""
        return {"verification_record": verification_record}
