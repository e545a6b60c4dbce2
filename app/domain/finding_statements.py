"""What a text says of each finding, by the names of the model's findings: present, possible or absent.

Texts that no model made (signed reports of this and of other systems) are read by the rule reader of the
checks (`app.domain.statements`), in its languages. What it does not recognise it does not judge.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from functools import cache, lru_cache

from app.domain.critical import CRITICAL_FINDINGS
from app.domain.finding import Presence
from app.domain.lexicon import Concept, Lexicon, load_lexicon
from app.domain.statements import Passage, Polarity, read_mentions, split_sentences

NO_FINDING = "No Finding"
LONGEST_TEXT = 20_000
_PRESENCE = {
    Polarity.STATED: Presence.PRESENT,
    Polarity.DENIED: Presence.ABSENT,
    Polarity.DOUBTED: Presence.POSSIBLE,
}
# concepts of the lexicon by the model's findings; every other concept is a finding of its own name
_FINDINGS: Mapping[str, tuple[str, ...]] = {
    "Cardiomegaly": ("cardiomegaly",),
    "Lung Opacity": ("opacity", "infiltrate"),
    "Lung Lesion": ("nodule", "mass", "lesion", "tumour", "metastasis", "granuloma"),
    "Edema": ("edema", "congestion"),
    "Consolidation": ("consolidation",),
    "Pneumonia": ("pneumonia",),
    "Atelectasis": ("atelectasis",),
    "Pneumothorax": ("pneumothorax", "tension_pneumothorax"),
    "Pleural Effusion": ("pleural_effusion", "effusion", "hemothorax"),
    "Fracture": ("fracture",),
}
_NAMES = {concept: finding for finding, concepts in _FINDINGS.items() for concept in concepts}
# what the model has a name for and the checks have not
_MORE: Mapping[str, tuple[str, ...]] = {
    "Enlarged Cardiomediastinum": (
        "(?:widened|wide) mediastinum",
        "mediastinal widening",
        "mediastinum is widened",
        "mediastinalverbreiterung",
        "verbreitertes mediastinum",
    ),
    "Cardiomegaly": (
        "(?:heart|cardiac silhouette)(?: size)? (?:is|remains|appears) "
        + "(?:mildly |moderately |severely |markedly )?enlarged",
    ),
    "Pleural Other": (
        "pleural (?:thickening|plaques?|scarring)",
        "pleura(?:schwiele|verdickung|plaque)n?",
    ),
    "Support Devices": (
        "(?:endotracheal|nasogastric|chest|tracheostomy|feeding) tube",
        "catheters?",
        "pacemaker",
        "picc",
        "central (?:venous )?line",
        "port-a-cath",
        "defibrillator",
        "drains?",
        "herzschrittmacher",
        "(?:zentral)?venenkatheter",
        "tubus",
        "magensonde",
        "thoraxdrainage",
    ),
}
# "not enlarged" denies although nothing stands before it that denies
_HEART_IS_NORMAL = re.compile(
    r"\b(?:heart|cardiac silhouette|mediastinum)(?: size)? (?:is|remains|appears) not (?:enlarged|widened)|"
    r"\bherz (?:ist )?nicht vergrößert|\bmediastinum (?:ist )?nicht verbreitert",
    re.I,
)
_NORMAL = re.compile(
    r"\bno (?:acute|active|significant|radiographic evidence of)[\w ]{0,40} "
    r"(?:abnormalit\w+|disease|process|finding\w*)|"
    r"\b(?:lungs|chest|radiograph|film|examination|study)\b[^.;]{0,40}\b(?:is|are|appears?) "
    r"(?:normal|clear|unremarkable)|"
    r"\bnormal (?:chest|examination|study|radiograph)|\bunremarkable (?:chest|examination|study)|"
    r"\blungs (?:are )?clear\b|\bnormalbefund\b|\b(?:thorax|lungen?)\w*\b[^.;]{0,40}\bunauffällig|"
    r"\bunauffälliger? (?:thorax|befund|lungenbefund)|\bkein (?:akut pathologischer|pathologischer) befund",
    re.I,
)


@dataclass(frozen=True)
class Statement:
    """What one sentence says of one finding.

    Attributes
    ----------
    side
        ``right``, ``left``, ``both``; empty when it names none.
    key
        Of the sentence in its report; empty for a text without keys.
    by_ai
        Whether the sentence is the model's and no person has made it their own.
    """

    finding: str
    presence: Presence
    side: str
    text: str
    key: str = ""
    by_ai: bool = False
    probability: float | None = None


def read_sentence(text: str, *, key: str = "", lexicon: Lexicon | None = None) -> tuple[Statement, ...]:
    """Return what a text says of each finding it names; of several mentions the strongest.

    Parameters
    ----------
    lexicon
        The words that it is read with; None for those that are part of the program.
    """
    words = _with_findings(lexicon or load_lexicon())
    found: dict[str, Statement] = {}
    for mention in read_mentions((Passage("", key, text),), lexicon=words):
        name = _NAMES.get(mention.concept) or mention.concept.replace("_", " ")
        place = mention.place.strip()
        said = Statement(name, _PRESENCE[mention.polarity], mention.side.value, place, key)
        if name not in found or _stronger(said.presence, found[name].presence):
            found[name] = said
    if normal := _HEART_IS_NORMAL.search(text):
        name = "Enlarged Cardiomediastinum" if "mediastinum" in normal.group().lower() else "Cardiomegaly"
        found[name] = Statement(name, Presence.ABSENT, "", text.strip(), key)
    if not found and _NORMAL.search(text):
        found[NO_FINDING] = Statement(NO_FINDING, Presence.PRESENT, "", text.strip(), key)
    return tuple(found.values())


def read_text(text: str, *, lexicon: Lexicon | None = None) -> tuple[Statement, ...]:
    """Return what the sentences of a report say, in order; of a text without end, the beginning."""
    sentences = (s for line in text[:LONGEST_TEXT].splitlines() for s in split_sentences(line))
    return tuple(said for sentence in sentences for said in read_sentence(sentence, lexicon=lexicon))


def strongest(statements: Iterable[Statement]) -> Mapping[str, Statement]:
    """Return one statement for each finding: present before possible before absent, the first of equals."""
    kept: dict[str, Statement] = {}
    for said in statements:
        if said.finding not in kept or _stronger(said.presence, kept[said.finding].presence):
            kept[said.finding] = said
    return kept


@cache
def critical_findings() -> frozenset[str]:
    """Return the findings that somebody has to be told of, the model's and those of the checks."""
    known = load_lexicon().concepts.values()
    named = {_NAMES.get(one.name) or one.name.replace("_", " ") for one in known if one.critical}
    return CRITICAL_FINDINGS | named


@lru_cache(maxsize=4)
def _with_findings(lexicon: Lexicon) -> Lexicon:
    more = {name: Concept(name, _words(name)) for name in _MORE if name not in _FINDINGS}
    heart = lexicon.concepts["cardiomegaly"]
    either = re.compile(f"{heart.words.pattern}|{_words('Cardiomegaly').pattern}", re.IGNORECASE)
    more["cardiomegaly"] = replace(heart, words=either)
    return replace(lexicon, concepts={**lexicon.concepts, **more})


def _words(name: str) -> re.Pattern[str]:
    return re.compile(rf"(?<!\w)(?:{'|'.join(_MORE[name])})\b", re.IGNORECASE)


def _stronger(one: Presence, other: Presence) -> bool:
    order = list(Presence)
    return order.index(one) < order.index(other)
