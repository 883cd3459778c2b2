# Copyright: (c) 2026, sandboxops contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What tests of S3 need: a server, boto3 for whoever talks to it, and the collection ``amazon.aws``."""

from __future__ import annotations

import fcntl
import shutil
import tempfile
import zipfile
from pathlib import Path
from typing import NamedTuple

from downloads import run_patiently
from environments import CACHE, ensure_environment

# PyPI's package of collections, as Galaxy may be out of reach; it brings amazon.aws 10.1.2.
_PACKAGE = "ansible==12.3.0"
_COLLECTION = "ansible_collections/amazon/aws/"


class S3Tools(NamedTuple):
    """Where they are.

    Attributes:
        python: A Python with moto, boto3 and zstandard.
        collections: A path that Ansible finds ``amazon.aws`` on.
    """

    python: Path
    collections: Path


def ensure_s3_tools() -> S3Tools:
    """Return the tools, installed first when they are missing.

    Raises:
        SetupError: The Python that they need is missing.
        subprocess.CalledProcessError: They could not be installed.
    """
    CACHE.mkdir(exist_ok=True)
    with (CACHE / "s3-tools.lock").open("wb") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        programs = ensure_environment("s3")
        return S3Tools(programs / "python", _ensure_collection(programs / "python"))


def _ensure_collection(python: Path) -> Path:
    """Unpack the one collection of a hundred: all of them would take half a gigabyte."""
    collections = CACHE / "collections-s3"
    stamp = collections / "made-from.txt"  # written last: what has no stamp is not whole
    if stamp.is_file() and stamp.read_text(encoding="utf-8") == _PACKAGE:
        return collections
    shutil.rmtree(collections, ignore_errors=True)
    with tempfile.TemporaryDirectory(dir=CACHE) as directory:
        pip: list[str | Path] = [python, "-m", "pip", "--quiet", "--disable-pip-version-check", "download"]
        run_patiently([*pip, "--no-deps", "--only-binary", ":all:", "--dest", directory, _PACKAGE])
        (wheel,) = Path(directory).iterdir()
        with zipfile.ZipFile(wheel) as archive:
            archive.extractall(collections, [name for name in archive.namelist() if name.startswith(_COLLECTION)])
    stamp.write_text(_PACKAGE, encoding="utf-8")
    return collections
