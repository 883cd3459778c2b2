# Copyright: (c) 2026, sandboxops contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Capturing a stopped sandbox's upper into an artifact, and removing artifacts."""

from __future__ import annotations

import contextlib
import hashlib
import os
import stat
from collections.abc import Iterator

from .._core.errors import StateError
from .._core.timestamps import rfc3339_from_ns
from .._disk.content_hash import SPARSE_SHA256
from .._disk.copying import CopyMethod, copy_sparse
from .._disk.directories import make_directories, remove_empty
from .._disk.locking import LockFile, try_lock_file
from .._disk.sparse_file import Traffic, write_at
from .._disk.staging import StagingArea, staging_area
from .._formats.descriptor import Descriptor, Integrity
from .._formats.manifest_json import MANIFEST_FILE, UPPER_FILE, manifest_to_bytes, new_manifest
from .._observe.artifact import require_unchanged
from .._observe.home import Home
from .._observe.sandbox import CaptureSource, observe_sandbox, require_capturable
from .._plan.snapshot import Capture, Remove, WantedSnapshot

_STAGED = "artifact"
_PRIVATE_MODE = 0o600
_SHARED_MODE = 0o644


def apply_capture(step: Capture, wanted: WantedSnapshot, home: Home, now_ns: int, traffic: Traffic) -> CopyMethod:
    """Capture a sandbox into an artifact that stands at its path only once it is whole and durable.

    Holds the sandbox's lifecycle lock from before its state is read again until its upper is copied.

    Args:
        step: What to capture, and whether an artifact stands there that the new one replaces.
        wanted: Labels, and whether to record integrity.
        home: The home whose database knows the sandbox.
        now_ns: Time of capture, nanoseconds since the epoch.
        traffic: Where the bytes are counted.

    Raises:
        StateError: The sandbox is not stopped, its lock is held, or its upper changed while it was copied.
        OSError: Reading or writing failed; nothing is left behind.
    """
    with staging_area(os.path.dirname(step.path)) as area:
        artifact_fd = area.make_directory(_STAGED)
        try:
            with _lifecycle_lock(home, step.sandbox):
                source = require_capturable(observe_sandbox(home, step.sandbox))
                method, integrity = _copy_upper(area, artifact_fd, source, wanted.integrity, traffic)
                # microsandbox before 0.6.9 takes no lock when it starts a sandbox, it only says so.
                require_capturable(observe_sandbox(home, step.sandbox))
            descriptor = new_manifest(
                image_reference=source.image_reference,
                image_manifest_digest=source.image_manifest_digest,
                created_at=rfc3339_from_ns(now_ns),
                labels=dict(wanted.labels),
                upper_bytes=source.upper_bytes,
                integrity=integrity,
                source_sandbox=step.sandbox,
            )
            write_manifest(area, artifact_fd, descriptor)
            area.seal_directory(artifact_fd)
        finally:
            os.close(artifact_fd)
        name = os.path.basename(step.path)
        if step.replaces is None:
            area.promote(_STAGED, name)
        else:
            area.replace(_STAGED, name)
    return method


def apply_removal(step: Remove) -> None:
    """Remove an artifact: it leaves its place in one step and is deleted where no reader looks.

    Raises:
        OSError: It cannot be moved or deleted.
    """
    with staging_area(os.path.dirname(step.path)) as area:
        area.withdraw(os.path.basename(step.path))


def write_manifest(area: StagingArea, artifact_fd: int, descriptor: Descriptor) -> None:
    """Write the canonical manifest of a staged artifact, durably."""
    fd = area.create_file(MANIFEST_FILE, artifact_fd)
    try:
        write_at(fd, memoryview(manifest_to_bytes(descriptor)), 0)
        area.seal_file(fd)
    finally:
        os.close(fd)


def _copy_upper(
    area: StagingArea, artifact_fd: int, source: CaptureSource, with_integrity: bool, traffic: Traffic
) -> tuple[CopyMethod, Integrity | None]:
    upper = source.sandbox.upper
    source_fd = os.open(upper, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    try:
        before = os.fstat(source_fd)
        if before.st_size != source.upper_bytes or not stat.S_ISREG(before.st_mode):
            raise StateError(f"{upper} changed since it was looked at", path=upper)
        fd = area.create_file(UPPER_FILE, artifact_fd)
        try:
            copied = copy_sparse(source_fd, fd, SPARSE_SHA256 if with_integrity else None, traffic)
            require_unchanged(before, os.fstat(source_fd), upper)
            is_private = stat.S_IMODE(before.st_mode) & 0o077 == 0
            area.seal_file(fd, _PRIVATE_MODE if is_private else _SHARED_MODE)
        finally:
            os.close(fd)
    finally:
        os.close(source_fd)
    return copied.method, None if copied.digest is None else Integrity(SPARSE_SHA256, copied.digest)


@contextlib.contextmanager
def _lifecycle_lock(home: Home, sandbox: str) -> Iterator[None]:
    """Hold the lock that microsandbox 0.6.9 and later takes for as long as a sandbox lives.

    Raises:
        StateError: The sandbox is alive or starting.
    """
    directory = os.path.join(home.path, "run", "locks")
    path = os.path.join(directory, hashlib.sha256(sandbox.encode("utf-8")).hexdigest()[:32] + ".lock")
    for above in (os.path.dirname(directory), directory):
        if os.path.islink(above):
            raise StateError(f"{above} is a symlink, a home keeps its lifecycle locks itself", path=above)
    with contextlib.ExitStack() as undo:
        undo.callback(remove_empty, make_directories(directory))
        fd = try_lock_file(LockFile(path))
        if fd is None:
            raise StateError(
                f"sandbox {sandbox} is alive or starting: a capture needs its lifecycle lock {path}, which is held",
                sandbox=sandbox,
                path=path,
            )
        try:
            yield
        finally:
            os.close(fd)
        undo.pop_all()
