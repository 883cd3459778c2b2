# Copyright: (c) 2026, sandboxops contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The filter ``release_record``: from an export to the record of a release."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Callable

from ansible.errors import AnsibleFilterError

from ..module_utils._core.errors import MicrosandboxError, RequestError
from ..module_utils._formats.release_record import (
    ReleasedArchive,
    ReleasedImage,
    ReleaseRecord,
    archive_file,
    parse_release,
    require_release_name,
)


def release_record(exported: Mapping[str, Any], name: str) -> str:
    """Return the text of a record; the options are described in release_record.yml."""
    try:
        return _record(exported, require_release_name(str(name))).to_bytes().decode()
    except MicrosandboxError as exc:
        raise AnsibleFilterError(f"release_record: {exc.message}") from exc


def _record(exported: Mapping[str, Any], name: str) -> ReleaseRecord:
    try:
        archive = exported["archive"]
        head = next(each for each in exported["snapshots"] if each["digest"] == archive["head"])
        image = head["image"]
        carried = [each["manifest_digest"] for each in archive["images"]]
        record = ReleaseRecord(
            name=name,
            digest=head["digest"],
            archive=ReleasedArchive(
                file=archive_file(name, head["digest"]),
                sha256=archive["sha256"],
                size_bytes=archive["size"],
                unpacked_bytes=archive["unpacked_bytes"],
                snapshots=len(exported["snapshots"]),
            ),
            image=ReleasedImage(
                reference=image["reference"],
                manifest_digest=image["manifest_digest"],
                included=image["manifest_digest"] in carried,
            ),
            labels=head["labels"],
            created_at=head["created_at"],
            source_sandbox=head["source_sandbox"],
        )
    except (KeyError, StopIteration) as exc:
        raise RequestError("this is no result of an export that was carried out, a record is made of one") from exc
    return parse_release(record.to_bytes())


class FilterModule:
    """The filter by its name."""

    def filters(self) -> dict[str, Callable[..., Any]]:
        """Return the filter."""
        return {"release_record": release_record}
