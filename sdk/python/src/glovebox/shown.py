"""Text of elsewhere, fit to be shown: on terminals, in notebooks, in data frames and in messages of errors.

The enclave keeps no text outside of its repertoire (docs/text.md). A server that is none, or one in between, might send
some: so all JSON goes through here when it arrives, before any of it is part of an object.
"""

import unicodedata

from glovebox.values import Json

REPLACEMENT = "\ufffd"
_HIDDEN = {"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp", "Zs"}
# Letters, marks and symbols that have no look of their own: default-ignorable code points (UAX #44), the Braille blank,
# and the two that stand for something else.
_NO_LOOK = {0x034F, 0x115F, 0x1160, 0x17B4, 0x17B5, 0x2800, 0x3164, 0xFFA0, 0xFFFC, 0xFFFD}
_NO_LOOK |= {*range(0x180B, 0x1810), *range(0xFE00, 0xFE10), *range(0xE0100, 0xE01F0)}


def visible(text: str) -> str:
    """``text`` with a mark for each character that can't be seen or acts on what is around it. Line feeds stay."""
    if text.isascii() and text.isprintable():
        return text
    return "".join(char if _is_plain(char) or char == "\n" else REPLACEMENT for char in text)


def shown(value: Json) -> Json:
    """JSON whose texts are all visible; names of members, too."""
    if isinstance(value, str):
        return visible(value)
    if isinstance(value, list):
        return [shown(item) for item in value]
    if isinstance(value, dict):
        return {visible(name): shown(item) for name, item in value.items()}
    return value


def _is_plain(char: str) -> bool:
    if char.isascii():
        return char.isprintable()
    return unicodedata.category(char) not in _HIDDEN and ord(char) not in _NO_LOOK
