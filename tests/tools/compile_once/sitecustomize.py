# Copyright: (c) 2026, sandboxops contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Keep what is compiled of modules that Ansible sends as source in a zip file: a host compiles all of it in every task.

That is most of what a task costs in the tests, which run thousands. Python imports this file by its name when its
directory is on PYTHONPATH. It keeps code objects in the directory that COMPILED_CODE names, by the hash of the source;
where it may not write there, everything is compiled as ever. Only a code object's file name may be that of another zip.
"""

from __future__ import annotations

import _imp
import contextlib
import marshal
import os
import sys
import zipimport
from types import CodeType
from typing import Callable

_KEY = int.from_bytes(sys.implementation.cache_tag.encode()[-8:], "little")  # each Python has a format of its own
_compile: Callable[[str, bytes], CodeType] = zipimport._compile_source  # type: ignore[attr-defined]


def _compile_once(path: str, source: bytes) -> CodeType:
    kept = os.path.join(os.environ["COMPILED_CODE"], _imp.source_hash(_KEY, source).hex())
    # What a crash of the machine cut off is no code object.
    with contextlib.suppress(OSError, EOFError, TypeError, ValueError), open(kept, "rb") as file:
        code: CodeType = marshal.load(file)  # noqa: S302  of this run's own directory
        return code
    code = _compile(path, source)
    unfinished = f"{kept}.{os.getpid()}"
    with contextlib.suppress(OSError):
        with open(unfinished, "xb") as file:
            marshal.dump(code, file)
        os.replace(unfinished, kept)
    return code


if "COMPILED_CODE" in os.environ:
    zipimport._compile_source = _compile_once  # type: ignore[attr-defined]
