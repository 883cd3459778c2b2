#!/usr/bin/python
# Copyright: (c) 2026, sandboxops contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: snapshot_index
short_description: Make microsandbox's index agree with the snapshots on disk
version_added: 0.1.0
description:
  - Writes the rows that are missing from the index of snapshots in a home's database, or that say something else than
    the snapshots on disk, and corrects how many children each row counts.
  - The index is what microsandbox lists and looks names and digests up in. It is a cache of the snapshots and never the
    truth; microsandbox leaves rows of vanished snapshots in it and can count children wrongly.
  - A row that agrees is left alone. All changes are made in one short transaction.
author:
  - sandboxops contributors (@sandboxops)
extends_documentation_fragment:
  - sandboxops.microsandbox.attributes
  - sandboxops.microsandbox.home
attributes:
  check_mode:
    support: full
  diff_mode:
    support: full
options:
  dir:
    description:
      - Absolute path of the directory whose snapshots are put into the index.
      - Without it, that is O(snapshots_dir).
    type: path
  prune:
    description:
      - Also drop the rows whose snapshot's directory is gone, wherever it was.
      - A row with a relative path is kept, for nothing tells what it is relative to.
    type: bool
    default: false
notes:
  - The index holds one row for a digest and one for a name. Of several snapshots that share one, the one that is in the
    index keeps its row.
  - Only the index of generation G1 (microsandbox 0.4 to 0.6.6) is written. Another one is an error that names it. In a
    home without an index there is nothing to do, and none is made.
seealso:
  - module: sandboxops.microsandbox.snapshot
  - module: sandboxops.microsandbox.snapshot_info
"""

EXAMPLES = r"""
- name: Put snapshots that were copied into the home by hand into the index
  sandboxops.microsandbox.snapshot_index:

- name: Also forget the snapshots that were deleted by hand
  sandboxops.microsandbox.snapshot_index:
    prune: true

- name: Let microsandbox find the snapshots of a shared directory by name
  sandboxops.microsandbox.snapshot_index:
    dir: /srv/snapshots
"""

RETURN = r"""
index:
  description:
    - The index, read back from the database. In check mode, as it would be.
  returned: success
  type: dict
  contains:
    database:
      description: The database's file.
      type: str
      returned: always
      sample: /home/op/.microsandbox/db/msb.db
    schema:
      description: Generation of the index, or V(absent) without one.
      type: str
      returned: always
      sample: G1
    rows:
      description: How many rows it has.
      type: int
      returned: always
      sample: 3
    missing_artifacts:
      description: Directories of snapshots that the index knows and that are gone.
      type: list
      elements: str
      returned: always
      sample: [/home/op/.microsandbox/snapshots/deleted-by-hand]
invalid:
  description: What lies in the directory and is no snapshot that can be indexed.
  returned: success
  type: list
  elements: dict
  contains:
    path:
      description: The directory.
      type: str
      returned: always
      sample: /home/op/.microsandbox/snapshots/broken
    code:
      description: Code of the error that opening it as a snapshot gives.
      type: str
      returned: always
      sample: integrity
    reason:
      description: What is wrong with it.
      type: str
      returned: always
      sample: upper.ext4 has 0 bytes, its descriptor says 65536
steps:
  description: What the task did, or in check mode would do, as sentences.
  returned: success
  type: list
  elements: str
  sample: ["drop the index row of /home/op/.microsandbox/snapshots/deleted-by-hand"]
bytes:
  description: What the task moved. An index is not counted.
  returned: success
  type: dict
  contains:
    read:
      description: Bytes read from files.
      type: int
      returned: always
      sample: 0
    written:
      description: Bytes written to files.
      type: int
      returned: always
      sample: 0
    holes_skipped:
      description: Bytes of zeros that were neither read nor written.
      type: int
      returned: always
      sample: 0
elapsed:
  description: Seconds for each phase of the task.
  returned: always
  type: dict
  sample: {"observe": 0.004, "apply": 0.01, "total": 0.02}
error:
  description: What went wrong, for playbooks to branch on.
  returned: failure
  type: dict
  contains:
    code:
      description: One of V(request), V(state), V(format), V(integrity), V(unsupported) and V(os).
      type: str
      returned: always
      sample: unsupported
    facts:
      description: The values behind the message.
      type: dict
      returned: always
      sample: {"path": "/home/op/.microsandbox/db/msb.db", "schema": "G3"}
"""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from ansible_collections.sandboxops.microsandbox.plugins.module_utils._ansible.argspec import HOME_OPTIONS
from ansible_collections.sandboxops.microsandbox.plugins.module_utils._ansible.entry import run_module
from ansible_collections.sandboxops.microsandbox.plugins.module_utils._ansible.results import invalid_result
from ansible_collections.sandboxops.microsandbox.plugins.module_utils._ansible.task import Outcome, Task
from ansible_collections.sandboxops.microsandbox.plugins.module_utils._apply.index import apply_index_steps
from ansible_collections.sandboxops.microsandbox.plugins.module_utils._core.unicode_text import is_unicode
from ansible_collections.sandboxops.microsandbox.plugins.module_utils._observe.index import (
    Index,
    IndexRow,
    observe_gone,
    observe_index,
)
from ansible_collections.sandboxops.microsandbox.plugins.module_utils._observe.store import Store, observe_store
from ansible_collections.sandboxops.microsandbox.plugins.module_utils._plan.index import (
    IndexStep,
    plan_reindex,
    rows_after,
)
from ansible_collections.sandboxops.microsandbox.plugins.module_utils._plan.plan import Plan

ARGUMENT_SPEC: dict[str, dict[str, Any]] = {
    **HOME_OPTIONS,
    "dir": {"type": "path"},
    "prune": {"type": "bool", "default": False},
}


def work(task: Task) -> Outcome:
    """Carry out the task."""
    home = task.observe_home()
    directory = home.snapshots_dir if task.params["dir"] is None else task.absolute_path("dir")
    with task.locked(directory):
        with task.phase("observe"):
            index = observe_index(home.database)
            store = observe_store(directory)
            gone = observe_gone(index, store.paths) if task.params["prune"] else ()
        artifacts = [(artifact.path, artifact.descriptor) for artifact in store.artifacts if is_unicode(artifact.path)]
        steps = plan_reindex(index, artifacts, gone, task.now_text)
        plan = make_plan(index, steps, store)
        if task.check_mode:
            after = replace(index, rows=rows_after(index.rows, steps))
        else:
            with task.phase("apply"):
                apply_index_steps(home.database, steps, task.patience)
            after = observe_index(home.database) if steps else index
    invalid = [invalid_result(each) for each in store.invalid]
    return Outcome(plan, {"index": _index_result(after, store), "invalid": invalid})


def make_plan(index: Index, steps: Sequence[IndexStep], store: Store) -> Plan:
    """Describe what the steps change."""
    before, after = (set(index.rows), set(rows_after(index.rows, steps))) if steps else (set(), set())
    return Plan(
        tuple(steps),
        before={row.artifact_path: _shown(row) for row in before - after},
        after={row.artifact_path: _shown(row) for row in after - before},
        warnings=tuple(
            f"{artifact.path!r} is not Unicode text, which an index cannot hold: the snapshot is left out"
            for artifact in store.artifacts
            if not is_unicode(artifact.path)
        ),
    )


def _shown(row: IndexRow) -> dict[str, Any]:
    """Return the part of a row that a diff shows: when it was written is not known before it is."""
    return {name: value for name, value in row._asdict().items() if name != "indexed_at"}


def _index_result(index: Index, store: Store) -> dict[str, Any]:
    return {
        "database": index.path,
        "schema": index.schema,
        "rows": len(index.rows),
        "missing_artifacts": list(observe_gone(index, store.paths)),
    }


def main() -> None:
    """Run the module."""
    run_module(ARGUMENT_SPEC, work)


if __name__ == "__main__":
    main()
