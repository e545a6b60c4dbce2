"""Turn text into markup of a page: which font sets which character, what is refused, what is substituted."""

from __future__ import annotations

import re
import unicodedata
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path
from xml.sax.saxutils import escape

from reportlab.pdfbase import pdfmetrics
from reportlab.pdfbase.ttfonts import TTFont

from pacs_bridge.errors import CANNOT_UNDERSTAND, Rejected
from pacs_bridge.results.fonts import BOLD, EAST_ASIAN, REGULAR, font_of

SUBSTITUTE = "\u25a1"
_NAMES = {"DejaVu": REGULAR, "DejaVu-Bold": BOLD, "DroidFallback": EAST_ASIAN}


@dataclass
class Typesetter:
    """Sets texts and counts what had to be substituted.

    Attributes
    ----------
    substituted
        How many characters of names stand as `SUBSTITUTE` so far.
    """

    substituted: int = 0

    @classmethod
    def create(cls) -> Typesetter:
        """Return one, with the fonts known to reportlab."""
        known = set(pdfmetrics.getRegisteredFontNames())
        for name, path in _NAMES.items():
            if name not in known:
                pdfmetrics.registerFont(TTFont(name, str(path)))
        return cls()

    def set_text(self, text: str) -> str:
        """Return the markup of report text.

        Raises
        ------
        Rejected
            If a character cannot be set: a report that reads differently on paper must not exist.
        """
        text = unicodedata.normalize("NFC", text).replace("\r\n", "\n")
        if any(font_of(character) is None for character in set(text)):
            raise Rejected(CANNOT_UNDERSTAND, "the report has characters or a script that the PDF cannot set")
        return _markup(text)

    def show(self, text: str) -> str:
        """Return the markup of a name or description; what cannot be set stands as a visible substitute."""
        text = unicodedata.normalize("NFC", text)
        missing = {character for character in text if font_of(character) is None}
        self.substituted += sum(character in missing for character in text)
        return _markup("".join(SUBSTITUTE if c in missing else c for c in text))


def _markup(text: str) -> str:
    return "".join(_span(font, "".join(run)) for font, run in groupby(text, key=font_of))


def _span(font: Path | None, text: str) -> str:
    """Return the markup of text in one font; its line ends stay."""
    words = re.sub(r"[\r\n\f]", "<br/>", escape(text))
    return f'<font name="DroidFallback">{words}</font>' if font == EAST_ASIAN else words
