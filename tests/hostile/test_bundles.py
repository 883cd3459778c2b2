# Copyright: (c) 2026, sandboxops contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Bundles of images whose members or whose table of contents lie."""

from __future__ import annotations

from pathlib import Path
from typing import Any, NamedTuple

import pytest
from ansible_collections.sandboxops.microsandbox.plugins.module_utils._core.errors import MicrosandboxError
from image_samples import APP, PIN, Image, bundle, erofs
from importing import at_rest, import_archive, import_bundle, listing, make_home
from samples import EROFS, PLAIN, archive
from tar_stream import directory, member

OTHER = Image("localhost/other:1", {"base": erofs(b"base"), "other": erofs(b"other")})
LOWER, UPPERMOST = APP.layer_names
BASE = APP.diff_ids[0]
BOTH = {**APP.files, **OTHER.files}
WITHOUT_LOWER = {name: content for name, content in APP.files.items() if name != LOWER}
WHOLE = bundle([APP], APP.files)


class Lie(NamedTuple):
    """A bundle that is refused.

    Attributes:
        content: The bundle.
        says: What the error's message contains.
        code: The error's code.
        options: What the task asks for.
    """

    content: bytes
    says: str
    code: str = "format"
    options: dict[str, Any] = {}  # noqa: RUF012 - nobody changes it


def naming(*pairs: tuple[str, str]) -> list[dict[str, str]]:
    return [{"reference": reference, "manifest_digest": digest} for reference, digest in pairs]


LIES = {
    "no table of contents": Lie(bundle([APP], APP.files, tail=b""), "has no table of contents"),
    "half a table of contents": Lie(WHOLE[:-1], "has no table of contents"),
    "a table of another length": Lie(bundle([APP], APP.files, archive_bytes=1024), "has no table of contents"),
    "a table of another schema": Lie(bundle([APP], APP.files, schema="x/2"), "has no table of contents"),
    "a table with 257 images": Lie(
        bundle([APP], APP.files, images=naming(*[("a", APP.digest)] * 257)), "has no table of contents"
    ),
    "an archive of snapshots": Lie(
        bundle([APP], APP.files, PIN.members, head=PIN.digest, digests=[PIN.digest]), "is an archive of snapshots"
    ),
    "a table without images": Lie(bundle([], APP.files), "not a bundle of images"),
    "a snapshot among the images": Lie(bundle([APP], APP.files, PLAIN.members), "it holds a snapshot"),
    "a snapshot's directory": Lie(bundle([APP], APP.files, directory("s")), "it holds a snapshot"),
    "nothing": Lie(bundle([APP], {}), "names 1 images, it holds 0"),
    "one image of two": Lie(bundle([APP, OTHER], APP.files), "names 2 images, it holds 1"),
    "an image too many": Lie(bundle([APP], BOTH), "which belongs to no image that it pins"),
    "a layer too many": Lie(bundle([APP], {**APP.files, "cache/layers/a.erofs": EROFS}), "belongs to no image"),
    "only another image": Lie(bundle([APP], OTHER.files), "but not the metadata"),
    "a second image that is damaged": Lie(
        bundle([APP, OTHER], {**BOTH, OTHER.layer_names[1]: erofs(magic=1)}), "has no superblock"
    ),
    "a second image with the first one's metadata": Lie(
        bundle([APP, OTHER], {**BOTH, OTHER.metadata_name: APP.metadata()}), "the snapshot pins", "integrity"
    ),
    "a second image cut off": Lie(bundle([APP, OTHER], BOTH)[:-9000], "has no table of contents"),
    "another digest": Lie(
        bundle([APP], APP.files, images=naming((APP.reference, OTHER.digest))), "the snapshot pins", "integrity"
    ),
    "another name": Lie(bundle([APP], APP.files, images=naming(("localhost/b:1", APP.digest))), "but not the metadata"),
    "one name for two digests": Lie(
        bundle([APP], APP.files, images=naming((APP.reference, APP.digest), (APP.reference, OTHER.digest))),
        "names 2 images, it holds 1",
    ),
    "a name that is none": Lie(
        bundle([APP], APP.files, images=naming(("NOT A REF!\x1b[31m", APP.digest))), "reference"
    ),
    "an excluded layer that is nowhere": Lie(
        bundle([APP], WITHOUT_LOWER, excluded_layers=[BASE]), "is missing; the archive leaves it out", "state"
    ),
    "a layer left out in silence": Lie(bundle([APP], WITHOUT_LOWER), "archive lacks a file of image"),
    "a layer left out for another": Lie(
        bundle([APP], WITHOUT_LOWER, excluded_layers=[APP.diff_ids[1]]), "archive lacks a file of image"
    ),
    "a tree that is excluded": Lie(
        bundle([APP], {k: v for k, v in APP.files.items() if "fsmeta" not in k}, excluded_layers=[APP.digest]),
        "archive lacks a file of image",
    ),
    "an excluded layer that nothing describes": Lie(
        bundle([APP], {**WITHOUT_LOWER, APP.vmdk_name: b"# vmdk"}, excluded_layers=[BASE]), "archive lacks a file"
    ),
    "an excluded path": Lie(bundle([APP], WITHOUT_LOWER, excluded_layers=["../../etc/shadow"]), "has no table"),
    "a file that leads out": Lie(
        bundle([APP], APP.files, cache_files=[{"name": "../../x", "size_bytes": 1}]), "has no table of contents"
    ),
    "a layout that is none": Lie(bundle([APP], APP.files, layout="odd"), "has no table of contents"),
    "a compression that is none": Lie(bundle([APP], APP.files, compression="\x1b[31m"), "has no table of contents"),
    "an excluded number": Lie(bundle([APP], WITHOUT_LOWER, excluded_layers=[1]), "has no table of contents"),
    "a pin of another image": Lie(WHOLE, "which", "request", {"pin": {"localhost/b:1": APP.digest}}),
    "a pin of another digest": Lie(WHOLE, "pinned is", "integrity", {"pin": {APP.reference: OTHER.digest}}),
    "a pin that is no digest": Lie(WHOLE, "pin", "request", {"pin": {APP.reference: "latest"}}),
    "another checksum": Lie(WHOLE, "has the checksum", "integrity", {"checksum": OTHER.digest}),
    "a limit on its size": Lie(WHOLE, "apparent bytes", "format", {"limits": {"apparent_bytes": 8192}}),
}


@pytest.mark.parametrize("check_mode", [False, True], ids=["for real", "check mode"])
@pytest.mark.parametrize("name", LIES)
def test_a_bundle_that_lies_leaves_no_trace(name: str, check_mode: bool, world: Path) -> None:
    lie, home = LIES[name], make_home(world)
    world.joinpath("bundle").write_bytes(lie.content)
    before = listing(world)
    with pytest.raises(MicrosandboxError) as caught:
        import_bundle(world / "bundle", home, check_mode, **lie.options)
    assert (caught.value.code, lie.says in caught.value.message) == (lie.code, True), caught.value.message
    assert caught.value.message.isprintable()
    after = listing(world)
    assert (after if check_mode else at_rest(after)) == (before if check_mode else at_rest(before))


@pytest.mark.parametrize("how", ["shorter", "damaged", "directory"])
def test_an_excluded_layer_has_to_be_the_one_that_is_described(how: str, world: Path) -> None:
    home = make_home(world)
    layer = home / UPPERMOST
    if how == "directory":
        layer.mkdir()
    else:
        layer.write_bytes(EROFS if how == "shorter" else bytes(8192))
    files = {name: content for name, content in APP.files.items() if name != UPPERMOST}
    world.joinpath("bundle").write_bytes(bundle([APP], files, excluded_layers=[APP.diff_ids[1]]))
    before = listing(world)
    with pytest.raises(MicrosandboxError) as caught:
        import_bundle(world / "bundle", home)
    assert (caught.value.code, str(layer) in caught.value.message) == ("state", True)
    assert at_rest(listing(world)) == at_rest(before)


@pytest.mark.parametrize(
    "changes",
    [
        pytest.param({}, id="nothing"),
        pytest.param({"cache_files": []}, id="no files"),
        pytest.param({"cache_files": [{"name": "layers/x.erofs", "size_bytes": 1}]}, id="foreign files"),
        pytest.param({"compression": "zstd", "level": 99, "layout": "sparse"}, id="how it was made"),
        pytest.param({"suggested_name": "../x"}, id="a name for no snapshot"),
        pytest.param({"excluded_layers": [BASE]}, id="a layer that it carries all the same"),
        pytest.param({"excluded_layers": ["sha256:" + "0" * 64]}, id="a layer of nobody"),
        pytest.param({"images": naming((APP.reference, APP.digest), (APP.reference, APP.digest))}, id="an image twice"),
    ],
)
def test_what_a_table_says_beyond_its_images_decides_nothing(changes: dict[str, Any], world: Path) -> None:
    home = make_home(world)
    world.joinpath("bundle").write_bytes(bundle([APP], APP.files, **changes))
    outcome = import_bundle(world / "bundle", home)
    assert outcome.results["images"][0]["boots_offline"]
    files = {name: content for name, content in APP.files.items() if name != APP.vmdk_name}
    assert {name: home.joinpath(name).read_bytes() for name in files} == files
    assert home.joinpath(APP.vmdk_name).read_text("utf-8") == APP.disk(str(home.resolve() / "cache"))
    before = listing(world)
    assert import_bundle(world / "bundle", home).plan.steps == ()
    assert listing(world) == before


def test_a_bundle_is_no_archive_of_snapshots(world: Path) -> None:
    home = make_home(world)
    world.joinpath("bundle").write_bytes(WHOLE)
    before = listing(world)
    with pytest.raises(MicrosandboxError, match="holds no snapshot"):
        import_archive(world / "bundle", home)
    assert at_rest(listing(world)) == at_rest(before)


def test_an_archive_of_another_program_is_no_bundle(world: Path) -> None:
    home = make_home(world)
    world.joinpath("bundle").write_bytes(archive(member("cache/layers/a.erofs", EROFS)))
    with pytest.raises(MicrosandboxError, match="has no table of contents"):
        import_bundle(world / "bundle", home)
