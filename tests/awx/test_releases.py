# Copyright: (c) 2026, sandboxops contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A workflow that publishes to a server with a password and distributes from there, with nothing left to read of it.

What changes something goes to an executor as a stream, and what finds nothing to do runs here.
"""

from __future__ import annotations

import base64
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Callable

import pytest
from awx_jobs import Job, JobTemplate
from file_listing import changes, list_tree
from http_store import HttpStore
from sample_homes import make_home
from sample_images import TINY, add_image

NewTemplate = Callable[..., JobTemplate]

USER = "fleet"
SECRET = "kept-from-all-logs"  # noqa: S105  one made up for these tests
# What a credential of the type in the guide injects.
CREDENTIAL = {
    f"snapshot_{role}_store_{name}": value
    for role in ("publish", "distribute")
    for name, value in {"username": USER, "password": SECRET}.items()
}
_SPELLINGS = (SECRET.encode(), base64.b64encode(f"{USER}:{SECRET}".encode()))


@pytest.fixture
def store(directories: Callable[[], Path]) -> Iterator[HttpStore]:
    """A server that demands a password."""
    server = HttpStore(directories(), credentials=(USER, SECRET))
    yield server
    server.close()


@pytest.fixture
def publishing(homes: Path, job_template: NewTemplate, store: HttpStore) -> Callable[..., Job]:
    """Launches a job that publishes a sandbox of a builder."""
    add_image(make_home(homes / "builder"), TINY)
    template = job_template("publish", {"builder": {"snapshot_publish_home": homes / "builder"}})
    answers = {
        "publish_host": "builder",
        "snapshot_publish_sandbox": "base",
        "snapshot_publish_name": "golden",
        "snapshot_publish_labels": "team=ml\nchannel=golden",
        "snapshot_publish_store": store.url,
    }

    def launch(*options: str, **more: Any) -> Job:
        return template.launch(*options, "-vvv", **{**answers, **CREDENTIAL, **more})

    return launch


def require_success(job: Job) -> None:
    assert (job.exit_status, job.status) == (0, "successful"), job.printed


def require_no_secret(job: Job) -> None:
    """Check that nothing that AWX keeps of a job has the password in it."""
    files = [path for path in job.directory.rglob("*") if path.is_file()]
    assert len(files) > len(job.events)
    assert [path.name for path in files if any(secret in path.read_bytes() for secret in _SPELLINGS)] == []


def test_a_release_is_published_and_distributed(
    homes: Path, job_template: NewTemplate, store: HttpStore, publishing: Callable[..., Job]
) -> None:
    before = list_tree(homes)
    checked = publishing("--check")
    require_success(checked)
    assert checked.changed.keys() == {"builder"}
    assert changes(before, list_tree(homes)) == []
    assert store.sent() == []

    published = publishing(remote=True)
    require_success(published)
    again = publishing()
    require_success(again)
    assert again.changed == {}
    handed = published.stats["artifact_data"]
    assert handed == again.stats["artifact_data"]

    hosts = ("host1", "host2")
    distributing = job_template("distribute", {name: {"snapshot_distribute_home": homes / name} for name in hosts})
    for changed, remote in ((hosts, True), ((), False)):
        # A later job of the workflow gets what the earlier one has handed on, over its own answers.
        job = distributing.launch("-vvv", remote=remote, **CREDENTIAL, **handed)
        require_success(job)
        assert set(job.changed) == set(changed)
        require_no_secret(job)
    for name in hosts:
        assert (homes / name / "snapshots/golden/upper.ext4").is_file()
    for job in (checked, published, again):
        require_no_secret(job)


def test_both_go_in_one_job(homes: Path, job_template: NewTemplate, store: HttpStore) -> None:
    add_image(make_home(homes / "builder"), TINY)
    inventory = {
        "builder": {"snapshot_publish_home": homes / "builder"},
        "host1": {"snapshot_distribute_home": homes / "host1"},
    }
    answers = {
        "publish_host": "builder",
        "snapshot_publish_sandbox": "base",
        "snapshot_publish_name": "golden",
        "snapshot_publish_store": store.url,
        "distribute_hosts": "host1",
    }
    credential = {name: value for name, value in CREDENTIAL.items() if name.startswith("snapshot_publish_")}
    template = job_template("golden", inventory)
    for changed, remote in (({"builder", "host1"}, True), (set(), False)):
        job = template.launch("-vvv", remote=remote, **answers, **credential)
        require_success(job)
        assert set(job.changed) == changed
        require_no_secret(job)
    assert (homes / "host1/snapshots/golden/upper.ext4").is_file()


def test_a_refused_password_is_not_told_either(publishing: Callable[..., Job], store: HttpStore) -> None:
    wrong = f"{SECRET}-of-another"
    job = publishing(snapshot_publish_store_password=wrong)
    assert job.status == "failed"
    assert any(" 401" in request for request in store.requests)
    require_no_secret(job)
