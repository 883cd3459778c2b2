# Copyright: (c) 2026, sandboxops contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The descriptor of generation G1 as microsandbox and this collection store it, read without a JSON parser.

That is its canonical bytes, here without escapes in its strings, so that they also are what its digest is taken of.
"""

from __future__ import annotations

import re

from .._core.digests import sha256_digest
from .descriptor import G1, Descriptor, Integrity

_TEXT = r'[^"\\\x00-\x1f]'
_DIGEST = rf'[^":\\\x00-\x1f]+:{_TEXT}+'
_LABEL = rf'"{_TEXT}*":"{_TEXT}*"'
_MANIFEST = re.compile(
    rf'{{"schema":1,"format":"(raw|qcow2)","fstype":"({_TEXT}+)"'
    rf',"image":{{"ref":"({_TEXT}+)","manifest_digest":"({_DIGEST})"}}'
    rf',"parent":(?:null|"({_DIGEST})"),"created_at":"({_TEXT}*)","labels":{{((?:{_LABEL}(?:,{_LABEL})*)?)}}'
    rf',"upper":{{"file":"(upper\.ext4)","size_bytes":(0|[1-9][0-9]{{0,18}})'
    rf',"integrity":(?:null|{{"algorithm":"({_TEXT}+)","digest":"({_DIGEST})"}})}}'
    rf',"source_sandbox":(?:null|"({_TEXT}*)")}}\Z'
)
_PAIR = re.compile(rf'"({_TEXT}*)":"({_TEXT}*)"')


def parse_stored_manifest(content: bytes) -> Descriptor | None:
    """Return the descriptor of a manifest that is stored as it usually is, or None when it is spelt otherwise or none.

    It is the descriptor that a JSON parser would give.
    """
    try:
        match = _MANIFEST.match(content.decode("utf-8"))
    except UnicodeDecodeError:
        return None
    if match is None:
        return None
    disk_format, fstype, reference, image, parent, created_at, labels, upper, size, algorithm, digest, sandbox = (
        match.groups()
    )
    pairs = _PAIR.findall(labels)
    # Sorted, and no key twice.
    if len(pairs) > 1 and pairs != sorted(dict(pairs).items()):
        return None
    return Descriptor(
        generation=G1,
        digest=sha256_digest(content),
        format=disk_format,
        fstype=fstype,
        image_reference=reference,
        image_manifest_digest=image,
        parent=parent,
        created_at=created_at,
        labels=tuple(pairs),
        upper_file=upper,
        upper_bytes=int(size),
        integrity=None if algorithm is None else Integrity(algorithm, digest),
        source_sandbox=sandbox,
    )
