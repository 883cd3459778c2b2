# Copyright: (c) 2026, sandboxops contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Images that our archives bring along are installed by microsandbox, which then starts without a registry."""

from __future__ import annotations

import json
import tarfile
from pathlib import Path
from typing import Callable

import pytest
from cache_listing import cache_files, image_files, moved
from loopback_registry import LoopbackRegistry
from our_modules import ModuleFailure, OurModules
from real_062 import Sdk062
from real_0711 import Msb0711, MsbRefusal
from sandbox_image import APP, BASE, REPEATED, SandboxImage

_NAMES = ["base", "app", "repeated"]
_NO_HOME = Path("/microsandbox")  # what a descriptor in our archives names, so that they are alike on every host

OnHome062 = Callable[[str], Sdk062]
OnHome0711 = Callable[[str], Msb0711]
OnHomeOurs = Callable[[str], OurModules]


def _export(modules: OurModules, snapshot: str | Path, **options: object) -> Path:
    """Return our archive of a snapshot with its image."""
    archive = modules.home.parent / "golden.tar.zst"
    modules.run("snapshot_archive", state="exported", snapshot=snapshot, path=archive, with_image=True, **options)
    return archive


def _cache_members(archive: Path) -> dict[str, bytes]:
    """Return the image cache files in a tar archive by ``<kind>/<name>``, in its order."""
    with tarfile.open(archive) as tar:
        members = [member for member in tar.getmembers() if member.name.startswith("cache/")]
        contents = {member.name[len("cache/") :]: tar.extractfile(member).read() for member in members}
    assert len(contents) == len(members), "a member occurs twice"
    return contents


@pytest.mark.parametrize("name", _NAMES)
def test_our_archive_ships_the_cache_files_that_an_archive_of_062_ships(
    images_062: Sdk062, ours: OnHomeOurs, name: str
) -> None:
    theirs, mine = images_062.home.parent / "theirs.tar", images_062.home.parent / "ours.tar"
    images_062.call("export", name_or_path=name, out=theirs, with_image=True, plain_tar=True)

    result = ours("builder").run("snapshot_archive", state="exported", snapshot=name, path=mine, with_image=True)

    shipped = _cache_members(mine)
    assert shipped == moved(_cache_members(theirs), images_062.home, _NO_HOME)
    assert list(shipped) == list(_cache_members(theirs))
    assert result["archive"]["members"][-len(shipped) :] == [f"cache/{name}" for name in shipped]


@pytest.mark.parametrize("name", _NAMES)
def test_our_archive_with_an_image_is_imported_by_062_which_then_starts_offline(
    images_062: Sdk062, sdk062: OnHome062, ours: OnHomeOurs, name: str
) -> None:
    opened = images_062.call("open", path_or_name=name)
    archive = _export(ours("builder"), name, layout="dense")
    target = sdk062("target")

    imported = target.call("import", archive=archive)

    assert imported["digest"] == opened["digest"]
    shipped = image_files(images_062.home, opened["image_manifest_digest"])
    assert cache_files(target.home) == moved(shipped, images_062.home, _NO_HOME)
    assert target.offline_refusal(opened["image_ref"]) is None


@pytest.mark.parametrize("layout", ["dense", "sparse"])
@pytest.mark.parametrize("name", _NAMES)
def test_our_archive_with_an_image_is_imported_by_0711_which_then_starts_offline(
    images_062: Sdk062, msb0711: OnHome0711, ours: OnHomeOurs, name: str, layout: str
) -> None:
    opened = images_062.call("open", path_or_name=name)
    archive = _export(ours("builder"), name, layout=layout)
    msb = msb0711("target")

    msb.run("snapshot", "import", archive)

    (row,) = msb.snapshots()
    assert "verified (" in msb.run("snapshot", "verify", row["artifact_path"])
    shipped = image_files(images_062.home, opened["image_manifest_digest"])
    assert cache_files(msb.home) == moved(shipped, images_062.home, msb.home)
    assert msb.offline_refusal(opened["image_ref"]) is None


@pytest.mark.parametrize("image", [BASE, APP, REPEATED], ids=_NAMES)
def test_an_image_that_0711_loaded_travels_in_our_archive_to_every_version_and_to_us(
    images_0711: Msb0711, sdk062: OnHome062, msb0711: OnHome0711, ours: OnHomeOurs, image: SandboxImage
) -> None:
    path = images_0711.home.parent / "golden"
    captured = ours("builder7").run("snapshot", sandbox=image.name.partition(":")[0], path=path)["snapshot"]
    assert captured["image"]["boots_offline"] is True
    archive = _export(ours("builder7"), path, layout="dense")
    sdk, msb, own = sdk062("target6"), msb0711("target7"), ours("target")

    sdk.call("import", archive=archive)
    msb.run("snapshot", "import", archive)
    (snapshot,) = own.run("snapshot_archive", state="imported", path=archive, name="golden")["snapshots"]

    assert snapshot["image"]["boots_offline"] is True
    shipped = image_files(images_0711.home, captured["image"]["manifest_digest"])
    for home, named in ((sdk.home, _NO_HOME), (msb.home, msb.home), (own.home, own.home)):
        assert cache_files(home) == moved(shipped, images_0711.home, named)
    assert sdk.offline_refusal(image.reference) is None
    assert msb.offline_refusal(image.reference) is None
    assert msb0711("target").offline_refusal(image.reference) is None


def test_an_unchanged_image_is_not_exported_a_second_time(images_062: Sdk062, ours: OnHomeOurs) -> None:
    archive = _export(ours("builder"), "app")
    before = archive.stat()

    again = ours("builder").run("snapshot_archive", state="exported", snapshot="app", path=archive, with_image=True)

    assert again["changed"] is False
    after = archive.stat()
    assert (after.st_ino, after.st_mtime_ns, after.st_ctime_ns) == (
        before.st_ino,
        before.st_mtime_ns,
        before.st_ctime_ns,
    )


def test_what_we_imported_is_exported_again_as_the_same_bytes(
    images_062: Sdk062, sdk062: OnHome062, ours: OnHomeOurs
) -> None:
    archive = _export(ours("builder"), "repeated")
    sdk062("target").call("list")
    ours("target").run("snapshot_archive", state="imported", path=archive, name="repeated")
    first = archive.read_bytes()
    archive.unlink()

    again = _export(ours("target"), "repeated")

    assert again.read_bytes() == first


def test_an_archive_without_the_image_is_written_anew_once_the_image_is_wanted(
    images_062: Sdk062, sdk062: OnHome062, ours: OnHomeOurs
) -> None:
    archive = images_062.home.parent / "golden.tar.zst"
    options = {"state": "exported", "snapshot": "app", "path": archive}
    assert ours("builder").run("snapshot_archive", **options)["changed"] is True

    again = ours("builder").run("snapshot_archive", with_image=True, **options)

    assert again["changed"] is True
    target = sdk062("target")
    target.call("import", archive=archive)
    assert len(cache_files(target.home)) == 6


def test_an_image_whose_tag_has_moved_is_not_exported_and_the_error_names_both_digests(
    images_062: Sdk062, ours: OnHomeOurs, registry: LoopbackRegistry
) -> None:
    pinned = images_062.call("open", path_or_name="base")["image_manifest_digest"]
    images_062.make_pulled_sandbox("other", registry.publish(SandboxImage(BASE.name, APP.layers)), pull_policy="ALWAYS")
    images_062.call("create", source_sandbox="other", name="other")
    current = images_062.call("open", path_or_name="other")["image_manifest_digest"]

    with pytest.raises(ModuleFailure) as failure:
        _export(ours("builder"), "base")

    assert failure.value.result["error"]["code"] == "state"
    assert pinned in failure.value.result["msg"]
    assert current in failure.value.result["msg"]
    assert not list(images_062.home.parent.glob("golden*"))


@pytest.mark.parametrize("kind", ["manifests", "fsmeta", "layers"])
def test_an_image_of_which_a_file_is_missing_is_not_exported(images_062: Sdk062, ours: OnHomeOurs, kind: str) -> None:
    for path in (images_062.home / "cache" / kind).glob("[!.]*"):
        path.unlink()

    with pytest.raises(ModuleFailure) as failure:
        _export(ours("builder"), "base")

    assert failure.value.result["error"]["code"] == "state"
    assert not list(images_062.home.parent.glob("golden*"))


@pytest.mark.parametrize("spelling", ["buildkit", "docker", "debian"])
def test_a_pulled_image_travels_with_its_manifest_as_the_registry_serves_it(
    sdk062: OnHome062, msb0711: OnHome0711, ours: OnHomeOurs, registry: LoopbackRegistry, spelling: str
) -> None:
    builder, reference = sdk062("builder"), registry.publish(BASE, name=f"{spelling}:1", spelling=spelling)
    builder.make_pulled_sandbox("base", reference)
    builder.call("create", source_sandbox="base", name="base", record_integrity=True)
    archive = _export(ours("builder"), "base", layout="dense")
    sdk, msb, own = sdk062("target6"), msb0711("target7"), ours("target")

    sdk.call("import", archive=archive)
    msb.run("snapshot", "import", archive)
    (snapshot,) = own.run("snapshot_archive", state="imported", path=archive, name="base")["snapshots"]

    assert snapshot["image"]["boots_offline"] is True
    (metadata,) = (content for name, content in cache_files(own.home).items() if name.startswith("manifests/"))
    assert json.loads(metadata)["raw_manifest_json"].encode() == BASE.manifest(spelling)
    for home, named in ((sdk.home, _NO_HOME), (msb.home, msb.home)):
        assert cache_files(home) == moved(cache_files(own.home), own.home, named)
    assert sdk.offline_refusal(reference) is None
    assert msb.offline_refusal(reference) is None
    assert msb0711("target").offline_refusal(reference) is None


@pytest.mark.parametrize("spelling", ["buildkit", "docker", "debian"])
def test_a_pulled_image_travels_in_a_bundle(
    sdk062: OnHome062, ours: OnHomeOurs, registry: LoopbackRegistry, spelling: str
) -> None:
    reference = registry.publish(BASE, name=f"{spelling}:1", spelling=spelling)
    sdk062("builder").make_pulled_sandbox("base", reference)
    bundle = sdk062("builder").home.parent / "bundle.tar.zst"

    ours("builder").run("image_cache_bundle", state="exported", path=bundle, images=[reference])
    result = ours("target").run("image_cache_bundle", state="imported", path=bundle)

    assert [image["boots_offline"] for image in result["images"]] == [True]
    assert sdk062("target").offline_refusal(reference) is None


@pytest.mark.parametrize("spelling", ["buildkit", "docker", "debian"])
def test_a_bundle_is_the_same_bytes_whichever_version_pulled_the_image(
    sdk062: OnHome062, msb0711: OnHome0711, ours: OnHomeOurs, registry: LoopbackRegistry, spelling: str
) -> None:
    reference = registry.publish(BASE, name=f"{spelling}:1", spelling=spelling)
    sdk062("builder6").make_pulled_sandbox("base", reference)
    msb0711("builder7").run("pull", "--insecure", reference)
    bundles = []
    for name in ("builder6", "builder7"):
        bundles.append(sdk062(name).home.parent / f"{name}.tar.zst")
        ours(name).run("image_cache_bundle", state="exported", path=bundles[-1], images=[reference])

    assert bundles[0].read_bytes() == bundles[1].read_bytes()


def test_our_archive_of_an_image_that_0711_pulled_itself_is_refused_there_for_its_other_spelling(
    sdk062: OnHome062, msb0711: OnHome0711, ours: OnHomeOurs, registry: LoopbackRegistry
) -> None:
    reference = registry.publish(BASE, name="docker:1", spelling="docker")
    sdk062("builder").make_pulled_sandbox("base", reference)
    sdk062("builder").call("create", source_sandbox="base", name="base", record_integrity=True)
    msb0711("target").run("pull", "--insecure", reference)
    archive = _export(ours("builder"), "base", layout="dense")

    with pytest.raises(MsbRefusal, match=r"different content: .*/cache/manifests/"):
        msb0711("target").run("snapshot", "import", archive)


def test_an_image_whose_manifest_nobody_can_restore_is_not_exported(
    sdk062: OnHome062, ours: OnHomeOurs, registry: LoopbackRegistry
) -> None:
    sdk = sdk062("builder")
    sdk.make_pulled_sandbox("base", registry.publish(BASE, name="unknown:1", spelling="unknown"))
    sdk.call("create", source_sandbox="base", name="base")

    with pytest.raises(ModuleFailure, match="load the image with msb load from an archive instead") as failure:
        _export(ours("builder"), "base")

    assert failure.value.result["error"]["code"] == "state"
    assert not list(sdk.home.parent.glob("golden*"))
