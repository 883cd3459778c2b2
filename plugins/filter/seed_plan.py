# Copyright: (c) 2026, sandboxops contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The filter ``seed_plan``: what each host lacks of some images, and the bundles that bring it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import asdict
from typing import Any, Callable

from ansible.errors import AnsibleFilterError

from ..module_utils._core.errors import MicrosandboxError
from ..module_utils._plan.image_seed import SeedBundle, parse_cache, parse_source, plan_seed

_ANSWER = "_image_cache_seed_found"


def seed_plan(
    hosts: Iterable[str], hostvars: Mapping[str, Mapping[str, Any]], source: Mapping[str, Any]
) -> dict[str, Any]:
    """Return what is shipped to whom; the options are described in seed_plan.yml."""
    try:
        caches = {str(host): parse_cache(hostvars[host][_ANSWER]) for host in hosts if _ANSWER in hostvars[host]}
        plan = plan_seed(parse_source(source), caches)
    except MicrosandboxError as exc:
        raise AnsibleFilterError(f"seed_plan: {exc.message}") from exc
    return {
        "directory": plan.directory,
        "bundles": [_bundle(bundle) for bundle in plan.bundles],
        "hosts": {name: {**asdict(host), "images": list(host.images)} for name, host in plan.hosts.items()},
    }


def _bundle(bundle: SeedBundle) -> dict[str, Any]:
    return {
        "file": bundle.file,
        "images": [image.reference for image in bundle.images],
        "pin": {image.reference: image.manifest_digest for image in bundle.images},
        "exclude_layers": list(bundle.exclude_layers),
        "carried_bytes": bundle.carried_bytes,
        "hosts": list(bundle.hosts),
    }


class FilterModule:
    """The filter by its name."""

    def filters(self) -> dict[str, Callable[..., Any]]:
        """Return the filter."""
        return {"seed_plan": seed_plan}
