# Copyright: (c) 2026, sandboxops contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Stand in for the get-pip script that ansible-test downloads, where only a package registry can be reached.

ansible-test keeps the script in its cache and starts pip with it in each environment that it makes. The stand-in does
the same with the wheel of that very pip, embedded in it.
"""

from __future__ import annotations

import base64
import tempfile
from pathlib import Path

from downloads import run_patiently

_SCRIPT = """\
import base64, os, sys, tempfile

NAME = {name!r}
WHEEL = {wheel!r}

with tempfile.TemporaryDirectory() as directory:
    path = os.path.join(directory, NAME)
    with open(path, "wb") as stream:
        stream.write(base64.b64decode(WHEEL))
    sys.path.insert(0, path)
    from pip._internal.cli.main import main
    unknown_to_pip = ("--no-setuptools", "--no-wheel")
    options = [option for option in sys.argv[1:] if option.startswith("-") and option not in unknown_to_pip]
    sys.exit(main(["install", "--force-reinstall", *options, path]))
"""


def ensure_get_pip(python: Path, version: str, home: Path) -> None:
    """Write the stand-in into ansible-test's cache unless it is there.

    Args:
        python: Interpreter that has pip, to download the wheel with.
        version: Version of pip that this ansible-test wants.
        home: Home directory that ansible-test runs with.

    Raises:
        subprocess.CalledProcessError: The wheel could not be downloaded.
    """
    script = home / ".ansible" / "test" / "cache" / f"get_pip_{version.replace('.', '_')}.py"
    if script.is_file():
        return
    script.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=script.parent) as directory:
        download: list[str | Path] = [
            python,
            "-m",
            "pip",
            "--quiet",
            "--disable-pip-version-check",
            "download",
            "--no-deps",
        ]
        run_patiently([*download, "--dest", directory, f"pip=={version}"])
        (wheel,) = Path(directory).glob("*.whl")
        text = _SCRIPT.format(name=wheel.name, wheel=base64.b64encode(wheel.read_bytes()).decode())
        unfinished = Path(directory, script.name)
        unfinished.write_text(text, encoding="utf-8")
        unfinished.rename(script)
