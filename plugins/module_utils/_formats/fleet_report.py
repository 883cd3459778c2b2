# Copyright: (c) 2026, sandboxops contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The fleet report: what an audit found on all hosts, and its form as JSON, version 1."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from typing import Any

from .._core.digests import sha256_digest

SCHEMA = "sandboxops.microsandbox.fleet_report/1"

ERROR = "error"
WARNING = "warning"

# Values of ``AuditedHost.status``.
OK = "ok"
PROBLEMS = "problems"
UNREACHABLE = "unreachable"
FAILED = "failed"

# Values of ``AuditedSnapshot.content``.
VERIFIED = "verified"
DAMAGED = "damaged"
NOT_YET_VERIFIED = "not_yet_verified"
NOT_RECORDED = "not_recorded"
UNSUPPORTED = "unsupported"

_UNITS = ("bytes", "KiB", "MiB", "GiB", "TiB", "PiB")


@dataclass(frozen=True)
class Problem:
    """Something that a person should look at.

    Attributes:
        severity: ``error`` or ``warning``.
        kind: What it is, for programs.
        host: Where it is.
        subject: Name of the snapshot that it is about, or what else it is about.
        message: What it is, for people.
    """

    severity: str
    kind: str
    host: str
    subject: str
    message: str


@dataclass(frozen=True)
class AuditedSnapshot:
    """A snapshot on a host.

    Attributes:
        name: Name of its directory.
        digest: Its identity.
        parent: Digest of the snapshot that it descends from.
        labels: Its labels.
        created_at: Time of capture, as recorded.
        image_reference: Reference of the image that it pins.
        image_manifest_digest: Digest of that image's manifest.
        boots_offline: Whether the host's image cache has all that it needs to boot.
        apparent_bytes: Size of the upper with holes.
        allocated_bytes: Its size on disk.
        content: ``verified``, ``damaged``, ``not_yet_verified``, ``not_recorded`` or ``unsupported``.
        verified_at: When the content was verified last, or found damaged; None when it never was.
        drift: Kinds of the problems that it has.
    """

    name: str
    digest: str
    parent: str | None
    labels: Mapping[str, str]
    created_at: str
    image_reference: str
    image_manifest_digest: str
    boots_offline: bool
    apparent_bytes: int
    allocated_bytes: int
    content: str
    verified_at: str | None
    drift: tuple[str, ...] = ()


@dataclass(frozen=True)
class AuditedHost:
    """A host and its snapshots.

    Attributes:
        name: Its name in the inventory.
        status: ``ok``, ``problems``, ``unreachable`` or ``failed``.
        home: Its home; None where nothing is known, as for the next three.
        filesystem: Type of the file system there.
        free_bytes: Space left there.
        zstd: Its zstd library.
        snapshots: What it has, sorted by name.
        missing: Names or digests of desired snapshots that it lacks.
        broken: Names of directories among the snapshots that are none.
        unsupported: Names of snapshots there that this collection cannot read, as those of a later microsandbox.
    """

    name: str
    status: str
    home: str | None = None
    filesystem: str | None = None
    free_bytes: int | None = None
    zstd: str | None = None
    snapshots: tuple[AuditedSnapshot, ...] = ()
    missing: tuple[str, ...] = ()
    broken: tuple[str, ...] = ()
    unsupported: tuple[str, ...] = ()


@dataclass(frozen=True)
class FleetReport:
    """What an audit found.

    Attributes:
        written_at: When this state of the fleet was found first.
        next_due_at: When the next verification becomes due, or None when none does.
        problems: The worst first.
        hosts: Those with problems first, each group in the order of their names.
        desired: Names or digests of the desired snapshots, in their order.
        limit: Pattern that the run was limited to, so that others of the fleet are left out; None when it was not.
    """

    written_at: str
    next_due_at: str | None
    problems: tuple[Problem, ...]
    hosts: tuple[AuditedHost, ...]
    desired: tuple[str, ...]
    limit: str | None = None


def content_digest(report: FleetReport) -> str:
    """Return the digest of all that makes a report differ: not its time, nor how much space is left at this moment."""
    hosts = tuple(replace(host, free_bytes=None) for host in report.hosts)
    return sha256_digest(_dump(asdict(replace(report, written_at="", hosts=hosts))).encode("ascii"))


def report_json(report: FleetReport) -> str:
    """Return a report as JSON."""
    head = {"schema": SCHEMA, "content_digest": content_digest(report), "summary": summary(report)}
    return _dump({**head, **asdict(report)}) + "\n"


def summary(report: FleetReport) -> dict[str, int]:
    """Return the numbers that sum a report up."""
    copies = [snapshot for host in report.hosts for snapshot in host.snapshots]
    return {
        "hosts": len(report.hosts),
        "hosts_ok": sum(host.status == OK for host in report.hosts),
        "errors": sum(problem.severity == ERROR for problem in report.problems),
        "warnings": sum(problem.severity == WARNING for problem in report.problems),
        "snapshots": len({snapshot.digest for snapshot in copies}),
        "copies": len(copies),
        "copies_verified": sum(snapshot.content == VERIFIED for snapshot in copies),
        "copies_that_boot_offline": sum(snapshot.boots_offline for snapshot in copies),
        "apparent_bytes": sum(snapshot.apparent_bytes for snapshot in copies),
        "allocated_bytes": sum(snapshot.allocated_bytes for snapshot in copies),
    }


def human_bytes(size: int) -> str:
    """Return a size with three digits."""
    value, unit = float(size), 0
    while value >= 1000 and unit < len(_UNITS) - 1:
        value, unit = value / 1024, unit + 1
    digits = 0 if unit == 0 or value >= 100 else 1 if value >= 10 else 2
    return f"{value:.{digits}f} {_UNITS[unit]}"


def _dump(value: Mapping[str, Any]) -> str:
    text = json.dumps(value, indent=1, sort_keys=True, ensure_ascii=True)
    # Only in strings do these stand together: no text of a host may look like a template to whatever carries it on.
    return text.replace("{{", r"{\u007b").replace("{%", r"{\u0025").replace("{#", r"{\u0023")
