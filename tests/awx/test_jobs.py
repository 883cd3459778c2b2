# Copyright: (c) 2026, sandboxops contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Jobs with the answers of their surveys: checked, run and run again, here and on an executor elsewhere."""

from __future__ import annotations

import fcntl
import json
import os
import re
import shutil
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Callable

import pytest
from awx_jobs import Job, JobTemplate
from file_listing import changes, list_tree
from sample_homes import CHILD, FIRST, SECOND, make_home
from sample_images import TINY, TINY2, add_image, cache_content, expected_content, tag_image

NewTemplate = Callable[..., JobTemplate]

_PATIENCE_SECONDS = 120
BOTH = f"{TINY.reference}\n{TINY2.reference}\n"


def require_success(job: Job) -> None:
    assert (job.exit_status, job.status) == (0, "successful"), job.printed
    assert job.stats["failures"] == job.stats["dark"] == {}


@pytest.fixture(params=[False, True], ids=["here", "on an executor"])
def remote(request: pytest.FixtureRequest) -> bool:
    """Whether the job goes to an executor as a stream."""
    return bool(request.param)


@pytest.fixture
def seeding(homes: Path, job_template: NewTemplate) -> JobTemplate:
    """Seeds two hosts, of which one has an image and the other one has nothing."""
    for image in (TINY, TINY2):
        add_image(homes / "source", image)
    add_image(homes / "some", TINY2)
    homes.joinpath("none").mkdir()
    hosts = {name: {"image_cache_seed_home": homes / name} for name in ("some", "none")}
    return job_template("seed", hosts, image_cache_seed_source_home=homes / "source")


def test_image_caches_are_seeded(seeding: JobTemplate, homes: Path, remote: bool) -> None:
    answers = {"image_cache_seed_images": BOTH, "image_cache_seed_source_home": str(homes / "source")}
    before = list_tree(homes)
    checked = seeding.launch("--check", remote=remote, **answers)
    require_success(checked)
    assert checked.changed.keys() == {"some", "none"}
    assert checked.said("some", "Show what the host lacks") == [
        "lacks 1 of 2 layers, 20.0 KiB in all, of 'localhost/tiny:1'"
    ]
    assert changes(before, list_tree(homes)) == []
    require_success(seeding.launch(remote=remote, **answers))
    for name in ("some", "none"):
        assert cache_content(homes / name) == expected_content(homes / name, TINY, TINY2)
    settled = list_tree(homes)
    again = seeding.launch(remote=remote, **answers)
    require_success(again)
    assert again.changed == {}
    assert changes(settled, list_tree(homes)) == []


def test_a_job_that_waits_says_so_in_its_output(seeding: JobTemplate, homes: Path) -> None:
    cache = homes / "some/cache"
    answers = {"image_cache_seed_images": BOTH, "image_cache_seed_source_home": str(homes / "source")}
    line = re.compile(rf"^\[some\] .* waiting for the lock of {re.escape(str(cache))}", re.MULTILINE)
    fd = os.open(cache, os.O_RDONLY)
    fcntl.flock(fd, fcntl.LOCK_EX)
    with ThreadPoolExecutor(1) as executor:
        launched = executor.submit(seeding.launch, "--limit", "some", **answers, microsandbox_progress_interval="1")
        deadline = time.monotonic() + _PATIENCE_SECONDS
        while not line.search(seeding.printed_so_far) and not launched.done() and time.monotonic() < deadline:
            time.sleep(0.1)
        os.close(fd)
        job = launched.result()
    assert line.search(job.printed), job.printed
    require_success(job)
    assert cache_content(homes / "some") == expected_content(homes / "some", TINY, TINY2)


def test_a_relaunch_on_failed_hosts_leaves_the_others_alone(seeding: JobTemplate, homes: Path) -> None:
    answers = {"image_cache_seed_images": BOTH, "image_cache_seed_source_home": str(homes / "source")}
    tag_image(homes / "some", TINY2, TINY.reference)
    failed = seeding.launch(**answers)
    assert failed.status == "failed"
    assert failed.stats["failures"] == {"some": 1}
    assert cache_content(homes / "none") == expected_content(homes / "none", TINY, TINY2)
    done = list_tree(homes / "none")
    again = seeding.launch("--limit", "some", **answers, image_cache_seed_force="true")
    require_success(again)
    assert again.stats["ok"].keys() == {"some"}
    assert cache_content(homes / "some") == expected_content(homes / "some", TINY, TINY2)
    assert changes(done, list_tree(homes / "none")) == []


def test_a_plan_is_checked_approved_and_applied(homes: Path, job_template: NewTemplate, remote: bool) -> None:
    home, other = make_home(homes / "host"), make_home(homes / "other")
    shutil.rmtree(other / "snapshots/child")
    hosts = {name: {"snapshot_retention_home": homes / name} for name in ("host", "other")}
    retiring = job_template("retain", hosts)
    answers = {
        "snapshot_retention_select_source_sandbox": "base",
        "snapshot_retention_keep_last": "1",
        "snapshot_retention_keep_within": "",
    }
    before = list_tree(homes)
    checked = retiring.launch("--check", remote=remote, **answers)
    require_success(checked)
    assert changes(before, list_tree(homes)) == []
    # AWX hands this on to the next nodes of a workflow, as variables.
    handed = checked.stats["artifact_data"]
    assert handed == {"snapshot_retention_approved": {"host": [CHILD], "other": []}}
    for changed in ({"host": 1}, {}):
        job = retiring.launch(remote=remote, **answers, **handed)
        require_success(job)
        assert job.changed == changed
    assert [path.name for path in sorted(home.glob("snapshots/*/"))] == ["first", "second"]


def test_a_fleet_is_audited(homes: Path, job_template: NewTemplate, remote: bool) -> None:
    for name in ("whole", "short"):
        home = make_home(homes / name)
        shutil.rmtree(home / "cache")
        add_image(home, TINY)
    shutil.rmtree(homes / "short/snapshots/second")
    auditing = job_template(
        "audit",
        {name: {"snapshot_audit_home": homes / name} for name in ("whole", "short")},
        snapshot_audit_report_dir=homes / "report",
    )
    desired = [{"name": "first", "digest": FIRST}, {"name": "second", "digest": SECOND}, {"digest": CHILD}]
    answers = {
        "snapshot_audit_desired": json.dumps(desired),
        "snapshot_audit_min_free_bytes": "0",
        "snapshot_audit_report_dir": str(homes / "report"),
    }
    require_success(auditing.launch(remote=remote, **answers))
    report = json.loads((homes / "report/fleet-report.json").read_text(encoding="utf-8"))
    assert {problem["host"] for problem in report["problems"]} == {"short"}
    settled = list_tree(homes)
    again = auditing.launch(remote=remote, **answers)
    require_success(again)
    assert again.changed == {}
    assert changes(settled, list_tree(homes)) == []
