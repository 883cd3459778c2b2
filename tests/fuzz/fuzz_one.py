# Copyright: (c) 2026, sandboxops contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Fuzz one target in this process until its time is over: ``python fuzz_one.py TARGET [libFuzzer options] CORPUS``."""

from __future__ import annotations

import sys

import atheris  # type: ignore[import-not-found,import-untyped,unused-ignore]

with atheris.instrument_imports(include=["ansible_collections"], enable_loader_override=False):
    import targets


def main() -> None:
    """Hand the process to libFuzzer, which ends it."""
    target = targets.TARGETS[sys.argv.pop(1)]
    atheris.Setup(sys.argv, lambda content: targets.run_once(target, content))
    atheris.Fuzz()


if __name__ == "__main__":
    main()
