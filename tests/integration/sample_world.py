# Copyright: (c) 2026, sandboxops contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The world that the documentation's examples speak of: a builder, two sandbox hosts, and the paths that they name."""

from __future__ import annotations

import getpass
import hashlib
import json
import os
import shutil
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

from http_store import HttpStore
from real_ansible import ACTION_GROUP, COLLECTION, task
from sample_homes import add_sandbox, make_home
from sample_images import TINY, TINY2, add_image, tag_image

PYTHON_IMAGE = "docker.io/library/python:3.12"
NODE_IMAGE = "docker.io/library/node:22"
GROUPS = {"builders": ["builder"], "sandbox_hosts": ["host1", "host2"]}

# Where the examples' paths are in this world. Hosts share the directories, as a copy between them would make it look.
_PATHS = {"/srv": "srv", "/home/op": "op"}
_RELEASES = "https://releases.example.com"
_SECRETS = {"store_password": "open sesame", "vault_release_password": "open sesame"}
_OFFLINE = "/srv/golden-offline.tar.zst"
# What examples say that the checksum of the builder's archive is.
_CHECKSUM = "sha256:9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08"
# Homes that have sandboxes and snapshots; the second host has an empty one.
_FULL = ("builder", "host1")
_LABELS = {"team": "ml", "channel": "golden"}
_TIMEOUT_SECONDS = 600  # on a busy machine


class Ran(NamedTuple):
    """A finished command: its exit status, and what a person saw."""

    exit_status: int
    printed: str


class World:
    """Hosts on this machine, each with a home that modules find by themselves, as on a machine of its own.

    Attributes:
        desk: Directory of the person who types the commands.

    Args:
        directory: Where everything lies.
        collections: The path that the collection is found on.
    """

    def __init__(self, directory: Path, collections: Path) -> None:
        self.root = directory / "world"
        self.desk = self.root / "desk"
        self._saved = directory / "saved"
        self._saved.mkdir()
        self._collections = collections
        self._releases = HttpStore(directory, tls=True)
        self._names = {_RELEASES: self._releases.url, "owner: op\n": f"owner: {getpass.getuser()}\n"}
        self._names |= {f"{path}/": f"{self.root / name}/" for path, name in _PATHS.items()}
        for name in ("desk/host_vars", "homes", "bin", "user", *_PATHS.values()):
            (self.root / name).mkdir(parents=True)
        for host in (host for hosts in GROUPS.values() for host in hosts):
            self._add_host(host)
        (self.root / "op/.microsandbox").parent.mkdir(exist_ok=True)
        self._fill()

    def close(self) -> None:
        """Stop serving releases."""
        self._releases.close()

    def save(self, name: str) -> None:
        """Remember the world as it is."""
        _copy(self.root, self._saved / name)

    def restore(self, name: str) -> None:
        """Make the world what it was when it was saved, at the same place."""
        shutil.rmtree(self.root)
        _copy(self._saved / name, self.root)

    def located(self, text: str) -> str:
        """Return the text of an example with its names as they are in this world."""
        for name, here in self._names.items():
            text = text.replace(name, here)
        return text

    def write(self, name: str, text: str) -> None:
        """Write a file on the desk."""
        (self.desk / name).write_text(self.located(text), encoding="utf-8")

    def type(self, command: str) -> Ran:
        """Run a command as a person does who sits at the desk."""
        done = subprocess.run(
            ["bash", "-c", self.located(command)],
            cwd=self.desk,
            env=self._environment(),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=_TIMEOUT_SECONDS,
            check=False,
        )
        return Ran(done.returncode, done.stdout)

    def play(self, tasks: list[Any], hosts: str = "builder", **variables: Any) -> Ran:
        """Run tasks as a play."""
        play = {"name": "Example", "hosts": hosts, "gather_facts": False, "vars": variables, "tasks": tasks}
        self.write("tasks.yml", json.dumps([play]))
        return self.type("ansible-playbook tasks.yml")

    def prepare(self) -> None:
        """Make the snapshots and the archives that the examples speak of."""
        golden = task("snapshot", name="golden", sandbox="builder", labels=_LABELS)
        export = {"state": "exported", "snapshot": "golden"}
        archives = [
            task("snapshot_archive", **export, path="/srv/golden.tar.zst"),
            {**task("snapshot_archive", **export, path=_OFFLINE, with_image=True), "register": "exported"},
            _written(f"{{{{ exported | {COLLECTION}.release_record('golden') }}}}", "/srv/releases/golden.json"),
        ]
        older = [task("snapshot", name=f"golden-{n}", sandbox="builder", labels=_LABELS) for n in (1, 2, 3)]
        imported = task("snapshot_archive", state="imported", path="/srv/golden.tar.zst", name="golden")
        of_the_operator = {ACTION_GROUP: {"home": "/home/op/.microsandbox"}}
        plays = [
            {"hosts": "host1", "tasks": older},
            {"hosts": "builder", "tasks": [golden, *archives]},
            {"hosts": "builder", "module_defaults": of_the_operator, "tasks": [golden]},
            {"hosts": "host1", "tasks": [imported]},
        ]
        (self.root / "srv/releases").mkdir()
        self.write("prepare.yml", json.dumps([{"gather_facts": False, **play} for play in plays]))
        ran = self.type("ansible-playbook prepare.yml")
        assert ran.exit_status == 0, ran.printed
        self._release(self.root / "srv/golden.tar.zst")
        self._serve_release(Path(self.located(_OFFLINE)), self.root / "srv/releases/golden.json")

    def _release(self, archive: Path) -> None:
        for directory in (self.desk, self.root / "srv/store/golden", self._releases.files / "golden"):
            directory.mkdir(parents=True, exist_ok=True)
            shutil.copy(archive, directory)
        self._names[_CHECKSUM] = f"sha256:{hashlib.sha256(archive.read_bytes()).hexdigest()}"

    def _serve_release(self, archive: Path, record: Path) -> None:
        shutil.copy(record, self.root / "srv")
        file = json.loads(record.read_text(encoding="utf-8"))["archive"]["file"]
        for store in (self._releases.files, self._releases.files / "microsandbox", record.parent):
            (store / file).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(archive, store / file)
            if store != record.parent:
                shutil.copy(record, store)

    def _add_host(self, host: str) -> None:
        home, python = self.root / "homes" / host, self.root / "bin" / f"python-{host}"
        # The host's own environment, which every module that runs there starts in.
        variables = f'MSB_HOME="{home}" SSL_CERT_FILE="{self._releases.certificate}"'
        python.write_text(f'#!/bin/sh\n{variables} exec "{sys.executable}" "$@"\n', encoding="utf-8")
        python.chmod(0o755)
        connection = {"ansible_connection": "local", "ansible_become": False, "ansible_python_interpreter": str(python)}
        self.write(f"host_vars/{host}.yml", json.dumps(connection | _SECRETS))

    def _fill(self) -> None:
        self.write("hosts.yml", json.dumps({group: {"hosts": dict.fromkeys(hosts)} for group, hosts in GROUPS.items()}))
        for home in (*(self.root / "homes" / host for host in _FULL), self.root / "op/.microsandbox"):
            make_home(home)
            for image in (TINY, TINY2):
                add_image(home, image)
            tag_image(home, TINY, PYTHON_IMAGE)
            tag_image(home, TINY2, NODE_IMAGE)
            add_sandbox(home, "builder", image={"Oci": {"reference": PYTHON_IMAGE}})
        (self.root / "homes/host2").mkdir()

    def _environment(self) -> Mapping[str, str]:
        kept = {name: value for name, value in os.environ.items() if not name.startswith(("ANSIBLE_", "MSB_", "PIP_"))}
        return kept | {
            "ANSIBLE_CALLBACK_RESULT_FORMAT": "yaml",
            "ANSIBLE_COLLECTIONS_PATH": str(self._collections),
            "ANSIBLE_INVENTORY": "hosts.yml",
            "ANSIBLE_NOCOLOR": "true",
            "ANSIBLE_NOCOWS": "true",
            "HOME": str(self.root / "user"),
            "LC_ALL": "C.UTF-8",
            "SSL_CERT_FILE": str(self._releases.certificate),
            "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}",
        }


def _written(content: str, path: str) -> dict[str, Any]:
    return {"ansible.builtin.copy": {"content": content, "dest": path, "mode": "0644"}}


def _copy(source: Path, target: Path) -> None:
    subprocess.run(["cp", "-a", "--sparse=always", source, target], check=True)
