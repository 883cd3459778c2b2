# Copyright: (c) 2026, sandboxops contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What an archive may take on the disk: check mode, which writes nothing, refuses what the run refuses."""

from __future__ import annotations

from pathlib import Path

import pytest
from ansible_collections.sandboxops.microsandbox.plugins.module_utils._core.errors import FormatError
from image_samples import APP, PIN, bundle, file_members
from importing import KEPT, at_rest, import_archive, import_bundle, listing, make_home
from samples import archive, snapshot, sparse_sha256
from tar_stream import Sparse, member, sparse_member

_CHECK_MODE = pytest.mark.parametrize("check_mode", [False, True], ids=["for real", "check mode"])


def taken(*files: bytes) -> int:
    """Return how many bytes of files lie in blocks that are not zero."""
    blocks = (content[start : start + 4096] for content in files for start in range(0, len(content), 4096))
    return sum(len(block) for block in blocks if any(block))


_UPPER = b"a" * 5000 + bytes(60_000) + b"b" * 5000
_PARENT = snapshot(_UPPER, "p", upper__integrity=sparse_sha256(_UPPER))
_CHILD = snapshot(_UPPER, "c", parent=_PARENT.digest)
_BESIDE_KEPT = snapshot(_UPPER, "c", parent=KEPT.digest)
# A map that stores zeros, which are not written.
_MAPPED = b"".join((b"c" * 4096, bytes(8192), b"d" * 4096, bytes(40960)))
_SPARSE = snapshot(_MAPPED, "s")
_EROFS = tuple(content for name, content in APP.files.items() if name.endswith(".erofs"))
_UPPERS = {
    "an upper": (archive(_PARENT.members), taken(_UPPER)),
    "two uppers": (archive(_PARENT.members, _CHILD.members), taken(_UPPER, _UPPER)),
    "an upper beside one that is installed": (archive(KEPT.members, _BESIDE_KEPT.members), taken(_UPPER)),
    "an upper before its manifest": (
        archive(member("p/upper.ext4", _UPPER), member("p/manifest.json", _PARENT.manifest)),
        taken(_UPPER),
    ),
    "a sparse upper": (
        archive(
            member("s/manifest.json", _SPARSE.manifest),
            sparse_member("s/upper.ext4", Sparse([(0, 16384), (len(_MAPPED), 0)], len(_MAPPED)), _MAPPED[:16384]),
        ),
        taken(_MAPPED),
    ),
}


@_CHECK_MODE
@pytest.mark.parametrize("what", _UPPERS)
def test_uppers_may_take_as_much_as_is_allowed_and_no_byte_more(what: str, check_mode: bool, world: Path) -> None:
    content, needed = _UPPERS[what]
    home = make_home(world)
    world.joinpath("archive").write_bytes(content)
    before = listing(world)
    with pytest.raises(FormatError) as caught:
        import_archive(world / "archive", home, check_mode, limits={"allocated_bytes": needed - 1})
    said = f"uppers in the archive take more than the {needed - 1} bytes that are allowed"
    assert caught.value.message == f"archive {world}/archive is refused: {said}"
    assert caught.value.facts["limit"] == needed - 1
    assert at_rest(listing(world)) == at_rest(before)
    assert import_archive(world / "archive", home, check_mode, limits={"allocated_bytes": needed}).plan.steps
    assert check_mode == (listing(world) == before)


@_CHECK_MODE
@pytest.mark.parametrize("is_bundle", [False, True], ids=["archive", "bundle"])
def test_images_may_take_as_much_as_is_allowed_and_no_byte_more(is_bundle: bool, check_mode: bool, world: Path) -> None:
    content = bundle([APP], APP.files) if is_bundle else archive(PIN.members, file_members(APP.files))
    import_it = import_bundle if is_bundle else import_archive
    needed, home = taken(*_EROFS), make_home(world)
    world.joinpath("archive").write_bytes(content)
    before = listing(world)
    with pytest.raises(FormatError) as caught:
        import_it(world / "archive", home, check_mode, limits={"allocated_bytes": needed - 1})
    said = f"image cache files in the archive take more than the {needed - 1} bytes that are allowed"
    assert caught.value.message == f"archive {world}/archive is refused: {said}"
    assert at_rest(listing(world)) == at_rest(before)
    assert import_it(world / "archive", home, check_mode, limits={"allocated_bytes": needed}).plan.steps


@_CHECK_MODE
def test_an_image_file_that_the_cache_has_takes_nothing(check_mode: bool, world: Path) -> None:
    home = make_home(world)
    name = APP.layer_names[0]
    home.joinpath(name).write_bytes(APP.files[name])
    needed = taken(*_EROFS) - taken(APP.files[name])
    world.joinpath("bundle").write_bytes(bundle([APP], APP.files))
    assert import_bundle(world / "bundle", home, check_mode, limits={"allocated_bytes": needed}).plan.steps


def test_an_installed_upper_that_is_read_twice_is_limited_where_it_is_spooled(world: Path) -> None:
    described = snapshot(_UPPER, "p", upper__integrity={**sparse_sha256(_UPPER), "digest": "sha256:" + "0" * 64})
    home = make_home(world)
    installed = home / "snapshots/there"
    installed.mkdir()
    installed.joinpath("manifest.json").write_bytes(described.manifest)
    installed.joinpath("upper.ext4").write_bytes(_UPPER)
    world.joinpath("archive").write_bytes(archive(described.members))
    with pytest.raises(FormatError, match="uppers in the archive take more than the 4096 bytes"):
        import_archive(world / "archive", home, check_mode=True, limits={"allocated_bytes": 4096})
