# Copyright: (c) 2026, sandboxops contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Run one operation of the library in this process and print how long it took; imports and start-up are not counted.

usage: library_job.py JOB JSON    with the collection importable
"""

from __future__ import annotations

import json
import os
import sys
import time
from pathlib import Path

from ansible_collections.sandboxops.microsandbox.plugins.module_utils._apply.archive_export import apply_export
from ansible_collections.sandboxops.microsandbox.plugins.module_utils._apply.archive_import import StagingSink
from ansible_collections.sandboxops.microsandbox.plugins.module_utils._apply.snapshot import apply_capture
from ansible_collections.sandboxops.microsandbox.plugins.module_utils._disk.sparse_file import Traffic
from ansible_collections.sandboxops.microsandbox.plugins.module_utils._observe.archive import observe_archive
from ansible_collections.sandboxops.microsandbox.plugins.module_utils._observe.archive_limits import ArchiveLimits
from ansible_collections.sandboxops.microsandbox.plugins.module_utils._observe.artifact import observe_artifact
from ansible_collections.sandboxops.microsandbox.plugins.module_utils._observe.home import observe_home
from ansible_collections.sandboxops.microsandbox.plugins.module_utils._observe.integrity import (
    VERIFIED,
    verify_artifact,
)
from ansible_collections.sandboxops.microsandbox.plugins.module_utils._plan.archive import (
    NO_COMPRESSION,
    ZSTD,
    WantedArchive,
    WriteArchive,
)
from ansible_collections.sandboxops.microsandbox.plugins.module_utils._plan.archive_import import PromoteSnapshot
from ansible_collections.sandboxops.microsandbox.plugins.module_utils._plan.snapshot import Capture, WantedSnapshot


def capture(home: str, sandbox: str, path: str, integrity: bool) -> None:
    """Capture a sandbox into a new artifact."""
    wanted = WantedSnapshot(path, sandbox, (), integrity, "never", False)
    apply_capture(Capture(path, sandbox, None), wanted, observe_home(home, None, None, {}), time.time_ns(), Traffic())


def verify(path: str) -> None:
    """Verify an artifact's content."""
    state = verify_artifact(observe_artifact(path), Traffic())
    if state.state != VERIFIED:
        raise SystemExit(f"{path} is {state.state}, not verified")


def export(path: str, out: str, layout: str, level: int) -> None:
    """Export an artifact, plain at level 0."""
    wanted = WantedArchive(out, ZSTD if level else NO_COMPRESSION, level, layout, False)
    apply_export(WriteArchive(wanted, (observe_artifact(path),)), len(os.sched_getaffinity(0)), Traffic())


def import_archive(archive: str, path: str, verify: bool) -> None:
    """Install an archive of one snapshot at a path."""
    directory, name = os.path.split(path)
    traffic = Traffic()
    with StagingSink(directory, lambda digest: False, traffic) as sink:
        found = observe_archive(archive, ArchiveLimits(), verify, traffic, sink)
        step = PromoteSnapshot(
            digest=found.head.descriptor.digest,
            prefix=found.head.prefix,
            directory=directory,
            name=name,
            replaces=None,
        )
        sink.complete(found, [step])
        sink.promote(step)


def main() -> None:
    """Run the job named on the command line."""
    job = {"capture": capture, "verify": verify, "export": export, "import": import_archive}[sys.argv[1]]
    arguments = json.loads(sys.argv[2])
    if "path" in arguments:
        Path(arguments["path"]).parent.mkdir(parents=True, exist_ok=True)
    began = time.perf_counter()
    job(**arguments)
    print(json.dumps({"seconds": time.perf_counter() - began}))


if __name__ == "__main__":
    main()
