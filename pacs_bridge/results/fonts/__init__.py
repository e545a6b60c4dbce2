"""The fonts of pictures and pages, and which characters they can set truthfully.

DejaVu Sans is part of this package, with its licence. What it has no glyph for, and what needs right-to-left
order or joined letters, is not set at all: a page that shows a text wrongly is worse than none.
"""

from __future__ import annotations

import unicodedata
from functools import cache
from pathlib import Path

REGULAR = Path(__file__).with_name("DejaVuSans.ttf")
BOLD = Path(__file__).with_name("DejaVuSans-Bold.ttf")

# Unicode bidirectional classes of what does not run from left to right (UAX 9)
_NOT_LEFT_TO_RIGHT = frozenset(
    {"R", "AL", "AN", "RLE", "RLO", "RLI", "LRE", "LRO", "LRI", "PDF", "PDI", "FSI"}
)


@cache
def glyphs() -> frozenset[int]:
    """Return the code points that both weights of DejaVu Sans have."""
    from reportlab.pdfbase.ttfonts import TTFontFile

    return frozenset(TTFontFile(str(REGULAR)).charToGlyph.keys() & TTFontFile(str(BOLD)).charToGlyph.keys())


def cannot_be_set(text: str) -> list[str]:
    """Return the characters of a text that DejaVu Sans cannot set in order, each once."""
    return sorted({c for c in unicodedata.normalize("NFC", text) if not _is_set(c)})


def _is_set(character: str) -> bool:
    if character in "\n\r\t":
        return True
    if unicodedata.bidirectional(character) in _NOT_LEFT_TO_RIGHT:
        return False
    return ord(character) in glyphs() and unicodedata.category(character) not in {"Cc", "Cf", "Co", "Cs"}
