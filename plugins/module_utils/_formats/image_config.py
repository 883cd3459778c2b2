# Copyright: (c) 2026, sandboxops contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""How an image wants its processes to run: as the image cache records it, and as the OCI configuration says it."""

from __future__ import annotations

from typing import NamedTuple

from .._core.errors import FormatError
from .._core.json_fields import Fields, describe


class ImageConfig(NamedTuple):
    """How the image's author wants its processes to run; ports, volumes and labels have no order and are sorted."""

    env: tuple[str, ...]
    cmd: tuple[str, ...] | None
    entrypoint: tuple[str, ...] | None
    working_dir: str | None
    user: str | None
    exposed_ports: tuple[str, ...]
    volumes: tuple[str, ...]
    labels: tuple[tuple[str, str], ...]
    stop_signal: str | None


def parse_recorded_config(fields: Fields, what: str) -> ImageConfig:
    """Parse the field ``config`` of an image's metadata.

    Args:
        fields: Its members.
        what: Name of the file in messages.

    Raises:
        FormatError: microsandbox would not read it.
    """
    return ImageConfig(
        env=_texts(fields, "env", what),
        cmd=optional_texts(fields, "cmd", what),
        entrypoint=optional_texts(fields, "entrypoint", what),
        working_dir=fields.optional_text("working_dir"),
        user=fields.optional_text("user"),
        exposed_ports=tuple(sorted(_texts(fields, "exposed_ports", what))),
        volumes=tuple(sorted(_texts(fields, "volumes", what))),
        labels=tuple(sorted(fields.texts("labels").items())),
        stop_signal=fields.optional_text("stop_signal"),
    )


def parse_oci_config(document: Fields, what: str) -> ImageConfig:
    """Parse what an OCI image configuration says of the same, which may be nothing.

    Args:
        document: The whole configuration.
        what: Its name in messages.

    Raises:
        FormatError: It is none.
    """
    if not document.has("config"):
        return ImageConfig((), None, None, None, None, (), (), (), None)
    fields = document.fields("config")
    return ImageConfig(
        env=optional_texts(fields, "Env", what) or (),
        cmd=optional_texts(fields, "Cmd", what),
        entrypoint=optional_texts(fields, "Entrypoint", what),
        working_dir=fields.optional_text("WorkingDir"),
        user=fields.optional_text("User"),
        exposed_ports=_keys(fields, "ExposedPorts"),
        volumes=_keys(fields, "Volumes"),
        labels=tuple(sorted(fields.texts("Labels").items())) if fields.has("Labels") else (),
        stop_signal=fields.optional_text("StopSignal"),
    )


def optional_texts(fields: Fields, name: str, what: str) -> tuple[str, ...] | None:
    """Return the strings of an array, or None when it is missing or null.

    Raises:
        FormatError: It is no array, or holds something else.
    """
    return _texts(fields, name, what) if fields.has(name) else None


def _texts(fields: Fields, name: str, what: str) -> tuple[str, ...]:
    texts = []
    for number, item in enumerate(fields.items(name)):
        if not isinstance(item, str):
            path = f"{fields.path(name)}[{number}]"
            raise FormatError(f"{path} in {what} is {describe(item)}, not a string", field=path)
        texts.append(item)
    return tuple(texts)


def _keys(fields: Fields, name: str) -> tuple[str, ...]:
    return tuple(sorted(fields.fields(name).names())) if fields.has(name) else ()
