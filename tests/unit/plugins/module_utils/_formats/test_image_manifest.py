# Copyright: (c) 2026, sandboxops contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Texts of image manifests as registries serve them, found again from what a pull keeps of them."""

from __future__ import annotations

import base64
import hashlib
import json
from typing import Any

import pytest
from ansible_collections.sandboxops.microsandbox.plugins.module_utils._formats.image_manifest import restore_manifest
from hypothesis import given
from hypothesis import strategies as st

CONFIG = '{"architecture":"amd64","os":"linux","rootfs":{"type":"layers","diff_ids":[]}}'
A, B, C = ("sha256:" + digit * 64 for digit in "abc")
_KEPT = {
    "manifest": ["schemaVersion", "mediaType", "config", "layers", "subject", "artifactType", "annotations"],
    "descriptor": ["mediaType", "digest", "size", "urls", "annotations", "artifactType"],
}


def sha256(text: str) -> str:
    return "sha256:" + hashlib.sha256(text.encode()).hexdigest()


def pulled(text: str) -> str:
    """Return what versions 0.6.2 and 0.7.11 were seen to keep of a manifest that they pull."""
    manifest = _kept(json.loads(text), "manifest")
    for name in ("config", "subject"):
        if name in manifest:
            manifest[name] = _kept(manifest[name], "descriptor")
    manifest["layers"] = [_kept(layer, "descriptor") for layer in manifest["layers"]]
    return json.dumps(manifest, ensure_ascii=False, separators=(",", ":"))


def _kept(members: dict[str, Any], kind: str) -> dict[str, Any]:
    if "annotations" in members:
        members["annotations"] = dict(sorted(members["annotations"].items()))
    return {name: members[name] for name in _KEPT[kind] if name in members}


# The image hello-world of Docker Hub for amd64 as it was from 2019 to 2021, and its digest there.
HELLO_WORLD = """{
   "schemaVersion": 2,
   "mediaType": "application/vnd.docker.distribution.manifest.v2+json",
   "config": {
      "mediaType": "application/vnd.docker.container.image.v1+json",
      "size": 1510,
      "digest": "sha256:fce289e99eb9bca977dae136fbe2a82b6b7d4c372474c9235adc1741675f587e"
   },
   "layers": [
      {
         "mediaType": "application/vnd.docker.image.rootfs.diff.tar.gzip",
         "size": 977,
         "digest": "sha256:1b930d010525941c1d56ec53b97bd057a67ae1865eebf042686d2a2d18271ced"
      }
   ]
}"""
HELLO_WORLD_DIGEST = "sha256:92c7f9c92844bbbb5d0a101b22f7c2a7949e40f8ea90c8b3bc396879d95e899a"

# The image alpine:3.22.1 of Docker Hub for amd64, and its digest there.
ALPINE = """{
  "schemaVersion": 2,
  "mediaType": "application/vnd.oci.image.manifest.v1+json",
  "config": {
    "mediaType": "application/vnd.oci.image.config.v1+json",
    "digest": "sha256:9234e8fb04c47cfe0f49931e4ac7eb76fa904e33b7f8576aec0501c085f02516",
    "size": 581
  },
  "layers": [
    {
      "mediaType": "application/vnd.oci.image.layer.v1.tar+gzip",
      "digest": "sha256:9824c27679d3b27c5e1cb00a73adb6f4f8d556994111c12db3c5d61a0c843df8",
      "size": 3799689
    }
  ],
  "annotations": {
    "com.docker.official-images.bashbrew.arch": "amd64",
    "org.opencontainers.image.base.name": "scratch",
    "org.opencontainers.image.created": "2025-07-15T11:01:16Z",
    "org.opencontainers.image.revision": "01dd5fbd09e25f6c040627eedf18bbfccfa9ad6e",
    "org.opencontainers.image.source": "https://github.com/alpinelinux/docker-alpine.git#01dd5fbd09e25f6c040627eedf18\
bbfccfa9ad6e:x86_64",
    "org.opencontainers.image.url": "https://hub.docker.com/_/alpine",
    "org.opencontainers.image.version": "3.22.1"
  }
}"""
ALPINE_DIGEST = "sha256:eafc1edb577d2e9b458664a15f23ea1c370214193226069eb22921169fc7e43f"

BUILDKIT = f"""{{
  "schemaVersion": 2,
  "mediaType": "application/vnd.oci.image.manifest.v1+json",
  "config": {{
    "mediaType": "application/vnd.oci.image.config.v1+json",
    "digest": "{A}",
    "size": 581
  }},
  "layers": [
    {{
      "mediaType": "application/vnd.oci.image.layer.v1.tar+gzip",
      "digest": "{B}",
      "size": 3796846
    }},
    {{
      "mediaType": "application/vnd.oci.image.layer.v1.tar+gzip",
      "digest": "{C}",
      "size": 17
    }}
  ],
  "annotations": {{
    "com.docker.official-images.bashbrew.arch": "amd64",
    "org.opencontainers.image.authors": "A \\u0026 B \\u003cab@example.com\\u003e",
    "org.opencontainers.image.description": "kr\u00e4ftig\\u2028 \U0001f433 \\"x\\" \\\\ \\t"
  }}
}}"""

OLD_BUILDKIT = f"""{{
  "mediaType": "application/vnd.docker.distribution.manifest.v2+json",
  "schemaVersion": 2,
  "config": {{
    "mediaType": "application/vnd.docker.container.image.v1+json",
    "digest": "{A}",
    "size": 1
  }},
  "layers": [
    {{
      "mediaType": "application/vnd.docker.image.rootfs.foreign.diff.tar.gzip",
      "digest": "{B}",
      "size": 2,
      "urls": [
        "https://example.com/layer?a=1\\u0026b=2"
      ]
    }}
  ]
}}"""

DOCKER_COMMIT = OLD_BUILDKIT.replace("  ", "    ").replace("docker.distribution.manifest.v2", "oci.image.manifest.v1")

PODMAN = (
    f'{{"schemaVersion":2,"config":{{"mediaType":"application/vnd.oci.image.config.v1+json","digest":"{A}","size":3}},'
    f'"layers":[{{"mediaType":"application/vnd.oci.image.layer.v1.tar+gzip","digest":"{B}","size":2}}],'
    '"annotations":{"org.opencontainers.image.base.digest":"","org.opencontainers.image.base.name":""}}'
)

UMOCI = PODMAN + "\n"

CRANE = (
    f'{{"schemaVersion":2,"mediaType":"application/vnd.docker.distribution.manifest.v2+json","config":{{"mediaType":'
    f'"application/vnd.docker.container.image.v1+json","size":3,"digest":"{A}"}},"layers":[{{"mediaType":'
    f'"application/vnd.docker.image.rootfs.diff.tar.gzip","size":2,"digest":"{B}","annotations":{{"a":"b"}}}}],'
    f'"annotations":{{"c":"d"}},"subject":{{"mediaType":"x/y","size":5,"digest":"{C}"}}}}'
)

ORAS = (
    '{"schemaVersion":2,"mediaType":"application/vnd.oci.image.manifest.v1+json","artifactType":"x/y","config":'
    f'{{"mediaType":"application/vnd.oci.image.config.v1+json","digest":"{A}","size":3}},"layers":[{{"mediaType":'
    f'"application/vnd.oci.image.layer.v1.tar","digest":"{B}","size":2,"artifactType":"z/w"}}],"subject":{{"mediaType":'
    f'"x/y","digest":"{C}","size":5}},"annotations":{{"c":"\\u003cd\\u003e"}}}}'
)

DEBIAN = (
    '{"schemaVersion":2,"mediaType":"application/vnd.oci.image.manifest.v1+json","config":{"mediaType":'
    f'"application/vnd.oci.image.config.v1+json","digest":"{A}","size":78,'
    f'"data":"{base64.b64encode(CONFIG.encode()).decode()}"}},"layers":[{{"mediaType":'
    f'"application/vnd.oci.image.layer.v1.tar+gzip","digest":"{B}","size":2}}]}}\n'
)

TABBED = json.dumps(json.loads(BUILDKIT), indent="\t", ensure_ascii=False) + "\n"
SORTED = json.dumps(json.loads(OLD_BUILDKIT), sort_keys=True, separators=(",", ":"))
SORTED_AND_INDENTED = json.dumps(json.loads(OLD_BUILDKIT), sort_keys=True, indent=4)

SPELLINGS = {
    "docker push": HELLO_WORLD,
    "buildkit": BUILDKIT,
    "old buildkit": OLD_BUILDKIT,
    "docker commit": DOCKER_COMMIT,
    "podman": PODMAN,
    "umoci": UMOCI,
    "crane": CRANE,
    "oras": ORAS,
    "debian": DEBIAN,
    "jq --tab": TABBED,
    "sorted": SORTED,
    "sorted and indented": SORTED_AND_INDENTED,
}


@pytest.mark.parametrize(
    ("text", "digest"), [(HELLO_WORLD, HELLO_WORLD_DIGEST), (ALPINE, ALPINE_DIGEST)], ids=["hello-world", "alpine"]
)
def test_the_manifest_of_a_public_image_has_its_public_digest_again(text: str, digest: str) -> None:
    assert sha256(pulled(text)) != digest
    assert restore_manifest(pulled(text), digest) == text


@pytest.mark.parametrize("text", SPELLINGS.values(), ids=SPELLINGS)
def test_the_spelling_of_a_producer_is_found_again(text: str) -> None:
    assert restore_manifest(pulled(text), sha256(text), CONFIG) == text


@pytest.mark.parametrize("text", SPELLINGS.values(), ids=SPELLINGS)
def test_a_text_that_has_the_digest_is_returned_as_it_is(text: str) -> None:
    assert restore_manifest(text, sha256(text)) == text


@pytest.mark.parametrize("text", ["", "{", "[]", "\x00", '{"a":1,"a":2}'])
def test_even_a_text_that_is_no_manifest_is_returned_when_it_has_the_digest(text: str) -> None:
    assert restore_manifest(text, sha256(text)) == text


@pytest.mark.parametrize(
    "text",
    [
        "",
        "{",
        "[]",
        "{}",
        "null",
        '{"schemaVersion":1.5}',
        '{"schemaVersion":2,"schemaVersion":2}',
        '{"unknown":1}',
        '{"config":[]}',
        '{"config":{"unknown":1}}',
        '{"layers":{}}',
        '{"layers":[1]}',
        '{"layers":[{"urls":[1]}]}',
        '{"annotations":{"a":1}}',
        '{"mediaType":null}',
        "[" * 200,
    ],
)
def test_what_is_no_manifest_has_no_other_spelling(text: str) -> None:
    assert restore_manifest(text, A, CONFIG) is None


def test_another_image_is_not_what_the_digest_is_of() -> None:
    assert restore_manifest(pulled(HELLO_WORLD.replace("977", "978")), HELLO_WORLD_DIGEST) is None


def test_a_spelling_that_nobody_writes_is_not_found() -> None:
    text = json.dumps(json.loads(BUILDKIT), indent=7)
    assert restore_manifest(pulled(text), sha256(text)) is None


def test_a_manifest_that_embeds_something_else_than_its_configuration_is_not_found() -> None:
    assert restore_manifest(pulled(DEBIAN), sha256(DEBIAN), CONFIG + " ") is None


def test_a_manifest_of_the_largest_size_that_is_looked_at_is_found_again() -> None:
    manifest = json.loads(PODMAN)
    manifest["annotations"] = {"a": "x" * ((256 << 10) - len(PODMAN))}
    text = json.dumps(manifest, indent=3)
    assert restore_manifest(pulled(text), sha256(text)) == text


def test_a_longer_manifest_is_not_spelled_anew() -> None:
    manifest = json.loads(PODMAN)
    manifest["annotations"] = {"a": "x" * (256 << 10)}
    text = json.dumps(manifest, indent=3)
    assert restore_manifest(pulled(text), sha256(text)) is None


# Go writes backspace and form feed in one of two ways, which depends on its version.
TEXTS = st.text(st.characters(codec="utf-8", exclude_characters="\b\f"), max_size=20)
ANNOTATIONS = st.dictionaries(TEXTS, TEXTS, max_size=4)


@st.composite
def descriptors(draw: st.DrawFn) -> dict[str, Any]:
    """Draw a descriptor whose members are in the order of the OCI types."""
    optional: dict[str, Any] = {
        "urls": draw(st.lists(TEXTS, min_size=1, max_size=2)),
        "annotations": draw(ANNOTATIONS),
        "artifactType": draw(TEXTS),
    }
    chosen = draw(st.sets(st.sampled_from(list(optional))))
    required = {"mediaType": draw(TEXTS), "digest": draw(st.sampled_from([A, B, C])), "size": draw(st.integers(0, 9))}
    return {**required, **{name: optional[name] for name in optional if name in chosen}}


@st.composite
def manifests(draw: st.DrawFn) -> dict[str, Any]:
    """Draw a manifest whose members are in the order of the OCI types."""
    members: dict[str, Any] = {
        "schemaVersion": 2,
        "mediaType": draw(TEXTS),
        "artifactType": draw(TEXTS),
        "config": draw(descriptors()),
        "layers": draw(st.lists(descriptors(), max_size=3)),
        "subject": draw(descriptors()),
        "annotations": draw(ANNOTATIONS),
    }
    left_out = draw(st.sets(st.sampled_from(["mediaType", "artifactType", "subject", "annotations"])))
    return {name: value for name, value in members.items() if name not in left_out}


def size_first(value: Any) -> Any:
    """Return a part of a manifest with sizes before digests, and annotations before the subject."""
    if isinstance(value, list):
        return [size_first(item) for item in value]
    if not isinstance(value, dict):
        return value
    first = [name for name in ("mediaType", "size", "digest") if "digest" in value]
    last = [name for name in ("subject",) if "layers" in value and name in value]
    middle = [name for name in value if name not in (*first, *last)]
    order = [*first, *middle, *last]
    return {name: size_first(value[name]) if name != "annotations" else value[name] for name in order}


@given(
    manifest=manifests(),
    docker=st.booleans(),
    indent=st.sampled_from([None, 2, 3, 4, "\t"]),
    html=st.booleans(),
    end=st.sampled_from(["", "\n"]),
)
def test_every_known_spelling_of_any_manifest_is_found_again(
    manifest: dict[str, Any], docker: bool, indent: int | str | None, html: bool, end: str
) -> None:
    manifest = json.loads(json.dumps(manifest))
    for part in (manifest, manifest["config"], manifest.get("subject", {}), *manifest["layers"]):
        if "annotations" in part:
            part["annotations"] = dict(sorted(part["annotations"].items()))
    separators = (",", ":") if indent is None else None
    ordered = size_first(manifest) if docker else manifest
    text = json.dumps(ordered, ensure_ascii=False, indent=indent, separators=separators)
    if html:
        for character in "<>&\u2028\u2029":
            text = text.replace(character, f"\\u{ord(character):04x}")
    text += end
    assert restore_manifest(pulled(text), sha256(text)) == text
