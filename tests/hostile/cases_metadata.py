# Copyright: (c) 2026, sandboxops contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Archives whose image metadata names other digests, or is a bomb."""

from __future__ import annotations

import json
from collections.abc import Callable

from case import Case, refused, tolerated
from image_samples import APP, PIN, Image, carrying
from samples import sha256

FIELDS = APP.metadata_fields()
LAYERS = FIELDS["layers"]
MOST_METADATA = 2 << 20
TRICKY = Image("localhost/tricky:1", config_changes={"config": {"Env": ["A=1"], "Labels": {"a": "\u202e{{ 7*7 }}"}}})
NO_LAYERS_RAW = Image("localhost/bare:1", raw_changes={"layers": []}, config_changes={"rootfs": {"diff_ids": []}})
BOMB = Image("localhost/bomb:1", raw_changes={"annotations": [[]] * 200_000})
DEEP = Image("localhost/deep:1", raw_changes={"annotations": json.loads("[" * 150 + "]" * 150)})


def spelt(old: str, new: str, image: Image = APP) -> bytes:
    """Return an archive whose metadata has other text at one place."""
    text = image.metadata().decode()
    if old not in text:
        raise ValueError(old)
    return carrying({image.metadata_name: text.replace(old, new, 1).encode()}, image)


def lying(**changes: object) -> bytes:
    return carrying({APP.metadata_name: APP.metadata(**changes)})


def with_unknown_field(content: str, size: int) -> Callable[[], bytes]:
    """Return what makes metadata of that size by a field that nobody reads."""

    def build() -> bytes:
        text = APP.metadata().decode()[:-1] + ',"future":['
        count = (size - len(text) - 2) // (len(content) + 1)
        filled = text + ",".join([content] * count) + "]}"
        return carrying({APP.metadata_name: filled.ljust(size).encode()})

    return build


METADATA: tuple[Case, ...] = (
    # Metadata that names other digests.
    *(
        refused(f"image-metadata-{what}.tar", lying(**changes), says, code)
        for what, changes, says, code in (
            ("layers-swapped", {"layers": LAYERS[::-1]}, "its raw manifest says", "integrity"),
            ("layer-missing", {"layers": LAYERS[:1]}, "has 1 layers", "integrity"),
            ("layer-twice", {"layers": [*LAYERS, LAYERS[1]]}, "has 3 layers", "integrity"),
            ("other-blob", {"layers": [{**LAYERS[0], "digest": sha256(b"x")}, LAYERS[1]]}, "digest in", "integrity"),
            ("other-diff-id", {"layers": [{**LAYERS[0], "diff_id": sha256(b"x")}, LAYERS[1]]}, "diff_id", "integrity"),
            ("other-config", {"config_digest": sha256(b"x")}, "the raw config in", "integrity"),
            ("env", {"config": {**FIELDS["config"], "env": ["A=2"]}}, "config.env in", "integrity"),
            ("user", {"config": {**FIELDS["config"], "user": "root"}}, "config.user in", "integrity"),
            ("upper-case", {"manifest_digest": APP.digest.upper()}, "manifest_digest", "format"),
            ("sha512", {"config_digest": "sha512:" + "0" * 128}, "config_digest", "format"),
            ("digest-null", {"manifest_digest": None}, "manifest_digest", "format"),
            ("layers-null", {"layers": None}, "layers", "format"),
            ("layer-of-text", {"layers": ["x"]}, "is the string 'x', not an object", "format"),
            ("size-negative", {"layers": [{**LAYERS[0], "size_bytes": -1}, LAYERS[1]]}, "is the number -1", "format"),
            ("size-2-to-the-64", {"layers": [{**LAYERS[0], "size_bytes": 1 << 64}, LAYERS[1]]}, "size_bytes", "format"),
        )
    ),
    *(
        refused(f"image-{what}.tar", carrying(image=image), says, code)
        for what, image, says, code in (
            (
                "raw-manifest-other-config",
                Image(raw_changes={"config": {"digest": sha256(b"x")}}),
                "config_digest",
                "integrity",
            ),
            ("raw-manifest-no-object", Image(raw_changes={"layers": [1]}), "raw_manifest_json.layers[0]", "format"),
            (
                "raw-manifest-layers-null",
                Image(raw_changes={"layers": {"a": 1}}),
                "layers in the raw manifest",
                "format",
            ),
            (
                "raw-config-swapped",
                Image(config_changes={"rootfs": {"diff_ids": APP.diff_ids[::-1]}}),
                "diff_id",
                "integrity",
            ),
            (
                "raw-config-diff-id-number",
                Image(config_changes={"rootfs": {"diff_ids": [1, 2]}}),
                "diff_ids[0]",
                "format",
            ),
            ("raw-config-env", Image(config_changes={"config": {"Env": ["A=2"]}}), "config.env in", "integrity"),
        )
    ),
    tolerated("image-raw-texts-list-no-layers.tar", carrying(image=NO_LAYERS_RAW), NO_LAYERS_RAW.pinned_by().digest),
    refused("image-tricky-labels-left-out.tar", carrying(image=TRICKY), "config.labels in", "integrity"),
    # Bombs of JSON.
    refused("image-json-nested-100000.tar", carrying({APP.metadata_name: b"[" * 100_000}), "nested deeper"),
    refused(
        "image-json-nested-inside.tar", spelt('"labels":{}', '"labels":' + '{"a":' * 200 + "1" + "}" * 200), "nested"
    ),
    refused("image-json-raw-manifest-nested.tar", carrying(image=DEEP), "nested deeper"),
    tolerated("image-json-raw-manifest-bomb.tar", lambda: carrying(image=BOMB), BOMB.pinned_by().digest),
    *(
        tolerated(f"image-json-2-MiB-of-{what}.tar", with_unknown_field(text, MOST_METADATA), PIN.digest)
        for what, text in (
            ("objects", "{}"),
            ("arrays", "[]"),
            ("exponents", "1e0"),
            ("big-numbers", "9" * 21),
            ("small-numbers", "1000"),
            ("texts", '"ab"'),
            ("half-filled-objects", '{"":{}}'),
            ("escapes", '"\\u00e9"'),
        )
    ),
    refused(
        "image-json-2-MiB-and-a-byte.tar", with_unknown_field("{}", MOST_METADATA + 1), "at most 2097152 stored ones"
    ),
    refused(
        "image-json-number-of-a-megabyte.tar", spelt('"size_bytes":10', '"size_bytes":' + "9" * 1_000_000), "size_bytes"
    ),
    refused("image-json-huge-exponent.tar", spelt('"size_bytes":10', '"size_bytes":1e999999999'), "is the number"),
    refused("image-json-fraction.tar", spelt('"size_bytes":10', '"size_bytes":10.0'), "is the number '10.0'"),
    refused("image-json-field-twice.tar", spelt('"layers":', '"layers":[],"layers":'), "has the field 'layers' twice"),
    refused("image-json-field-twice-escaped.tar", spelt('"layers":', '"l\\u0061yers":[],"layers":'), "'layers' twice"),
    refused("image-json-field-twice-inside.tar", spelt('"diff_id":', '"diff_id":"x","diff_id":'), "'diff_id' twice"),
    refused("image-json-half-surrogate.tar", spelt('"media_type":"l"', '"media_type":"\\ud800"'), "half a surrogate"),
    refused("image-json-nan.tar", spelt('"size_bytes":10', '"size_bytes":NaN'), "holds NaN"),
    refused("image-json-bom.tar", carrying({APP.metadata_name: b"\xef\xbb\xbf" + APP.metadata()}), "byte order mark"),
    refused("image-json-text-after.tar", carrying({APP.metadata_name: APP.metadata() + b"{}"}), "is not JSON"),
    refused("image-json-utf-16.tar", carrying({APP.metadata_name: APP.metadata().decode().encode("utf-16")}), "UTF-8"),
)
