# Copyright: (c) 2026, sandboxops contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The configuration of a sandbox: ``sandbox.config`` in the database, microsandbox 0.4.4 to 0.7.11."""

from __future__ import annotations

from dataclasses import dataclass

from .._core.errors import UnsupportedError, excerpt
from .._core.json_fields import Fields
from .._core.strict_json import parse_json

ROOT_OCI = "oci"
ROOT_BIND = "bind"
ROOT_DISK_IMAGE = "disk-image"

_WHAT = "the sandbox's config"
_MAX_CONFIG_BYTES = 16 << 20
_ROOT_KINDS = {"Oci": ROOT_OCI, "Bind": ROOT_BIND, "DiskImage": ROOT_DISK_IMAGE}


@dataclass(frozen=True)
class SandboxConfig:
    """What a capture needs to know of a sandbox's configuration.

    Attributes:
        root_kind: ``oci``, ``bind`` or ``disk-image``.
        image_reference: Reference of the OCI image; empty when the configuration names none, None for other roots.
        image_manifest_digest: Digest of the OCI image manifest that the sandbox pins, as recorded.
        root_disk_kind: Kind of the writable disk where it is stated (0.6.7 and later): ``managed``, ``tmpfs``, ...
    """

    root_kind: str
    image_reference: str | None
    image_manifest_digest: str | None
    root_disk_kind: str | None


def parse_sandbox_config(text: str) -> SandboxConfig:
    """Parse a configuration in the shape of any version; keys that no capture needs are ignored.

    Raises:
        FormatError: The text is no configuration.
        UnsupportedError: The sandbox is rooted in something that no known version has.
    """
    # The database may hold bytes that are not UTF-8; they travel as surrogates and are judged here.
    content = text.encode("utf-8", "surrogateescape")
    fields = Fields(parse_json(content, what=_WHAT, max_bytes=_MAX_CONFIG_BYTES), _WHAT)
    pinned = fields.optional_text("manifest_digest")
    if "image" not in fields.names():
        # microsandbox reads a missing image as an OCI image with an empty reference.
        return SandboxConfig(ROOT_OCI, "", pinned, None)
    image = fields.fields("image")
    kinds = [name for name in image.names() if name in _ROOT_KINDS]
    if len(image.names()) != 1 or not kinds:
        shown = ", ".join(excerpt(name) for name in image.names()[:3]) or "nothing"
        raise UnsupportedError(f"image in {_WHAT} is {shown}, not one of {', '.join(_ROOT_KINDS)}")
    if kinds[0] != "Oci":
        return SandboxConfig(_ROOT_KINDS[kinds[0]], None, pinned, None)
    if isinstance(image.value("Oci"), str):
        return SandboxConfig(ROOT_OCI, image.text("Oci"), pinned, None)
    oci = image.fields("Oci")
    root_disk_kind = oci.fields("root_disk").text("kind") if oci.has("root_disk") else None
    return SandboxConfig(ROOT_OCI, oci.text("reference"), pinned, root_disk_kind)
