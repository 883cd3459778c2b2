# Copyright: (c) 2026, sandboxops contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Bringing a release from an S3 bucket to hosts that have no keys for it."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from distribution_runs import RELEASE, DistributionFleet, make_builder, release
from real_ansible import Ansible
from s3_store import S3Store
from s3_tools import S3Tools, ensure_s3_tools

PREFIX = "fleet/images"


@pytest.fixture(scope="module")
def tools() -> S3Tools:
    return ensure_s3_tools()


@pytest.fixture
def bucket(machine: Path, tools: S3Tools) -> Iterator[S3Store]:
    store = S3Store(machine, tools)
    try:
        yield store
    finally:
        store.close()


@pytest.fixture
def record(ansible: Ansible, machine: Path, bucket: S3Store) -> dict[str, Any]:
    """Put a release into the bucket, and return its record."""
    made = release(ansible, make_builder(machine), machine / "store", "first", with_image=True)
    for path in (machine / "store").rglob("*.*"):
        bucket.put(f"{PREFIX}/{path.relative_to(machine / 'store')}", path.read_bytes())
    return made


@pytest.fixture
def fleet(machine: Path, collections: Path, tools: S3Tools, bucket: S3Store) -> DistributionFleet:
    """Hosts without boto3, and a controller that has it and the keys."""
    fleet = DistributionFleet(machine, collections, tools.collections, hosts=2)
    fleet.controller = {"ansible_python_interpreter": str(tools.python)}
    fleet.common |= {
        "snapshot_distribute_release": f"s3://{bucket.bucket}/{PREFIX}/{RELEASE}.json",
        "snapshot_distribute_s3_endpoint_url": bucket.endpoint,
        "snapshot_distribute_s3_region": "us-east-1",
        "snapshot_distribute_s3_access_key": "access-key",
        "snapshot_distribute_s3_secret_key": "very-secret",
    }
    return fleet


def record_reads(bucket: S3Store) -> int:
    return len([request for request in bucket.requests() if re.fullmatch(rf"GET \S*/{RELEASE}\.json", request)])


def test_hosts_get_the_archive_by_a_signed_url_that_nobody_sees(
    fleet: DistributionFleet, bucket: S3Store, record: dict[str, Any]
) -> None:
    before = record_reads(bucket)
    predicted = fleet.run("--check")
    assert predicted.exit_status == 0, predicted.printed
    assert predicted.summary() == ["would be installed (2): h1, h2"]
    applied = fleet.run("-vvv", distribute_serial=1)
    assert applied.exit_status == 0, applied.printed
    assert applied.states() == dict.fromkeys(("h1", "h2"), "installed")
    assert applied.received() == dict.fromkeys(("h1", "h2"), record["archive"]["size_bytes"])
    assert "very-secret" not in applied.printed
    assert re.findall(r"(?i)x-amz-signature|x-amz-credential", applied.printed) == []
    assert record_reads(bucket) == before + 2  # one for each run, though the second had two batches
    again = fleet.run()
    assert again.states() == dict.fromkeys(("h1", "h2"), "present")
    assert again.counts("changed")["h1"] == 0


def test_a_bucket_without_the_archive_fails_hosts_with_the_reason(
    fleet: DistributionFleet, bucket: S3Store, record: dict[str, Any]
) -> None:
    elsewhere = f"s3://{bucket.bucket}/other"
    run = fleet.run(snapshot_distribute_store=elsewhere)
    assert run.states() == dict.fromkeys(("h1", "h2"), "failed")
    assert f"other/{record['archive']['file']}" in run.outcomes()["h1"]["problem"]
