# Copyright: (c) 2026, sandboxops contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The root file system that all hosts of a fleet share, unpacked once from packages of this machine's mirror."""

from __future__ import annotations

import fcntl
import hashlib
import os
import platform
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path

USER = "deploy"
UID = 1000

_PACKAGES = ("ca-certificates", "openssh-server", "openssh-sftp-server", "python3", "rsync", "sudo", "zstd")
# What most hosts have, and what the others can install from a directory of their own, without a network.
_ZSTD = "python3-zstandard"
_REPOSITORY = "srv/packages"
_SPARED = ("/usr/share/doc/*", "/usr/share/man/*", "/usr/share/locale/*")
_RETRIES = "Acquire::Retries"
_VERSION = "1"  # of this file: another one makes the root anew


class FleetError(Exception):
    """The machine cannot carry the fleet, or the fleet is not in the state that is needed."""


@dataclass(frozen=True)
class BaseRoot:
    """The layers that the roots of hosts are made of.

    Attributes:
        plain: A root with a Python, an SSH server and sudo, without a zstd library for Python.
        zstd: What that library adds.
    """

    plain: Path
    zstd: Path


def ensure_base_root(cache: Path) -> BaseRoot:
    """Return the layers, made when they are missing or were made from something else.

    Args:
        cache: Directory that keeps them.

    Raises:
        FleetError: The machine lacks a program, or apt knows no mirror.
        subprocess.CalledProcessError: A program failed.
    """
    mirrors = _mirrors()
    recipe = "\n".join([_VERSION, platform.machine(), USER, _ZSTD, *_PACKAGES, *mirrors])
    directory = cache / f"root-{hashlib.sha256(recipe.encode()).hexdigest()[:16]}"
    layers = BaseRoot(directory / "plain", directory / "zstd")
    cache.mkdir(parents=True, exist_ok=True)
    with cache.joinpath("lock").open("wb") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)  # two fleets may start at the same time
        if not directory.is_dir():
            unfinished = cache / "unfinished"
            shutil.rmtree(unfinished, ignore_errors=True)
            unfinished.mkdir()
            print("unpacking the root of the hosts", flush=True)
            _make_plain(unfinished / "plain", mirrors)
            _make_zstd(unfinished / "plain", unfinished / "zstd", unfinished)
            unfinished.rename(directory)  # last: what has the name is whole
    return layers


def _mirrors() -> list[str]:
    """Return the machine's own sources of its own release, as lines of sources.list."""
    release = platform.freedesktop_os_release().get("VERSION_CODENAME", "")
    listing = ["apt-get", "indextargets", "--format", "$(REPO_URI) $(RELEASE) $(COMPONENT)", "Created-By: Packages"]
    targets = subprocess.run(listing, check=True, stdout=subprocess.PIPE, text=True).stdout.splitlines()
    mirrors = [f"deb {target}" for target in dict.fromkeys(targets) if target.split()[1].split("-")[0] == release]
    if not mirrors:
        raise FleetError(f"apt knows no mirror for the release {release!r} of this machine")
    return mirrors


def _make_plain(root: Path, mirrors: list[str]) -> None:
    release = platform.freedesktop_os_release()["VERSION_CODENAME"]
    options = [f"--dpkgopt=path-exclude={path}" for path in _SPARED]
    options += [f'--aptopt={_RETRIES} "5"', "--dpkgopt=force-unsafe-io", f"--include={','.join(_PACKAGES)}"]
    _run("mmdebstrap", "--quiet", "--variant=minbase", *options, release, root, *mirrors)
    for key in root.glob("etc/ssh/ssh_host_*"):
        key.unlink()
    _run("chroot", root, "useradd", "--create-home", "--shell=/bin/bash", "--password=*", f"--uid={UID}", USER)
    rights = root / "etc/sudoers.d" / USER
    rights.write_text(f"{USER} ALL=(ALL) NOPASSWD: ALL\n", encoding="utf-8")
    rights.chmod(0o440)


def _make_zstd(plain: Path, layer: Path, directory: Path) -> None:
    """Install the library over the plain root, and leave its packages to the plain one as a mirror of its own."""
    repository = plain / _REPOSITORY
    repository.mkdir(parents=True)
    _run("chroot", plain, "apt-get", f"-o={_RETRIES}=5", "-qq", "update")
    _run("chroot", plain, *_install("--download-only", f"-o=Dir::Cache::Archives=/{_REPOSITORY}"))
    _write_package_list(repository)
    plain.joinpath("etc/apt/sources.list").write_text(f"deb [trusted=yes] file:/{_REPOSITORY} ./\n", encoding="utf-8")
    for leftover in plain.glob("var/lib/apt/lists/*_*"):
        leftover.unlink()
    work, merged = directory / "work", directory / "merged"
    for path in (layer, work, merged):
        path.mkdir()
    script = (
        'mount --make-rprivate / && cd "$1" && '
        "mount -t overlay overlay -o lowerdir=plain,upperdir=zstd,workdir=work merged && shift && "
        "chroot merged apt-get -qq update && "
        'exec chroot merged "$@"'
    )
    # A namespace of its own: what happens to this process, no mount is left.
    _run("unshare", "--mount", "bash", "-c", script, "zstd", directory, *_install())
    for path in (work, merged):
        shutil.rmtree(path)


def _install(*options: str) -> list[str]:
    return ["apt-get", f"-o={_RETRIES}=5", "-qq", "--yes", "--no-install-recommends", *options, "install", _ZSTD]


def _write_package_list(repository: Path) -> None:
    """Make a directory of packages one that apt takes packages from."""
    paragraphs = []
    for package in sorted(repository.glob("*.deb")):
        control = subprocess.run(["dpkg-deb", "--field", package], check=True, stdout=subprocess.PIPE, text=True).stdout
        digest = hashlib.sha256(package.read_bytes()).hexdigest()
        size = package.stat().st_size
        paragraphs.append(f"{control}Filename: ./{package.name}\nSize: {size}\nSHA256: {digest}\n")
    repository.joinpath("Packages").write_text("\n".join(paragraphs), encoding="utf-8")


def _run(*command: str | Path) -> None:
    environment = {**os.environ, "DEBIAN_FRONTEND": "noninteractive", "LC_ALL": "C.UTF-8"}
    done = subprocess.run(command, check=False, env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    if done.returncode != 0:
        print(done.stdout.decode(errors="replace"), flush=True)
        raise subprocess.CalledProcessError(done.returncode, command)
