# Copyright: (c) 2026, sandboxops contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a hostile archive is, and what has to become of it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Callable, Union

ACCEPT = "accept"
REJECT = "reject"
POLICY = "policy"

Content = Union[bytes, Callable[[], bytes]]


@dataclass(frozen=True)
class Case:
    """An archive, and what has to become of it.

    Attributes:
        id: Name of its file.
        verdict: ``accept`` and ``reject`` hold for every importer; where microsandbox's versions accept what a careful
            importer need not, it is ``policy``, and docs/archive-rules.md says what this one does and why.
        content: The file, or what makes it.
        code: Code of the error that it is refused with; None when it is accepted.
        says: What the error's message contains.
        head: Digest of the head when it is accepted.
        setup: What stands in the home before.
    """

    id: str
    verdict: str
    content: Content
    code: str | None = None
    says: str = ""
    head: str | None = None
    setup: str = ""

    @property
    def group(self) -> str:
        """Return the first word of the name."""
        return self.id.split("-")[0].split(".")[0]

    def build(self) -> bytes:
        """Return the archive's bytes."""
        return self.content if isinstance(self.content, bytes) else self.content()


def accepted(case_id: str, content: Content, head: str, setup: str = "") -> Case:
    """Return a case that every importer accepts."""
    return Case(case_id, ACCEPT, content, head=head, setup=setup)


def refused(case_id: str, content: Content, says: str, code: str = "format", setup: str = "") -> Case:
    """Return a case that every importer refuses."""
    return Case(case_id, REJECT, content, code=code, says=says, setup=setup)


def forbidden(case_id: str, content: Content, says: str, code: str = "format", setup: str = "") -> Case:
    """Return a case that this importer refuses by its own rules."""
    return Case(case_id, POLICY, content, code=code, says=says, setup=setup)


def tolerated(case_id: str, content: Content, head: str, setup: str = "") -> Case:
    """Return a case that this importer accepts by its own rules."""
    return Case(case_id, POLICY, content, head=head, setup=setup)
