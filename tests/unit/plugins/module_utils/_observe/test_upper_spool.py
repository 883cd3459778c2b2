# Copyright: (c) 2026, sandboxops contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""An upper of an archive is there as a file, and no larger than it may be."""

from __future__ import annotations

import contextlib
import os
import resource
import signal
import tarfile
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import pytest
from ansible_collections.sandboxops.microsandbox.plugins.module_utils._core.errors import FormatError
from ansible_collections.sandboxops.microsandbox.plugins.module_utils._formats.member_names import SnapshotFile
from ansible_collections.sandboxops.microsandbox.plugins.module_utils._observe.archive_limits import ArchiveLimits
from ansible_collections.sandboxops.microsandbox.plugins.module_utils._observe.upper_spool import spooled_upper

PLAIN = Path(__file__).parents[3] / "data/g1-archives/nolabels-0.6.2-plain.tar"


class Upper(NamedTuple):
    """The upper of the archive."""

    name: SnapshotFile
    content: bytes

    @property
    def taken_bytes(self) -> int:
        """Return how many of its bytes lie in blocks that are not zero."""
        return sum(4096 for start in range(0, len(self.content), 4096) if any(self.content[start : start + 4096]))


@pytest.fixture
def upper() -> Upper:
    with tarfile.open(PLAIN) as archive:
        member = next(member for member in archive if member.name.endswith("upper.ext4"))
        file = archive.extractfile(member)
        assert file is not None
        return Upper(SnapshotFile(*member.name.split("/")), file.read())


def test_an_upper_is_there_whole(upper: Upper) -> None:
    with spooled_upper(str(PLAIN), ArchiveLimits(), upper.name) as fd:
        assert os.pread(fd, len(upper.content) + 1, 0) == upper.content
        assert os.fstat(fd).st_blocks * 512 <= upper.taken_bytes


def test_an_upper_that_takes_too_much_is_refused(upper: Upper) -> None:
    limit = upper.taken_bytes
    with spooled_upper(str(PLAIN), ArchiveLimits(allocated_bytes=limit), upper.name) as fd:
        assert os.fstat(fd).st_size == len(upper.content)
    spooling = spooled_upper(str(PLAIN), ArchiveLimits(allocated_bytes=limit - 1), upper.name)
    with pytest.raises(FormatError, match=f"uppers in the archive take more than the {limit - 1} bytes"), spooling:
        pass


@pytest.fixture
def _small_files() -> Iterator[None]:
    """Let no file of this process grow past a block."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    handler = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (4096, before[1]))
    yield
    resource.setrlimit(resource.RLIMIT_FSIZE, before)
    signal.signal(signal.SIGXFSZ, handler)


@pytest.mark.usefixtures("_small_files")
def test_the_directory_that_cannot_be_written_is_named(upper: Upper) -> None:
    with contextlib.ExitStack() as stack, pytest.raises(OSError, match="File too large") as caught:
        stack.enter_context(spooled_upper(str(PLAIN), ArchiveLimits(), upper.name))
    assert caught.value.filename == tempfile.gettempdir()
