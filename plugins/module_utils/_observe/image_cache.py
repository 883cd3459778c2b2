# Copyright: (c) 2026, sandboxops contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""An image cache: which files of an image are there, and whether a sandbox can boot from them.

EROFS images are judged by their length, superblock and root directory; their content is bound to no digest.
"""

from __future__ import annotations

import contextlib
import errno
import os
import stat
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from .._core.errors import FormatError, IntegrityError, MicrosandboxError, excerpt
from .._disk.error_paths import naming_file
from .._disk.regular_file import read_regular_file
from .._formats.erofs import (
    INODE_BYTES,
    SUPERBLOCK_BYTES,
    parse_root_inode_length,
    parse_root_inode_offset,
    require_erofs_length,
    require_root_inode,
)
from .._formats.image_files import MANIFESTS, erofs_files, extent_files, fsmeta_file, metadata_file, vmdk_file
from .._formats.image_metadata import (
    MAX_METADATA_BYTES,
    ImageMetadata,
    parse_image_metadata,
    require_consistent_metadata,
)
from .._formats.member_names import CacheFile
from .._formats.vmdk import MAX_VMDK_BYTES, parse_vmdk, vmdk_extents, vmdk_to_bytes

PRESENT = "present"
ABSENT = "absent"
DAMAGED = "damaged"
DIFFERENT = "different"

_DIRECTORY_FLAGS = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
_FILE_FLAGS = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC


@dataclass(frozen=True)
class CacheFileState:
    """What stands in the place of one file of an image.

    Attributes:
        name: The file. Its own name is empty where the image's reference is none, so that nothing can be looked for.
        state: ``present``, ``absent``, ``damaged``, or ``different``: whole, but of something else.
        reason: Why it is not present, as a sentence.
        size_bytes: Its length when it is present.
    """

    name: CacheFile
    state: str
    reason: str = ""
    size_bytes: int | None = None


@dataclass(frozen=True)
class CachedImage:
    """An image in a cache.

    Attributes:
        reference: The reference that it was looked for with.
        manifest_digest: Digest of the image manifest that is wanted, or was found where none was; None for neither.
        metadata: Its metadata, when it is consistent and that of the wanted image.
        files: State of its files. Without metadata nothing tells which layers it has, so they are not among them.
    """

    reference: str
    manifest_digest: str | None
    metadata: ImageMetadata | None
    files: tuple[CacheFileState, ...]

    @property
    def problems(self) -> tuple[tuple[CacheFile, str], ...]:
        """Return the files that are missing or unfit, each with a sentence that says so."""
        return tuple((file.name, file.reason) for file in self.files if file.state != PRESENT)

    @property
    def missing(self) -> tuple[str, ...]:
        """Return a sentence for every file that is missing or unfit."""
        return tuple(reason for dummy, reason in self.problems)

    @property
    def boots_offline(self) -> bool:
        """Return whether a sandbox can be started from the image without a registry."""
        return self.metadata is not None and not self.problems


def observe_image(cache_dir: str, reference: str, manifest_digest: str | None = None) -> CachedImage:
    """Look at the files of an image; whatever the cache holds is an answer, never an error.

    Args:
        cache_dir: The image cache.
        reference: The image's reference.
        manifest_digest: Digest of the image manifest that is wanted, or None for the one that the reference stands for.
    """
    metadata, first = _observe_metadata(cache_dir, reference, manifest_digest)
    if metadata is None:
        others = () if manifest_digest is None else _observe_remains(cache_dir, manifest_digest)
        return CachedImage(reference, manifest_digest, None, (first, *others))
    trees = {name: _observe_erofs(cache_dir, name) for name in erofs_files(metadata)}
    vmdk = _observe_vmdk(cache_dir, metadata, trees)
    return CachedImage(reference, metadata.manifest_digest, metadata, (first, *trees.values(), vmdk))


@contextlib.contextmanager
def open_cache_file(cache_dir: str, name: CacheFile) -> Iterator[int]:
    """Yield a descriptor of a file in the cache for reading; neither it nor its directory may be a symlink.

    Raises:
        FormatError: Something else than a regular file is there.
        OSError: There is no such file, or it cannot be read; the error has its whole path.
    """
    with _open_kind(cache_dir, name) as directory_fd:
        try:
            fd = os.open(name.file, _FILE_FLAGS, dir_fd=directory_fd)
        except OSError as exc:
            exc.filename = os.path.join(cache_dir, name.kind, name.file)
            if exc.errno in (errno.ELOOP, errno.ENXIO):
                raise FormatError(f"{_path(name)} is no regular file", path=_path(name)) from exc
            raise
        try:
            if not stat.S_ISREG(os.fstat(fd).st_mode):
                raise FormatError(f"{_path(name)} is no regular file", path=_path(name))
            yield fd
        finally:
            os.close(fd)


def require_valid_erofs(fd: int, what: str) -> int:
    """Return the length of an EROFS image that microsandbox would boot from.

    Args:
        fd: Descriptor of the image, opened for reading; its position stays as it is.
        what: Name of the image in messages.

    Raises:
        FormatError: It is no such image.
    """
    size_bytes = os.fstat(fd).st_size
    require_erofs_length(size_bytes, what)
    with naming_file(fd):
        offset = parse_root_inode_offset(os.pread(fd, SUPERBLOCK_BYTES, 0), size_bytes, what)
        length = parse_root_inode_length(os.pread(fd, INODE_BYTES, offset), what)
        require_root_inode(os.pread(fd, length, offset), what)
    return size_bytes


@contextlib.contextmanager
def _open_kind(cache_dir: str, name: CacheFile) -> Iterator[int]:
    try:
        fd = os.open(os.path.join(cache_dir, name.kind), _DIRECTORY_FLAGS)
    except OSError as exc:
        if exc.errno in (errno.ENOTDIR, errno.ELOOP):
            raise FormatError(f"{name.kind} in {cache_dir} is no directory", path=cache_dir) from exc
        raise
    try:
        yield fd
    finally:
        os.close(fd)


def _observe_metadata(
    cache_dir: str, reference: str, manifest_digest: str | None
) -> tuple[ImageMetadata | None, CacheFileState]:
    try:
        name = metadata_file(reference)
    except FormatError as exc:
        return None, CacheFileState(CacheFile(MANIFESTS, ""), ABSENT, exc.message)
    what = f"{_path(name)}, the metadata of image {excerpt(reference)},"
    try:
        with _open_kind(cache_dir, name) as fd:
            content = read_regular_file(_path(name), MAX_METADATA_BYTES, dir_fd=fd)
        metadata = parse_image_metadata(content, _path(name))
        require_consistent_metadata(metadata, _path(name))
    except (FormatError, IntegrityError, OSError) as exc:
        return None, _unfit(name, what, exc)
    if manifest_digest not in (None, metadata.manifest_digest):
        reason = f"{what} is that of {metadata.manifest_digest}, wanted is {excerpt(str(manifest_digest))}"
        return None, CacheFileState(name, DIFFERENT, f"{reason}: a later pull or load moved the reference")
    return metadata, CacheFileState(name, PRESENT, "", len(content))


def _observe_remains(cache_dir: str, manifest_digest: str) -> tuple[CacheFileState, ...]:
    """Look for what is named after the manifest, when no metadata tells which layers belong to it."""
    try:
        fsmeta, vmdk = fsmeta_file(manifest_digest), vmdk_file(manifest_digest)
    except FormatError:
        return ()
    states = [_observe_erofs(cache_dir, fsmeta)]
    if not os.path.lexists(os.path.join(cache_dir, vmdk.kind, vmdk.file)):
        states.append(CacheFileState(vmdk, ABSENT, f"{_path(vmdk)} is missing"))
    return tuple(states)


def _observe_erofs(cache_dir: str, name: CacheFile) -> CacheFileState:
    try:
        with open_cache_file(cache_dir, name) as fd:
            return CacheFileState(name, PRESENT, "", require_valid_erofs(fd, _path(name)))
    except (FormatError, OSError) as exc:
        return _unfit(name, _path(name), exc)


def _observe_vmdk(cache_dir: str, metadata: ImageMetadata, trees: Mapping[CacheFile, CacheFileState]) -> CacheFileState:
    name = vmdk_file(metadata.manifest_digest)
    try:
        with _open_kind(cache_dir, name) as fd:
            content = read_regular_file(_path(name), MAX_VMDK_BYTES, dir_fd=fd)
        extents = parse_vmdk(content, _path(name))
    except (FormatError, OSError) as exc:
        return _unfit(name, _path(name), exc)
    directory = os.path.realpath(cache_dir)
    wanted = [(f"{directory}/{_path(file)}", trees[file].size_bytes) for file in extent_files(metadata)]
    found = [extent.path for extent in extents if extent.offset == 0]
    if found != [path for path, dummy in wanted]:
        reason = f"{_path(name)} makes a disk of other files than those of this image in {directory}"
        return CacheFileState(name, DIFFERENT, reason)
    # Of a file that is missing nobody knows how long it was.
    sizes = [(path, size) for path, size in wanted if size is not None]
    try:
        if len(sizes) == len(wanted) and vmdk_to_bytes(vmdk_extents(sizes)) != content:
            return CacheFileState(name, DIFFERENT, f"{_path(name)} gives a file another length than it has")
    except FormatError as exc:
        return CacheFileState(name, DIFFERENT, exc.message)
    return CacheFileState(name, PRESENT, "", len(content))


def _unfit(name: CacheFile, what: str, exc: MicrosandboxError | OSError) -> CacheFileState:
    if isinstance(exc, MicrosandboxError):
        return CacheFileState(name, DAMAGED, exc.message)
    if exc.errno == errno.ENOENT:
        return CacheFileState(name, ABSENT, f"{what} is missing")
    return CacheFileState(name, DAMAGED, f"{what} cannot be read: {exc.strerror}")


def _path(name: CacheFile) -> str:
    return f"{name.kind}/{name.file}"
