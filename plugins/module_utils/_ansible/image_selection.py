# Copyright: (c) 2026, sandboxops contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which images a task is about, and which manifests it expects of them."""

from __future__ import annotations

from .._core.digests import require_sha256
from .._core.errors import FormatError, IntegrityError, RequestError, excerpt
from .._formats.image_reference import normalize_reference
from .._observe.home import Home
from .archive_export import find_snapshot
from .task import Task

# A reference as somebody wrote it, and the digest of its manifest where one is expected.
WantedImage = tuple[str, "str | None"]


def wanted_images(task: Task, home: Home) -> tuple[WantedImage, ...] | None:
    """Return the images that the task names, and those that its snapshots pin, each reference once.

    In check mode, None when a snapshot is not there yet, so that nobody can know.

    Raises:
        RequestError: It names none, or pins one that it does not name.
        IntegrityError: A snapshot pins another manifest of a reference than the task or another snapshot.
        StateError: There is no such snapshot.
    """
    pins = wanted_pins(task)
    wanted: dict[str, WantedImage] = {}
    for text in task.params["images"]:
        name = _spelt_out(text, "images")
        wanted.setdefault(name, (text, pins.get(name)))
    is_complete = True
    for text in task.params["snapshots"]:
        artifact = find_snapshot(task, home, text)
        if artifact is None:
            task.warnings.append(f"there is no snapshot {text} yet; without one this task fails outside check mode")
            is_complete = False
            continue
        reference, digest = artifact.descriptor.image_reference, artifact.descriptor.image_manifest_digest
        name = _spelt_out(reference, f"the image of snapshot {text}")
        dummy, expected = wanted.get(name, (reference, None))
        expected = pins.get(name, expected)
        if expected not in (None, digest):
            raise IntegrityError(
                f"snapshot {artifact.path} pins image {excerpt(reference)} at {digest}, expected is {expected}",
                path=artifact.path,
                expected=expected,
                actual=digest,
            )
        wanted[name] = reference, digest
    if not is_complete:
        return None
    if not wanted:
        raise RequestError("neither images nor snapshots say what the bundle is to carry", option="images")
    for name in pins:
        if name not in wanted:
            raise RequestError(f"pin names the image {excerpt(name)}, which the bundle does not carry", option="pin")
    return tuple(wanted.values())


def wanted_pins(task: Task) -> dict[str, str]:
    """Return the manifest digests that the task expects, by the reference with everything spelt out.

    Raises:
        RequestError: One is no reference, or no digest.
    """
    pins = task.params["pin"].items()
    return {_spelt_out(str(reference), "pin"): require_sha256(str(digest), "pin") for reference, digest in pins}


def _spelt_out(reference: str, what: str) -> str:
    try:
        return normalize_reference(reference)
    except FormatError as exc:
        raise RequestError(f"{what}: {exc.message}", option=what, reference=reference[:128]) from exc
