#!/usr/bin/env bash
# SPDX-FileCopyrightText: 2026 sandboxops contributors
# SPDX-License-Identifier: GPL-3.0-or-later
#
# Capture a stopped sandbox of the real microsandbox, export it, import it on two hosts and verify it, twice.
#
#   ./demo.sh              sets up everything below .cache/ and runs playbooks/demo.yml: check mode, run, run again
#   ./demo.sh COMMAND ...  runs a command in the demo's environment, on the homes that the last run left, as in
#                          ./demo.sh ansible hosts -m sandboxops.microsandbox.snapshot_info -a 'home={{ demo_home }}'
#
# Needs Python 3.11 or newer and PyPI; no root, no server, no virtualisation.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")"

environment=$PWD/.cache/demo-environment
work=$PWD/.cache/demo

say() { printf '\n=== %s\n' "$*"; }

find_python() {
    local name
    for name in python3 python3.13 python3.12 python3.11 python3.14; do
        # Run it: a name on PATH may be a version manager's shim without a Python behind it.
        if "$name" -c 'import sys, ensurepip; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; then
            echo "$name"
            return
        fi
    done
    echo "no Python 3.11 or newer with its venv module on PATH (Debian and Ubuntu: apt install python3-venv)" >&2
    return 1
}

# Nothing of the user's own configuration reaches the runs below.
isolate() {
    local name
    for name in "${!ANSIBLE_@}" "${!MSB_@}" PYTHONPATH PYTHONHOME; do unset "$name"; done
    export ANSIBLE_CONFIG=$PWD/tests/demo/ansible.cfg ANSIBLE_INVENTORY=$PWD/tests/demo/inventory.yml
    export ANSIBLE_COLLECTIONS_PATH=$work/collections ANSIBLE_HOME=$work/ansible ANSIBLE_REMOTE_TMP=$work/ansible/tmp
    export DEMO_DIRECTORY=$work DEMO_BUILDER_HOME=${builder:-$work/builder}
    export LC_ALL=C.UTF-8 PATH=$environment/bin:$PATH
}

play() {
    local log=$work/$1.log
    shift
    ansible-playbook sandboxops.microsandbox.demo "$@" | tee "$log"
}

if (($#)); then
    isolate
    exec "$@"
fi

finish() {
    local status=$?
    rm -rf "${builder:-}"
    ((status == 0)) || echo "demo: FAILED"
}
trap finish EXIT

say "Preparing Ansible, the real microsandbox 0.7.11 and a builder home with a stopped sandbox"
python=$(find_python)
builder=$(mktemp -d /tmp/msb-demo.XXXXXX)
"$python" tests/demo/prepare.py "$builder"
isolate
rm -rf "$work"
mkdir -p "$work"/{collections,host1,host2}

say "Building the collection and installing it from its tarball"
ansible-galaxy collection build --force --output-path "$work"
ansible-galaxy collection install --offline "$work"/sandboxops-microsandbox-*.tar.gz

say "Predicting with --check --diff"
play predicted --check --diff
say "Running"
play first
say "Running again"
play second

say "Verdict after $SECONDS s"
python tests/demo/compare_runs.py "$work"/{predicted,first,second}.log
