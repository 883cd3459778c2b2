# Copyright: (c) 2026, sandboxops contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Run one snapshot operation of the microsandbox 0.6.2 SDK and print how long it took, start-up and import apart.

usage: sdk062_job.py OPERATION JSON    inside that version's environment, with MSB_HOME set
"""

from __future__ import annotations

import asyncio
import json
import os
import sys
import time

from microsandbox import Snapshot


async def _verify(path_or_name: str) -> object:
    return await (await Snapshot.open(path_or_name)).verify()


_OPERATIONS = {
    "create": Snapshot.create,
    "verify": _verify,
    "export": Snapshot.export,
    "import": Snapshot.import_,
}


async def _timed(operation: str, arguments: dict) -> float:
    await Snapshot.list()  # opens the home
    began = time.perf_counter()
    await _OPERATIONS[operation](**arguments)
    return time.perf_counter() - began


if __name__ == "__main__":
    print(json.dumps({"seconds": asyncio.run(_timed(sys.argv[1], json.loads(sys.argv[2])))}))
    sys.stdout.flush()
    os._exit(0)  # the SDK's threads sometimes panic while Python exits
