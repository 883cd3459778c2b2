# Copyright: (c) 2026, sandboxops contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A real browser without a window: what a page looks like, on paper too, and what becomes of it when it is loaded."""

from __future__ import annotations

import html
import json
import re
import subprocess
import tempfile
import zlib
from pathlib import Path
from typing import Any, NamedTuple

_TIMEOUT_SECONDS = 120
_SIGNATURE = b"\x89PNG\r\n\x1a\n"

# A page that shows another one in a frame as wide as a phone, and then says what it sees there.
_PHONE = """<!doctype html><meta charset="utf-8"><body><iframe width="390" height="800" srcdoc="{page}"></iframe>
<script>
onload = () => {{
  const page = document.querySelector("iframe").contentDocument, all = (what) => page.querySelectorAll(what).length;
  document.body.dataset.seen = JSON.stringify({{
    title: page.title,
    active: all("script, img, iframe, object, embed, link, a, form, base, [onerror], [onload], [src], [href]"),
    refreshing: all('meta[http-equiv="refresh"]'),
    width: page.documentElement.scrollWidth,
    head: getComputedStyle(page.querySelector("thead")).display,
    text: page.body.textContent,
  }});
}};
</script>"""


class Picture(NamedTuple):
    """What a page looks like.

    Attributes:
        width: In pixels.
        rows: Its rows from top to bottom, three bytes for each pixel.
    """

    width: int
    rows: list[bytes]

    def pixel(self, x: int, y: int) -> tuple[int, ...]:
        """Return red, green and blue of a pixel."""
        return tuple(self.rows[y][3 * x : 3 * x + 3])

    @property
    def different_rows(self) -> int:
        """Return how many rows look different; a blank page has one."""
        return len(set(self.rows))


def take_picture(page: Path, width: int, height: int, *options: str) -> Picture:
    """Return what the top of a page looks like in a window of a size."""
    with tempfile.TemporaryDirectory() as directory:
        target = Path(directory, "page.png")
        _chromium(page, f"--window-size={width},{height}", f"--screenshot={target}", "--hide-scrollbars", *options)
        return _read_png(target.read_bytes())


def print_page(page: Path) -> str:
    """Return the text of a page on paper."""
    with tempfile.TemporaryDirectory() as directory:
        target = Path(directory, "page.pdf")
        _chromium(page, "--no-pdf-header-footer", f"--print-to-pdf={target}")
        done = subprocess.run(["pdftotext", "-layout", target, "-"], stdout=subprocess.PIPE, text=True, check=True)
        return done.stdout


def look_on_a_phone(page: str, directory: Path) -> dict[str, Any]:
    """Return what a script sees of a page on a phone: its width, its title, and how much in it can act."""
    frame = directory / "phone.html"
    frame.write_text(_PHONE.format(page=html.escape(page)), encoding="utf-8")
    loaded = _chromium(frame, "--window-size=800,900", "--dump-dom")
    (seen,) = re.findall(r'<body data-seen="([^"]*)"', loaded)
    return json.loads(html.unescape(seen))


def _chromium(page: Path, *options: str) -> str:
    with tempfile.TemporaryDirectory() as profile:
        common = [
            "--headless",
            "--no-sandbox",
            "--disable-gpu",
            "--disable-dev-shm-usage",
            f"--user-data-dir={profile}",
        ]
        done = subprocess.run(
            ["chromium", *common, *options, page.as_uri()],
            capture_output=True,
            text=True,
            timeout=_TIMEOUT_SECONDS,
            check=False,
        )
        assert done.returncode == 0, done.stderr
        return done.stdout


def _read_png(content: bytes) -> Picture:
    """Read the only kind of PNG that Chromium writes: eight bits a channel, with or without transparency."""
    assert content.startswith(_SIGNATURE)
    at, packed, width, channels = len(_SIGNATURE), b"", 0, 0
    while at < len(content):
        length, kind = int.from_bytes(content[at : at + 4], "big"), content[at + 4 : at + 8]
        body = content[at + 8 : at + 8 + length]
        if kind == b"IHDR":
            width, depth, colour = int.from_bytes(body[:4], "big"), body[8], body[9]
            assert depth == 8
            channels = {2: 3, 6: 4}[colour]
        elif kind == b"IDAT":
            packed += body
        at += length + 12
    pixels, stride = zlib.decompress(packed), width * channels + 1
    rows, above = [], bytearray(stride - 1)
    for start in range(0, len(pixels), stride):
        above = _unfilter(pixels[start], bytearray(pixels[start + 1 : start + stride]), above, channels)
        rows.append(bytes(above[i] for i in range(len(above)) if i % channels < 3))
    return Picture(width, rows)


def _unfilter(kind: int, row: bytearray, above: bytearray, channels: int) -> bytearray:
    for i in range(len(row)):
        left, up = row[i - channels] if i >= channels else 0, above[i]
        corner = above[i - channels] if i >= channels else 0
        row[i] = (row[i] + (0, left, up, (left + up) // 2, _paeth(left, up, corner))[kind]) & 0xFF
    return row


def _paeth(left: int, up: int, corner: int) -> int:
    guess = left + up - corner
    return min((left, up, corner), key=lambda value: abs(guess - value))
