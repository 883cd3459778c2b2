# Copyright: (c) 2026, sandboxops contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The filter ``parse_release``: a release record, read and checked."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any, Callable

from ansible.errors import AnsibleFilterError

from ..module_utils._core.digests import require_sha256, sha256_digest
from ..module_utils._core.errors import IntegrityError, MicrosandboxError, RequestError, excerpt
from ..module_utils._formats.release_record import parse_release as parse


def parse_release(record: str | Mapping[str, Any], checksum: str = "", form: str = "mapping") -> Any:
    """Return a record in a form; the options are described in parse_release.yml."""
    text = record if isinstance(record, str) else json.dumps(record)
    try:
        content = text.encode("utf-8", "surrogateescape")
        release = parse(content)
        # A mapping has no bytes of its own: those that a store keeps count.
        found = sha256_digest(content if isinstance(record, str) else release.to_bytes())
        if checksum and found != require_sha256(str(checksum), "the checksum of the release record"):
            raise IntegrityError(f"the release record has the digest {found}, expected {checksum}")
        if form not in ("mapping", "text"):
            raise RequestError(f"form is {excerpt(str(form))}, expected mapping or text", option="form")
    except MicrosandboxError as exc:
        raise AnsibleFilterError(f"parse_release: {exc.message}") from exc
    return release.to_mapping() if form == "mapping" else release.to_bytes().decode()


class FilterModule:
    """The filter by its name."""

    def filters(self) -> dict[str, Callable[..., Any]]:
        """Return the filter."""
        return {"parse_release": parse_release}
