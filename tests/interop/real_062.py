# Copyright: (c) 2026, sandboxops contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The real microsandbox 0.6.2: its SDK on one home, and stopped sandboxes written as that version writes them."""

from __future__ import annotations

import contextlib
import json
import os
import secrets
import shutil
import sqlite3
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Callable

from home_database import sandbox_status

_DRIVER = Path(__file__).with_name("sdk062_driver.py")
_CHURN = Path(__file__).with_name("sdk062_churn.py")
_CHURN_SECONDS = 30  # for the round that is under way when the process is told to end
_MIN_UPPER_MIB = 80  # less is too small for the file system that it makes
IMAGE_REFERENCE = "docker.io/library/golden:1"
IMAGE_MANIFEST_DIGEST = "sha256:" + "6d" * 32


class SdkRefusal(Exception):
    """The SDK raised.

    Attributes:
        kind: Name of the SDK's exception class.
    """

    def __init__(self, kind: str, message: str) -> None:
        super().__init__(message)
        self.kind = kind


class Sdk062:
    """The SDK of an environment, run on one home, each call in a process of its own.

    Args:
        environment: The virtual environment that holds microsandbox 0.6.2.
        home: The home directory, made when needed.
    """

    def __init__(self, environment: Path, home: Path) -> None:
        self.home = home
        self._python = environment / "bin/python"

    def call(self, operation: str, **arguments: object) -> Any:
        """Run one operation of the driver and return its result as JSON values.

        Raises:
            SdkRefusal: The SDK raised.
        """
        done = subprocess.run(
            [self._python, _DRIVER],
            input=json.dumps({"operation": operation, "arguments": arguments}, default=str),
            env=self._environment(),
            capture_output=True,
            text=True,
            check=False,
        )
        if done.returncode:
            raise AssertionError(f"the driver of the SDK ended with {done.returncode}: {done.stderr.strip()}")
        answer = json.loads(done.stdout)
        if "error" in answer:
            raise SdkRefusal(answer["error"]["class"], answer["error"]["message"])
        return answer["result"]

    @contextlib.contextmanager
    def churn(self, sandbox: str) -> Iterator[Callable[[], list[str | None]]]:
        """Let a process list, create and remove snapshots of a stopped sandbox, round after round, during the block.

        Yields a function that returns what went wrong in each round until now, None where nothing did. Once the block
        has ended, ``theirs-N`` of the last round stands and no other.
        """
        printed = self.home.with_name(f"{self.home.name}-churn")
        with printed.open("wb") as lines:
            process = subprocess.Popen(
                [self._python, _CHURN, sandbox], stdin=subprocess.PIPE, stdout=lines, env=self._environment()
            )
        try:
            yield lambda: [json.loads(line) for line in printed.read_text(encoding="utf-8").split("\n")[:-1]]
            process.communicate(timeout=_CHURN_SECONDS)
        finally:
            process.kill()
            process.communicate()
        if process.returncode:
            raise AssertionError(f"the program that churns with the SDK ended with {process.returncode}")

    def create_with_parent(self, sandbox: str, name: str, parent: str | None) -> str:
        """Create a snapshot with recorded integrity, name its parent and return its digest.

        This version reads, exports and imports parents, but has no way to write one.
        """
        self.call("create", source_sandbox=sandbox, name=name, record_integrity=True)
        manifest = self.home / "snapshots" / name / "manifest.json"
        fields = {**json.loads(manifest.read_text(encoding="utf-8")), "parent": parent}
        manifest.write_text(json.dumps(fields, separators=(",", ":")), encoding="utf-8")
        self.call("reindex")
        return self.call("open", path_or_name=name)["digest"]

    def index_rows(self) -> list[dict]:
        """Return the rows of the snapshot index, by name, without the time they were written at."""
        connection = sqlite3.connect(f"file:{self.home}/db/msb.db?mode=ro", uri=True)
        connection.row_factory = sqlite3.Row
        try:
            rows = [dict(row) for row in connection.execute("SELECT * FROM snapshot_index ORDER BY name")]
        finally:
            connection.close()
        return [{key: value for key, value in row.items() if key != "indexed_at"} for row in rows]

    def make_pulled_sandbox(self, name: str, reference: str, *, pull_policy: str = "IF_MISSING") -> Path:
        """Pull an image into the cache, make a stopped sandbox rooted in it and return its formatted upper.

        The start that would follow fails at once.
        """
        registry = {"registries": {"hosts": {reference.partition("/")[0]: {"insecure": True}}}}
        (self.home / "config.json").write_text(json.dumps(registry), encoding="utf-8")
        refusal = self._create(name, reference, pull_policy)
        if self.status(name) != "Stopped":
            raise AssertionError(f"sandbox {name} is {self.status(name)}, not stopped: {refusal}")
        return self.home / "sandboxes" / name / "upper.ext4"

    def offline_refusal(self, reference: str) -> str | None:
        """Return why a sandbox cannot start from what the cache holds of an image, None when it can.

        This version looks whether every file is there, and does not read the VMDK descriptor. A stopped sandbox stays
        behind when it can.
        """
        name = f"probe-{secrets.token_hex(4)}"
        refusal = self._create(name, reference, "NEVER")
        return None if self.status(name) == "Stopped" else refusal

    def status(self, name: str) -> str | None:
        """Return the sandbox's status from the home's database, None when it has no row."""
        return sandbox_status(self.home, name)

    def _environment(self) -> dict[str, str]:
        """Return the environment variables for the SDK."""
        environment = {key: value for key, value in os.environ.items() if not key.startswith("MSB_")}
        # A program that ends at once stands in for the one that starts a virtual machine.
        return environment | {"MSB_HOME": str(self.home), "HOME": str(self.home), "MSB_PATH": "/bin/false"}

    def _create(self, name: str, reference: str, pull_policy: str) -> str:
        """Create a sandbox and return what kept it from starting."""
        try:
            self.call(
                "create_sandbox",
                name=name,
                reference=reference,
                upper_size_mib=_MIN_UPPER_MIB,
                pull_policy=pull_policy,
            )
        except SdkRefusal as refusal:
            return str(refusal)
        return ""

    def make_stopped_sandbox(self, name: str, *, upper_bytes: int, content: Path) -> Path:
        """Make a sandbox that is stopped and return its upper, a sparse ext4 that holds the files of a directory."""
        self.call("list")  # the first opening makes the database
        config = {
            "name": name,
            "image": {"Oci": {"reference": IMAGE_REFERENCE, "upper_size_mib": upper_bytes >> 20}},
            "manifest_digest": IMAGE_MANIFEST_DIGEST,
        }
        connection = sqlite3.connect(self.home / "db/msb.db")
        with connection:
            connection.execute(
                "INSERT INTO sandbox (name, config, status) VALUES (?, ?, 'Stopped')", (name, json.dumps(config))
            )
        connection.close()
        upper = self.home / "sandboxes" / name / "upper.ext4"
        upper.parent.mkdir(parents=True)
        with upper.open("xb") as file:
            file.truncate(upper_bytes)
        _fill(upper, content)
        return upper


def _fill(upper: Path, content: Path) -> None:
    """Format an upper as ext4 with the files of a directory; without the tool for it, lay the files' bytes out in it.

    Nobody mounts it: what counts is data with holes in between.
    """
    mkfs = shutil.which("mkfs.ext4", path=f"{os.environ.get('PATH', os.defpath)}:/usr/sbin:/sbin")
    if mkfs:
        subprocess.run([mkfs, "-q", "-F", "-d", content, upper], check=True)
        return
    with upper.open("r+b") as disk:
        for number, path in enumerate(sorted(item for item in content.rglob("*") if item.is_file())):
            disk.seek((2 * number + 1) << 20)
            disk.write(path.read_bytes())
