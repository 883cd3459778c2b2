# Copyright: (c) 2026, sandboxops contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The real microsandbox 0.7.11: its ``msb`` command on one home, and a sandbox that was never booted."""

from __future__ import annotations

import json
import os
import secrets
import subprocess
import tempfile
from pathlib import Path

from home_database import sandbox_status
from sandbox_image import GOLDEN, SandboxImage

_KVM = "/dev/kvm"


class MsbRefusal(Exception):
    """``msb`` ended with an error, whose text is the message."""


class Msb0711:
    """``msb`` of an environment, run on one home.

    Args:
        environment: The virtual environment that holds microsandbox 0.7.11.
        home: The home directory; microsandbox makes it when needed and upgrades an older one, for good.
    """

    def __init__(self, environment: Path, home: Path) -> None:
        self.home = home
        (self._msb,) = environment.glob("lib/python*/site-packages/microsandbox/_bundled/bin/msb")

    def run(self, *arguments: str | Path) -> str:
        """Return what ``msb ARGUMENTS`` prints.

        Raises:
            MsbRefusal: It ended with an error.
        """
        return self._run([str(self._msb), *map(str, arguments)])

    def snapshots(self) -> list[dict]:
        """Return the rows of ``msb snapshot list``, newest first."""
        return json.loads(self.run("snapshot", "list", "--format", "json"))

    def load(self, image: SandboxImage) -> None:
        """Put an image into the cache, from an archive of it."""
        with tempfile.TemporaryDirectory() as directory:
            archive = Path(directory, "image.tar")
            image.write_archive(archive)
            self.run("load", "-i", archive)

    def make_stopped_sandbox(self, name: str, *, image: SandboxImage = GOLDEN, root_disk: str | None = None) -> Path:
        """Load an image made on the spot, create a sandbox from it and return its formatted upper.

        No virtual machine starts: with the device for virtualisation hidden, the start fails at once, and what
        stays is a stopped sandbox like any other.

        Args:
            name: Name of the sandbox.
            image: The image that it is rooted in.
            root_disk: Size of the upper as ``msb`` spells it, its default when None.
        """
        self.load(image)
        size = ["--root-disk", root_disk] if root_disk else []
        refusal = self._create(name, image.reference, *size)
        if self.status(name) != "Stopped":
            raise AssertionError(f"sandbox {name} is {self.status(name)}, not stopped: {refusal}")
        return self.home / "sandboxes" / name / "upper.ext4"

    def offline_refusal(self, reference: str) -> str | None:
        """Return why a sandbox cannot start from what the cache holds of an image, None when it can.

        A start opens the disks that the VMDK descriptor names before it asks for virtualisation, so getting as far
        as that proves them. A stopped sandbox stays behind.
        """
        name = f"probe-{secrets.token_hex(4)}"
        refusal = self._create(name, reference, "--root-disk", "256M")
        in_cache = self.status(name) == "Stopped" and "configuration error" not in refusal
        return None if in_cache else refusal

    def status(self, name: str) -> str | None:
        """Return the sandbox's status from the home's database, None when it has no row."""
        return sandbox_status(self.home, name)

    def _create(self, name: str, reference: str, *options: str) -> str:
        """Create a sandbox without asking a registry and return what kept it from starting."""
        create = [str(self._msb), "create", reference, "--name", name, "--pull", "never", *options]
        try:
            self._run(_without_virtualisation(create))
        except MsbRefusal as refusal:
            return str(refusal)
        return ""

    def _run(self, command: list[str]) -> str:
        environment = {key: value for key, value in os.environ.items() if not key.startswith("MSB_")}
        environment.update(MSB_HOME=str(self.home), HOME=str(self.home))
        done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
        if done.returncode:
            raise MsbRefusal(done.stderr.strip())
        return done.stdout


def _without_virtualisation(command: list[str]) -> list[str]:
    """Return the command wrapped so that it cannot open /dev/kvm, or as it is where it cannot anyway.

    Where the device opens but no guest boots, a start costs eleven seconds; without the device it fails at once.
    """
    if not os.access(_KVM, os.R_OK | os.W_OK):
        return command
    namespace = ["unshare", "--mount", *([] if os.geteuid() == 0 else ["--map-root-user"])]
    hidden = [*namespace, "sh", "-c", f'mount --bind /dev/null {_KVM} && exec "$@"', "sh"]
    try:
        allowed = subprocess.run([*hidden, "true"], capture_output=True, check=False).returncode == 0
    except FileNotFoundError:
        allowed = False
    return [*hidden, *command] if allowed else command
