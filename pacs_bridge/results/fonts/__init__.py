"""The fonts of pictures and pages, and which characters they can set truthfully.

The fonts are part of this package, with their licences, and are embedded into every page: a font that the
reader's viewer must have leaves the text blank where it has not. What no font has a glyph for, and what runs
from right to left or has joined letters, is not set at all: a page that shows a text wrongly is worse than
none.
"""

from __future__ import annotations

import unicodedata
from functools import cache
from pathlib import Path

REGULAR = Path(__file__).with_name("DejaVuSans.ttf")
BOLD = Path(__file__).with_name("DejaVuSans-Bold.ttf")
EAST_ASIAN = Path(__file__).with_name("DroidSansFallback.ttf")

# Unicode bidirectional classes of what runs from left to right, and of what has no direction (UAX 9)
_LEFT_TO_RIGHT = frozenset({"L", "EN", "ES", "ET", "CS", "NSM", "B", "S", "WS", "ON"})
_WITHOUT_GLYPH = frozenset({"Cc", "Cf", "Cn", "Co", "Cs"})


@cache
def glyphs(font: Path) -> frozenset[int]:
    """Return the code points that a font has glyphs for."""
    from reportlab.pdfbase.ttfonts import TTFontFile

    return frozenset(code for code, glyph in TTFontFile(str(font)).charToGlyph.items() if glyph)


def font_of(character: str) -> Path | None:
    """Return the font that can set a character in its place, or None."""
    if character in "\n\r\t":
        return REGULAR
    if unicodedata.bidirectional(character) not in _LEFT_TO_RIGHT:
        return None
    if unicodedata.category(character) in _WITHOUT_GLYPH:
        return None
    if ord(character) in glyphs(REGULAR) & glyphs(BOLD):
        return REGULAR
    is_east_asian = unicodedata.east_asian_width(character) in {"W", "F", "H"}
    return EAST_ASIAN if is_east_asian and ord(character) in glyphs(EAST_ASIAN) else None
