# Copyright: (c) 2026, sandboxops contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Programs that the tests use and that come from the system's packages."""

from __future__ import annotations

import fcntl
import os
import shutil
import subprocess
from collections.abc import Mapping
from pathlib import Path

# The program and the Debian package that has it.
PROGRAMS = {
    "bsdtar": "libarchive-tools",
    "busybox": "busybox-static",
    "chromium": "chromium",
    "mkfs.ext4": "e2fsprogs",
    "mkfs.xfs": "xfsprogs",
    "pdftotext": "poppler-utils",
    "sqlite3": "sqlite3",
    "strace": "strace",
    "tar": "tar",
    "zstd": "zstd",
}

# What the fleet of SSH hosts needs besides; it needs root in any case.
FLEET_PROGRAMS = {
    "losetup": "mount",
    "mkfs.ext4": "e2fsprogs",
    "mkfs.xfs": "xfsprogs",
    "mmdebstrap": "mmdebstrap",
    "ssh": "openssh-client",
    "ssh-keygen": "openssh-client",
    "unshare": "util-linux",
}

_PATIENT = ("-o", "Acquire::Retries=5")
_LOCK = Path(__file__).resolve().parents[2] / ".cache" / "apt.lock"
_SYSTEM_PATH = os.pathsep.join(["/usr/local/sbin", "/usr/sbin", "/sbin"])  # often not on an ordinary user's PATH


class SetupError(Exception):
    """The machine lacks something that the tests need."""


def require_programs(programs: Mapping[str, str] | None = None) -> None:
    """Install the packages whose programs are missing.

    Args:
        programs: The package of each program; by default those of ``PROGRAMS``.

    Raises:
        SetupError: Programs are missing and could not be installed.
    """
    programs = PROGRAMS if programs is None else programs
    missing = _missing(programs)
    if missing:
        try_to_install(*sorted({programs[program] for program in missing}))
    missing = _missing(programs)
    if missing:
        wanted = ", ".join(f"{program} (package {programs[program]})" for program in missing)
        raise SetupError(f"programs that the tests use are missing: {wanted}")


def try_to_install(*packages: str) -> bool:
    """Install packages with apt-get, and tell whether that worked; it needs root."""
    if os.geteuid() != 0 or shutil.which("apt-get") is None:
        return False
    print(f"installing the packages {' '.join(packages)}", flush=True)
    environment = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
    commands = (
        ["apt-get", *_PATIENT, "-qq", "update"],
        ["apt-get", *_PATIENT, "-qq", "-y", "--no-install-recommends", "install", *packages],
    )
    _LOCK.parent.mkdir(exist_ok=True)
    with _LOCK.open("wb") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)  # apt-get does not wait for another one
        return all(subprocess.run(command, env=environment, check=False).returncode == 0 for command in commands)


def _missing(programs: Mapping[str, str]) -> list[str]:
    path = os.pathsep.join([os.environ.get("PATH", os.defpath), _SYSTEM_PATH])
    return [program for program in programs if shutil.which(program, path=path) is None]
