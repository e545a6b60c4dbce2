"""Turn text into markup of a page: which font sets which character, what is refused, what is substituted."""

from __future__ import annotations

import re
import unicodedata
from dataclasses import dataclass
from xml.sax.saxutils import escape

from reportlab.pdfbase import pdfmetrics
from reportlab.pdfbase.cidfonts import UnicodeCIDFont
from reportlab.pdfbase.ttfonts import TTFont

from pacs_bridge.errors import CANNOT_UNDERSTAND, Rejected
from pacs_bridge.results.fonts import BOLD, REGULAR, cannot_be_set

# Font of the reader's own PDF viewer, and the codec whose characters it has (Adobe-Japan1, Korea1, GB1, CNS1)
_EAST_ASIAN = (
    ("HeiseiKakuGo-W5", "shift_jis"),
    ("HYGothic-Medium", "euc_kr"),
    ("STSong-Light", "gb2312"),
    ("MSung-Light", "big5"),
)
_KANA = re.compile(r"[\u3040-\u30ff]")
_HANGUL = re.compile(r"[\uac00-\ud7af]")


@dataclass
class Typesetter:
    """Sets texts and counts what had to be substituted.

    Attributes
    ----------
    substituted
        How many characters of names stand as `substitute` so far.
    """

    substituted: int = 0
    substitute: str = "\u25a1"

    @classmethod
    def create(cls) -> Typesetter:
        """Return one, with the fonts known to reportlab."""
        known = set(pdfmetrics.getRegisteredFontNames())
        for name, path in (("DejaVu", REGULAR), ("DejaVu-Bold", BOLD)):
            if name not in known:
                pdfmetrics.registerFont(TTFont(name, str(path)))
        for name, _ in _EAST_ASIAN:
            if name not in known:
                pdfmetrics.registerFont(UnicodeCIDFont(name))
        return cls()

    def set_text(self, text: str) -> str:
        """Return the markup of report text.

        Raises
        ------
        Rejected
            If a character cannot be set: a report that reads differently on paper must not exist.
        """
        text = unicodedata.normalize("NFC", text)
        fonts = [_font_of(character, text) for character in text]
        if None in fonts:
            raise Rejected(CANNOT_UNDERSTAND, "the report has characters or a script that the PDF cannot set")
        return _markup(text, fonts)

    def show(self, text: str) -> str:
        """Return the markup of a name or description; what cannot be set stands as a visible substitute."""
        text = unicodedata.normalize("NFC", text)
        fonts = [_font_of(character, text) for character in text]
        self.substituted += fonts.count(None)
        shown = "".join(c if f is not None else self.substitute for c, f in zip(text, fonts, strict=True))
        return _markup(shown, [font or "" for font in fonts])


def _font_of(character: str, text: str) -> str | None:
    """Return the font of a character: empty for the paragraph's own, None when there is none."""
    if not cannot_be_set(character):
        return ""
    if unicodedata.category(character) not in {"Lo", "Po", "Ps", "Pe", "So", "Lm", "Zs", "Nd", "Nl"}:
        return None
    if unicodedata.east_asian_width(character) not in {"W", "F"}:
        return None
    for name, codec in _in_order_for(text):
        try:
            character.encode(codec)
        except UnicodeEncodeError:
            continue
        return name
    return None


def _in_order_for(text: str) -> list[tuple[str, str]]:
    """Return the East Asian fonts, the one of the text's own writing first."""
    japanese, korean, *chinese = _EAST_ASIAN
    if _HANGUL.search(text):
        return [korean, japanese, *chinese]
    return [japanese, korean, *chinese] if _KANA.search(text) else [*chinese, japanese, korean]


def _markup(text: str, fonts: list[str | None]) -> str:
    pieces: list[tuple[str, str]] = []
    for character, font in zip(text, fonts, strict=True):
        if pieces and pieces[-1][0] == (font or ""):
            pieces[-1] = (font or "", pieces[-1][1] + character)
        else:
            pieces.append((font or "", character))
    return "".join(
        f'<font name="{font}">{_lines(piece)}</font>' if font else _lines(piece) for font, piece in pieces
    )


def _lines(text: str) -> str:
    return re.sub(r"\r\n|\r|\n|\f", "<br/>", escape(text))
