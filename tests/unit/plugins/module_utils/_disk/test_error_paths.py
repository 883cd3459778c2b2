# Copyright: (c) 2026, sandboxops contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Errors of calls on descriptors name the file."""

from __future__ import annotations

import errno
import os
from pathlib import Path

import pytest
from ansible_collections.sandboxops.microsandbox.plugins.module_utils._disk.error_paths import name_file, naming_file


@pytest.mark.parametrize("name", ["file", "a file\n\x1b[0m", "\udcff"])
def test_an_error_names_the_open_file(tmp_path: Path, name: str) -> None:
    path = tmp_path / name
    path.touch()
    fd = os.open(path, os.O_WRONLY)
    try:
        with pytest.raises(OSError, match="Bad file descriptor") as caught, naming_file(fd):
            os.read(fd, 1)
    finally:
        os.close(fd)
    assert (caught.value.errno, caught.value.filename) == (errno.EBADF, str(path))


def test_an_error_of_a_descriptor_that_is_none_stays_as_it_is() -> None:
    error = OSError(errno.EBADF, "Bad file descriptor")
    name_file(error, 1 << 20)
    assert error.filename is None
