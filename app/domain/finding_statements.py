"""What a sentence says of the fourteen findings: present, possible or absent, and on which side.

A small rule over English words, for texts that no model made: signed reports of this and of other systems.
It looks for a finding's words, then for a denial or a doubt in the same clause. What it does not recognise it
does not judge.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from app.domain.finding import Presence

NO_FINDING = "No Finding"
LONGEST_TEXT = 20_000
_WORDS: Mapping[str, Sequence[str]] = {
    "Enlarged Cardiomediastinum": (
        "(?:widened|wide|enlarged) mediastinum",
        "mediastinal (?:widening|enlargement)",
        "mediastinum is (?:not )?(?:widened|enlarged)",
    ),
    "Cardiomegaly": (
        "cardiomegaly",
        "cardiac enlargement",
        "enlarged (?:heart|cardiac silhouette)",
        "(?:heart|cardiac silhouette)(?: size)? (?:is|remains|appears) "
        + "(?:not |mildly |moderately |severely |markedly )?enlarged",
    ),
    "Lung Opacity": ("opacit(?:y|ies)", "infiltrates?", "opacification"),
    "Lung Lesion": ("nodules?", "mass(?:es)?", "(?:lung|pulmonary) lesions?", "metastas[ei]s"),
    "Edema": ("o?edema", "(?:vascular|pulmonary) congestion"),
    "Consolidation": ("consolidations?",),
    "Pneumonia": ("(?:broncho)?pneumonia",),
    "Atelectasis": ("atelecta(?:sis|ses|tic)", "lobar collapse", "volume loss"),
    "Pneumothorax": ("pneumothora(?:x|ces)",),
    "Pleural Effusion": ("(?:pleural )?effusions?",),
    "Pleural Other": ("pleural (?:thickening|plaques?|scarring)",),
    "Fracture": ("fractures?",),
    "Support Devices": (
        "(?:endotracheal|nasogastric|chest|tracheostomy|feeding) tube",
        "catheters?",
        "pacemaker",
        "central (?:venous )?line",
        "picc",
        "port-a-cath",
        "defibrillator",
        "drains?",
    ),
}
_FINDINGS = {name: re.compile(rf"\b(?:{'|'.join(words)})\b", re.I) for name, words in _WORDS.items()}
_NORMAL = re.compile(
    r"\bno (?:acute|active|significant|radiographic evidence of)[\w ]{0,40} "
    r"(?:abnormalit\w+|disease|process|finding\w*)|"
    r"\b(?:lungs|chest|radiograph|film|examination|study)\b[^.;]{0,40}\b(?:is|are|appears?) "
    r"(?:normal|clear|unremarkable)|"
    r"\bnormal (?:chest|examination|study|radiograph)|\bunremarkable (?:chest|examination|study)|"
    r"\blungs (?:are )?clear\b",
    re.I,
)
_DENIAL = re.compile(
    r"\b(?:no|not|without|absent|absence of|negative for|free of|denies|resolution of|resolved|"
    r"(?:has|have) (?:cleared|resolved)|no longer|ruled out|excludes?)\b",
    re.I,
)
_DENIED_AFTER = re.compile(
    r"^[\w ,/-]{0,40}\b(?:(?:is|are|was|were) (?:not|no longer) "
    r"(?:seen|present|identified|evident|visible|shown|demonstrated)|"
    r"(?:has|have) (?:resolved|cleared)|resolved|excluded|is absent|are absent)\b",
    re.I,
)
_DOUBT = re.compile(
    r"\b(?:possibl[ey]|probabl[ey]|may|might|could|suspect\w*|suspicious|suggest\w*|questionable|"
    r"cannot be excluded|not excluded|equivocal|likely|versus|vs|concern\w*|uncertain)\b",
    re.I,
)
_DOUBTED_AFTER = re.compile(
    r"^[\w ,/-]{0,40}\b(?:is|are|remains?|appears?) "
    r"(?:possible|probable|likely|suspected|questionable|equivocal)\b",
    re.I,
)
# a denial ends where another clause begins
_CLAUSE = re.compile(r"[;:]|,?\s*\b(?:but|however|although|except|though|with)\b", re.I)
_SIDES = (
    (
        "bilateral",
        re.compile(r"\b(?:bilateral(?:ly)?|both (?:sides|lungs|costophrenic)|biapical|bibasilar)\b", re.I),
    ),
    ("right", re.compile(r"\bright(?:-sided)?\b", re.I)),
    ("left", re.compile(r"\bleft(?:-sided)?\b", re.I)),
)
_SENTENCE = re.compile(r"[^.!?\n]+(?:[.!?]+|\n|$)(?:(?<=\d\.)\d[^.!?\n]*[.!?]*)*")


@dataclass(frozen=True)
class Statement:
    """What one sentence says of one finding.

    Attributes
    ----------
    side
        ``right``, ``left``, ``bilateral``; empty when it names none.
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


def split_sentences(text: str) -> tuple[str, ...]:
    """Return the sentences of a text; a number such as 1.5 is not an end."""
    protected = re.sub(r"(?<=\d)\.(?=\d)", "\x00", text)
    found = (one.group().replace("\x00", ".").strip() for one in _SENTENCE.finditer(protected))
    return tuple(sentence for sentence in found if sentence)


def read_sentence(text: str, *, key: str = "") -> tuple[Statement, ...]:
    """Return what a sentence says of each finding it names; of several mentions the strongest."""
    found: dict[str, Statement] = {}
    for name, words in _FINDINGS.items():
        for mention in words.finditer(text):
            said = Statement(name, _presence(text, mention), side_of(text), text.strip(), key)
            if name not in found or _stronger(said.presence, found[name].presence):
                found[name] = said
    if not found and _NORMAL.search(text):
        found[NO_FINDING] = Statement(NO_FINDING, Presence.PRESENT, "", text.strip(), key)
    return tuple(found.values())


def read_text(text: str) -> tuple[Statement, ...]:
    """Return what the sentences of a report say, in order; of a text without end, the beginning."""
    return tuple(
        said for sentence in split_sentences(text[:LONGEST_TEXT]) for said in read_sentence(sentence)
    )


def strongest(statements: Iterable[Statement]) -> Mapping[str, Statement]:
    """Return one statement for each finding: present before possible before absent, the first of equals."""
    kept: dict[str, Statement] = {}
    for said in statements:
        if said.finding not in kept or _stronger(said.presence, kept[said.finding].presence):
            kept[said.finding] = said
    return kept


def side_of(text: str) -> str:
    """Return the side that a sentence names: one, ``bilateral``, or empty."""
    named = [side for side, words in _SIDES if words.search(text)]
    if "bilateral" in named or len(named) == 2:
        return "bilateral"
    return named[0] if named else ""


def _presence(text: str, mention: re.Match[str]) -> Presence:
    before = _CLAUSE.split(text[: mention.start()])[-1]
    after = text[mention.end() :]
    inside = mention.group()
    if re.search(r"cannot be excluded|not excluded", after, re.I):
        return Presence.POSSIBLE
    if _DENIAL.search(before) or _DENIED_AFTER.search(after) or re.search(r"\bnot\b", inside, re.I):
        return Presence.ABSENT
    if _DOUBT.search(before) or _DOUBTED_AFTER.search(after):
        return Presence.POSSIBLE
    return Presence.PRESENT


def _stronger(one: Presence, other: Presence) -> bool:
    order = list(Presence)
    return order.index(one) < order.index(other)
