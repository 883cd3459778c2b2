# Copyright: (c) 2026, sandboxops contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What all records of a tar archive share: their length, and how numbers stand in their fields.

Sources: POSIX.1-2024 pax (ustar interchange format) and the GNU tar manual's "Basic Tar Format".
"""

from __future__ import annotations

from .._core.errors import FormatError, bytes_excerpt

RECORD_BYTES = 512
OCTAL_DIGITS = frozenset(b"01234567")
_MAX_NUMBER = (1 << 63) - 1


def parse_number(field: bytes, what: str, name: str) -> int:
    """Return the number in a field; an empty field is zero.

    Args:
        field: The whole field.
        what: The member's name as messages show it.
        name: What the number is, for messages.

    Raises:
        FormatError: It is no number, or one beyond 63 bits.
    """
    if field[0] & 0x80:
        value = int.from_bytes(bytes([field[0] & 0x7F]) + field[1:], "big")
        if field[0] == 0x80 and value <= _MAX_NUMBER:
            return value
        raise FormatError(f"member {what} has a {name} beyond 63 bits")
    text = field.strip(b" \0")
    if not OCTAL_DIGITS.issuperset(text):
        raise FormatError(f"member {what} has the {name} {bytes_excerpt(text)}, expected octal digits")
    return int(text, 8) if text else 0


def number_to_bytes(value: int, width: int) -> bytes:
    """Return a field of so many bytes, in octal where the number fits and in base 256 where it does not."""
    octal = b"%0*o" % (width - 1, value)
    return octal + b"\0" if len(octal) < width else b"\x80" + value.to_bytes(width - 1, "big")
