# Copyright: (c) 2026, sandboxops contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The neutral form of a snapshot's descriptor, which every generation's codec decodes to."""

from __future__ import annotations

from typing import NamedTuple

# Values of ``Descriptor.generation`` and of a home's generation, by the first microsandbox version that writes them.
G1 = "G1"  # manifest.json, 0.4 to 0.6.6
G2 = "G2"  # snapshot.json with artifact "snapshot", 0.6.7 to 0.6.18
G3 = "G3"  # snapshot.json with schema microsandbox.snapshot/1, 0.7


class Integrity(NamedTuple):
    """A recorded digest of an upper's content.

    Attributes:
        algorithm: Name of the algorithm, as recorded.
        digest: ``<algorithm of the hash>:<value>``, as recorded.
    """

    algorithm: str
    digest: str


class Descriptor(NamedTuple):
    """What identifies a snapshot, whatever generation wrote it.

    Attributes:
        generation: The generation whose codec made this value.
        digest: The snapshot's identity, ``sha256:<hex>`` of its canonical bytes.
        format: Disk format of the upper, ``raw`` or ``qcow2``.
        fstype: File system inside the upper.
        image_reference: Reference of the OCI image, as recorded.
        image_manifest_digest: Digest of the OCI image manifest that the snapshot pins.
        parent: Digest of the snapshot that this one descends from.
        created_at: Time of capture, as recorded.
        labels: Pairs of key and value, sorted by the UTF-8 bytes of the key.
        upper_file: File name of the upper inside the artifact.
        upper_bytes: Apparent size of the upper in bytes.
        integrity: Recorded digest of the upper's content.
        source_sandbox: Name of the sandbox that was captured.
    """

    generation: str
    digest: str
    format: str
    fstype: str
    image_reference: str
    image_manifest_digest: str
    parent: str | None
    created_at: str
    labels: tuple[tuple[str, str], ...]
    upper_file: str
    upper_bytes: int
    integrity: Integrity | None
    source_sandbox: str | None
