# Copyright: (c) 2026, sandboxops contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A small fleet to report of."""

from __future__ import annotations

from typing import Any

from ansible_collections.sandboxops.microsandbox.plugins.module_utils._formats.fleet_report import (
    AuditedHost,
    AuditedSnapshot,
    FleetReport,
    Problem,
)

DIGEST = "sha256:" + "a" * 64


def snapshot(name: str = "golden", **changes: Any) -> AuditedSnapshot:
    """Return a snapshot whose content was verified, but for the changes."""
    usual: dict[str, Any] = {
        "name": name,
        "digest": DIGEST,
        "parent": None,
        "labels": {},
        "created_at": "2026-11-20T09:59:05.443987710+00:00",
        "image_reference": "localhost/tiny:1",
        "image_manifest_digest": "sha256:" + "1" * 64,
        "boots_offline": True,
        "apparent_bytes": 4 << 30,
        "allocated_bytes": 1 << 20,
        "content": "verified",
        "verified_at": "2026-11-20T00:00:00Z",
    }
    return AuditedSnapshot(**{**usual, **changes})


def host(name: str = "edge", *snapshots: AuditedSnapshot, **changes: Any) -> AuditedHost:
    """Return a host that is as it should be, but for the changes."""
    usual: dict[str, Any] = {"status": "ok", "home": "/h", "filesystem": "ext4", "free_bytes": 1 << 30}
    return AuditedHost(name=name, snapshots=snapshots, **{**usual, **changes})


def report(*hosts: AuditedHost, problems: tuple[Problem, ...] = (), desired: tuple[str, ...] = ()) -> FleetReport:
    """Return a report of these hosts."""
    return FleetReport("2026-11-21T10:00:00Z", "2026-11-27T00:00:00Z", problems, hosts, desired)
