#!/usr/bin/env bash
# SPDX-FileCopyrightText: 2026 sandboxops contributors
# SPDX-License-Identifier: GPL-3.0-or-later
#
# Set up and run every test, or the stages named:
# ./test.sh [lint|docs|docsite|unit|sanity|hostile|faults|interop|playbooks|awx|fleet|bench ...]
set -euo pipefail
cd -- "$(dirname -- "${BASH_SOURCE[0]}")"

# What the tests mount goes with them, however they end.
apart=()
if unshare --mount true 2>/dev/null; then
    apart=(unshare --mount)
fi
for candidate in python3 python3.11 python3.12 python3.13 python3.14; do
    if "$candidate" -c 'import ensurepip, sys, venv; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; then
        exec ${apart[@]+"${apart[@]}"} "$candidate" tests/tools/run_tests.py "$@" </dev/null
    fi
done
echo "test.sh needs Python 3.11 or newer with its venv module, and found none on PATH" >&2
exit 1
