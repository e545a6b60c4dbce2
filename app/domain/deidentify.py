"""Takes out of a report's text what says whose it is, as far as words can be known.

Removed are the names of the patient, of the referrer and of all staff known to the database, accession number
and PatientID, every date and year, times of the day, and every number of five digits or more. What somebody
describes instead of naming ("the mayor of ...") cannot be found: the reader is told so. Where the patient is
known and only who wrote must not be, `without_authors` takes out names and lines of signature alone.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence

NAME, DATE, NUMBER, TIME = "[name]", "[date]", "[number]", "[time]"
_TITLES = frozenset(
    {
        "dr",
        "prof",
        "med",
        "mr",
        "mrs",
        "ms",
        "herr",
        "frau",
        "sir",
        "phd",
        "md",
        "facr",
        "priv",
        "doz",
        "univ",
        "pd",
        "mba",
        "msc",
        "bsc",
        "von",
        "van",
        "der",
        "den",
        "del",
        "dos",
        "das",
        "the",
        "and",
        "und",
        "las",
        "los",
    }
)
_MONTH = (
    r"(?:jan(?:uary|uar)?|feb(?:ruary|ruar)?|mar(?:ch)?|m(?:ä|ae)rz|apr(?:il)?|may|mai|june?|juni|july?|juli|"
    r"aug(?:ust)?|sept?(?:ember)?|o[ck]t(?:ober)?|nov(?:ember)?|de[cz](?:ember)?|enero|febrero|marzo|abril|mayo|"
    r"junio|julio|agosto|septiembre|octubre|noviembre|diciembre)"
)
_DATES = (
    re.compile(r"\b\d{4}[-/.]\d{1,2}[-/.]\d{1,2}\b"),
    re.compile(r"\b\d{1,2}[-/.]\d{1,2}[-/.](?:\d{4}|\d{2})\b"),
    re.compile(
        rf"\b\d{{1,2}}(?:st|nd|rd|th|\.)?\s+(?:of\s+|de\s+)?{_MONTH}\.?(?:,?\s+(?:de\s+)?\d{{4}})?\b", re.I
    ),
    re.compile(rf"\b{_MONTH}\.?\s+\d{{1,2}}(?:st|nd|rd|th)?(?:,?\s+\d{{4}})?\b", re.I),
    re.compile(rf"\b{_MONTH}\.?,?\s+(?:de\s+)?\d{{4}}\b", re.I),
    re.compile(r"\d{4}\s*年(?:\s*\d{1,2}\s*月)?(?:\s*\d{1,2}\s*日)?"),
    re.compile(r"\b(?:19|20)\d{2}\b(?!\s*(?:mm|cm|ml|hu)\b)", re.I),
)
_TIMES = re.compile(r"\b(?:[01]?\d|2[0-3]):[0-5]\d(?::[0-5]\d)?\b")
_UNSPACED = re.compile("[\u3040-\u30ff\u3400-\u9fff\uac00-\ud7af]")
_NUMBERS = re.compile(r"\b[\w.-]*\d{5,}[\w.-]*\b")
_SIGNED = (
    r"signed|dictated|verified|validated|approved|attested|authenticated|transcribed|finali[sz]ed|"
    r"unterschrieben|unterzeichnet|signiert|befundet|diktiert|validiert|freigegeben|vidiert|"
    r"firmado|informado|dictado|validado"
)
_READ = r"reported|read|reviewed|interpreted|gelesen|gesehen|revisado|leído"
_ROLES = (
    r"radiologist|attending|resident|reader|author|observer|radiologe|radiologin|befunder|oberarzt|oberärztin|"
    r"assistenzarzt|radiólogo|médico|报告医师|审核医师|报告医生|审核医生"
)
_BY = r"[^\n.;]{0,40}?\b(?:by|von|durch|por)\b"
_SIGNATURE = re.compile(
    rf"^[^\w\n]*(?:(?:(?:digitally|electronically|elektronisch|digital)\s+)?"
    rf"(?:(?:{_SIGNED})\b(?:{_BY}|\s*[:：])|(?:{_READ})\b{_BY})"
    rf"|(?:[\w-]+\s+)?(?:{_ROLES})\s*[:：])[^\n]{{0,120}}$",
    re.I | re.M,
)
_TITLED = re.compile(
    r"\b(?:Dr|Prof|PD|Priv\.-Doz)\b\.?(?:\s*(?:med|habil|univ|Dr|Prof|rer|nat)\b\.?)*"
    rf"(?:\s+(?:[A-Z\u00c0-\u00de](?:[\w'\u2019-]+|\.)|{re.escape(NAME)})){{1,3}}"
)


def names_in(*texts: str) -> frozenset[str]:
    """Return the words of names (DICOM PN or printed): of two letters or more, without titles."""
    words = {word for text in texts for word in re.split(r"[\s^=,.;]+", text) if len(word) > 1}
    return frozenset(word for word in words if word.casefold() not in _TITLES and not word.isdigit())


def scrub(text: str, *, names: Iterable[str], identifiers: Sequence[str] = ()) -> str:
    """Return a text with names, dates, times and numbers that identify replaced by what they were.

    Parameters
    ----------
    names
        Words as of `names_in`; found whole, in any case, and hyphenated.
    identifiers
        Accession number, PatientID and the like, found as they stand.
    """
    for identifier in sorted(
        {one.strip() for one in identifiers if len(one.strip()) > 2}, key=len, reverse=True
    ):
        text = re.sub(rf"(?<!\w){re.escape(identifier)}(?!\w)", NUMBER, text, flags=re.I)
    for pattern in _DATES:
        text = pattern.sub(DATE, text)
    text = _TIMES.sub(TIME, text)
    return _without_names(_NUMBERS.sub(NUMBER, text), names, re.I)


def without_authors(text: str, *, names: Iterable[str]) -> str:
    """Return a report's text without who wrote or signed it; dates and numbers stay.

    Taken out are lines of signature, names behind a title, and the names that are given (`names_in`), as they
    are written or in capitals: "Klein" is a reader, "klein" a nodule.
    """
    words = set(names)
    hidden = _without_names(_SIGNATURE.sub("", text), words | {word.upper() for word in words}, re.NOFLAG)
    return _TITLED.sub(NAME, hidden).strip()


def _without_names(text: str, names: Iterable[str], flags: re.RegexFlag) -> str:
    for word in sorted({one for one in names if one}, key=len, reverse=True):
        # scripts without spaces have no edge of a word to look for
        edges = re.escape(word) if _UNSPACED.search(word) else rf"(?<!\w){re.escape(word)}(?:'s)?(?!\w)"
        text = re.sub(edges, NAME, text, flags=flags)
    return re.sub(rf"{re.escape(NAME)}(?:[\s,.-]+{re.escape(NAME)})+", NAME, text)
