# Copyright: (c) 2026, sandboxops contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Archives with image cache files that are missing, too many, or somebody else's, and caches that have others."""

from __future__ import annotations

from case import Case, accepted, forbidden, refused, tolerated
from image_samples import APP, PIN, Image, carrying, erofs, file_members
from samples import EROFS, LAYER_FIELDS, UPPER, WITH_IMAGE, archive, image_cache, image_metadata, snapshot
from tar_stream import member


def with_cache(members: bytes) -> bytes:
    return archive(WITH_IMAGE.members, members)


def with_metadata(content: bytes) -> bytes:
    return with_cache(image_cache(metadata=content))


FOREIGN_DISK = b'# Disk DescriptorFile\nversion=1\nCID=fffffffe\nparentCID=ffffffff\ncreateType="twoGbMaxExtentFlat"\n'
UNREADABLE_REFERENCE = snapshot(UPPER, "s", image__ref="NOT A REF!", image__manifest_digest=WITH_IMAGE.digest)
HEAD = WITH_IMAGE.digest

CACHE: tuple[Case, ...] = (
    accepted("ok-with-image.tar", with_cache(image_cache()), HEAD),
    accepted("ok-cache-first.tar", archive(image_cache(), WITH_IMAGE.members), HEAD),
    refused("cache-no-metadata.tar", with_cache(image_cache(without=("metadata",))), "metadata"),
    refused("cache-no-fsmeta.tar", with_cache(image_cache(without=("fsmeta",))), "fsmeta"),
    refused("cache-no-vmdk.tar", with_cache(image_cache(without=("vmdk",))), "vmdk"),
    refused("cache-no-layer.tar", with_cache(image_cache(without=("layer",))), "layer"),
    refused("cache-fsmeta-empty.tar", with_cache(image_cache(fsmeta=b"")), "fsmeta"),
    refused("cache-layer-unaligned.tar", with_cache(image_cache(layer=bytes(4097))), "layer"),
    tolerated("cache-layer-wrong-content.tar", with_cache(image_cache(layer=EROFS + b"\xee" * 4096)), HEAD),
    forbidden("cache-layer-not-erofs.tar", with_cache(image_cache(layer=b"\xee" * 4096)), "EROFS"),
    forbidden("cache-fsmeta-zero-filled.tar", with_cache(image_cache(fsmeta=bytes(4096))), "EROFS"),
    tolerated("cache-vmdk-empty.tar", with_cache(image_cache(vmdk=b"")), HEAD),
    forbidden(
        "cache-vmdk-foreign-paths.tar",
        with_cache(
            image_cache(vmdk=FOREIGN_DISK + b'\n# Extent description\nRW 8 FLAT "/etc/shadow" 0\n'),
        ),
        "has 9 lines, expected are 17",
    ),
    refused(
        "cache-extra-layer.tar", with_cache(image_cache() + member("cache/layers/unrelated.erofs", EROFS)), "unrelated"
    ),
    refused(
        "cache-extra-metadata.tar",
        with_cache(image_cache() + member(f"cache/manifests/{'0' * 64}.json", image_metadata())),
        "manifests",
    ),
    refused("cache-metadata-not-json.tar", with_metadata(b"{"), "metadata"),
    refused(
        "cache-metadata-other-digest.tar",
        with_metadata(image_metadata(manifest_digest="sha256:" + "b" * 64)),
        "the snapshot pins",
        "integrity",
    ),
    refused(
        "cache-raw-manifest-mismatch.tar",
        with_metadata(image_metadata(raw_manifest_json="{}")),
        "the raw manifest in metadata",
        "integrity",
    ),
    refused(
        "cache-raw-config-mismatch.tar",
        with_metadata(image_metadata(raw_config_json="{}")),
        "the raw config in metadata",
        "integrity",
    ),
    refused(
        "cache-old-metadata.tar",
        with_metadata(image_metadata(without=("raw_manifest_json", "raw_config_json"))),
        "metadata",
    ),
    accepted("cache-metadata-unknown-field.tar", with_metadata(image_metadata(future_field=1)), HEAD),
    refused(
        "cache-bad-diffid.tar",
        with_metadata(image_metadata(layers=[{**LAYER_FIELDS, "diff_id": "sha256:../../x"}])),
        "diff_id",
    ),
    forbidden(
        "cache-layers-list-lies.tar",
        with_cache(image_cache(without=("layer",), metadata=image_metadata(layers=[]))),
        "layers",
    ),
    refused("cache-ref-unparsable.tar", archive(UNREADABLE_REFERENCE.members, image_cache()), "reference"),
    refused("cache-only.tar", archive(image_cache()), "holds no snapshot"),
    refused("cache-conflict.tar", with_cache(image_cache()), "layer", "state", "cache-layer-differs"),
    accepted("cache-identical.tar", with_cache(image_cache()), HEAD, "cache-identical"),
    refused("cache-target-symlink.tar", with_cache(image_cache()), "layer", "state", "cache-layer-symlink"),
    refused("cache-target-directory.tar", with_cache(image_cache()), "layer", "state", "cache-layer-directory"),
)

OTHER = Image("localhost/other:1", {"base": erofs(b"base"), "other": erofs(b"other")})
OTHER_PIN = OTHER.pinned_by("other")
LOWER, UPPERMOST = APP.layer_names
BELONGS = "which belongs to no image that it pins"
DISK = APP.disk()
MANY_LAYERS = Image(layers={str(number): EROFS for number in range(40)})
TWO_SNAPSHOTS = APP.pinned_by("child", parent=OTHER_PIN.digest)
FAMILY = OTHER_PIN.members + TWO_SNAPSHOTS.members
SAME_REFERENCE = Image(APP.reference, {"base": erofs(b"older")})
OLDER = SAME_REFERENCE.pinned_by("older")
NEWER = APP.pinned_by("newer", parent=OLDER.digest)


def layer(content: bytes) -> bytes:
    return carrying({LOWER: content})


IMAGES: tuple[Case, ...] = (
    # Two images and more.
    accepted("image-whole.tar", carrying(), PIN.digest),
    accepted("image-40-layers.tar", carrying(image=MANY_LAYERS), MANY_LAYERS.pinned_by().digest),
    accepted(
        "image-files-in-any-order.tar", archive(file_members(dict(sorted(APP.files.items()))), PIN.members), PIN.digest
    ),
    tolerated(
        "image-two-with-a-shared-layer.tar", archive(FAMILY, file_members(APP.files, OTHER.files)), TWO_SNAPSHOTS.digest
    ),
    tolerated("image-of-the-head-alone.tar", archive(FAMILY, file_members(APP.files)), TWO_SNAPSHOTS.digest),
    refused("image-of-the-parent-alone.tar", archive(FAMILY, file_members(OTHER.files)), "but not the metadata"),
    refused("image-of-nobody.tar", archive(PIN.members, file_members(APP.files, OTHER.files)), BELONGS),
    refused("image-of-somebody-else.tar", archive(PIN.members, file_members(OTHER.files)), "but not the metadata"),
    refused(
        "image-second-damaged.tar",
        archive(FAMILY, file_members(APP.files, OTHER.files, {OTHER.fsmeta_name: erofs(magic=1)})),
        "has no superblock",
    ),
    refused(
        "image-second-without-metadata.tar",
        archive(FAMILY, file_members(APP.files, {OTHER.fsmeta_name: EROFS})),
        BELONGS,
    ),
    refused(
        "image-second-disk-is-the-first.tar",
        archive(FAMILY, file_members(APP.files, OTHER.files, {OTHER.vmdk_name: DISK.encode()})),
        "has the extent 1",
    ),
    tolerated(
        "image-reference-moved-since-the-parent.tar",
        archive(OLDER.members, NEWER.members, file_members(APP.files)),
        NEWER.digest,
    ),
    refused(
        "image-of-the-reference-before-it-moved.tar",
        archive(OLDER.members, NEWER.members, file_members(SAME_REFERENCE.files)),
        "the snapshot pins",
        "integrity",
    ),
    # Wrong content under a right name.
    refused("image-metadata-is-erofs.tar", carrying({APP.metadata_name: EROFS}), "metadata"),
    refused("image-metadata-is-the-disk.tar", carrying({APP.metadata_name: DISK.encode()}), "is not JSON"),
    refused("image-metadata-is-another.tar", carrying({APP.metadata_name: OTHER.metadata()}), "pins", "integrity"),
    refused("image-disk-is-metadata.tar", carrying({APP.vmdk_name: APP.metadata()}), "line 1 of"),
    refused("image-disk-is-erofs.tar", carrying({APP.vmdk_name: EROFS}), "vmdk"),
    refused("image-layer-is-metadata.tar", layer(APP.metadata().ljust(4096)), "no superblock"),
    refused("image-layer-is-gzip.tar", layer(b"\x1f\x8b\x08".ljust(4096, b"\0")), "no superblock"),
    refused("image-fsmeta-is-the-disk.tar", carrying({APP.fsmeta_name: DISK.encode().ljust(4096)}), "no superblock"),
    refused(
        "image-layers-of-other-lengths.tar", carrying({LOWER: erofs(b"app", 2), UPPERMOST: EROFS}), "has the extent"
    ),
    tolerated("image-layers-swapped.tar", carrying({LOWER: erofs(b"app"), UPPERMOST: erofs(b"base", 2)}), PIN.digest),
    # Unknown kinds and files.
    *(
        refused(f"image-file-{what}.tar", carrying({f"cache/{name}": EROFS}), says)
        for what, name, says in (
            ("of-another-manifest", f"fsmeta/sha256_{'0' * 64}.erofs", BELONGS),
            ("of-another-layer", f"layers/sha256_{'0' * 64}.erofs", BELONGS),
            ("sha512", f"layers/sha512_{'0' * 128}.erofs", BELONGS),
            ("upper-case", LOWER[len("cache/") :].replace("sha256", "SHA256"), BELONGS),
            ("layer-as-fsmeta", "fsmeta/" + LOWER[len("cache/layers/") :], BELONGS),
            ("lease", "layers/.msb-leases/a.lock", ""),
            ("hidden", "layers/.erofs", ""),
            ("publication", f"manifests/{APP.key}.publication", "is no image cache file"),
            ("staging", "layers/a.erofs.part", "is no image cache file"),
            ("blob", "blobs/sha256/00", ""),
            ("index", "index.json", ""),
        )
    ),
    refused("image-disk-of-another.tar", carrying({f"cache/vmdk/sha256_{'0' * 64}.vmdk": DISK.encode()}), BELONGS),
    refused("image-disk-of-no-lines.tar", carrying({f"cache/vmdk/sha256_{'0' * 64}.vmdk": b""}), BELONGS),
    refused(
        "image-metadata-of-another-reference.tar",
        carrying({f"cache/manifests/{OTHER.key}.json": APP.metadata()}),
        BELONGS,
    ),
    refused(
        "image-file-twice.tar", archive(PIN.members, file_members(APP.files), file_members({LOWER: EROFS})), "twice"
    ),
    # A cache that has something else there.
    *(
        refused(f"image-target-{what}.tar", with_cache(image_cache()), says, "state", f"cache-{what}")
        for what, says in (
            ("fsmeta-differs", "force replaces it"),
            ("fsmeta-longer", "is a file of 8192 bytes"),
            ("metadata-moved", "force moves it"),
            ("metadata-symlink", "is no regular file"),
            ("metadata-directory", "is no regular file"),
            ("metadata-fifo", "is no regular file"),
            ("vmdk-symlink", "is no regular file"),
            ("vmdk-directory", "is no regular file"),
            ("vmdk-fifo", "is no regular file"),
            ("layer-fifo", "is no regular file"),
            ("layer-dangling", "is no regular file"),
            ("manifests-kind-symlink", "is no regular file"),
            ("layers-kind-symlink", "is no regular file"),
            ("fsmeta-kind-symlink", "is no regular file"),
            ("vmdk-kind-file", "is no regular file"),
        )
    ),
    tolerated("image-target-metadata-damaged.tar", with_cache(image_cache()), HEAD, "cache-metadata-damaged"),
    tolerated("image-target-vmdk-foreign.tar", with_cache(image_cache()), HEAD, "cache-vmdk-foreign"),
)
