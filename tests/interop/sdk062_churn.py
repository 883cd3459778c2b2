# Copyright: (c) 2026, sandboxops contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""List, create and remove snapshots with the microsandbox 0.6.2 SDK, again and again, until standard input ends.

usage: sdk062_churn.py SANDBOX    with MSB_HOME set; runs inside that version's own environment

Each round creates the next of ``theirs-0``, ``theirs-1`` and so on, lists, and removes the one before it: the last one
stays. A line of JSON on standard output after each round says what went wrong in it, ``null`` where nothing did.
"""

from __future__ import annotations

import asyncio
import itertools
import json
import os
import select
import sys

from microsandbox import MicrosandboxError, Snapshot


async def _go_round(sandbox: str, number: int) -> str | None:
    """Create, list and remove, and return what went wrong."""
    try:
        created = await Snapshot.create(sandbox, name=f"theirs-{number}", record_integrity=True)
        # Not list_dir, nor open: these write the index rows of what they find, and would hide that others lost them.
        listed = {handle.digest for handle in await Snapshot.list()}
        if number:
            await Snapshot.remove(f"theirs-{number - 1}")
    except MicrosandboxError as exc:
        return f"{type(exc).__name__}: {exc}"
    return None if created.digest in listed else f"theirs-{number} is not listed"


async def _churn(sandbox: str) -> None:
    for number in itertools.count():
        sys.stdout.write(f"{json.dumps(await _go_round(sandbox, number))}\n")
        sys.stdout.flush()
        if select.select([sys.stdin], [], [], 0)[0]:
            return


if __name__ == "__main__":
    asyncio.run(_churn(sys.argv[1]))
    os._exit(0)  # the SDK's threads sometimes panic while Python exits
