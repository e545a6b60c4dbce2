"""A rule labeler: which of the fourteen findings a report states, denies or raises, and on which side.

The method is the one of NegEx and the CheXpert labeler (mention, then cues in the same clause; Chapman et al.
2001, Irvin et al. 2019); the rules are our own.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Literal

from janus_med.reading import FINDINGS

FactPolarity = Literal["positive", "negative", "uncertain"]
FactSide = Literal["left", "right", "bilateral"]


@dataclass(frozen=True)
class Fact:
    """What a text says of one finding; ``side`` is None when it names none."""

    polarity: FactPolarity
    side: FactSide | None = None


_MENTIONS: dict[str, str] = {
    "Enlarged Cardiomediastinum": r"mediastin\w*[\w ,]{0,24}(?:wid|enlarg|promin)\w*|"
    r"(?:wid\w+|enlarg\w+|promin\w+) (?:\w+ ){0,2}(?:cardio ?)?mediastin\w*|"
    r"cardiomediastinal silhouette is (?:enlarged|widened)",
    "Cardiomegaly": r"cardiomegaly|"
    r"(?:heart|cardiac silhouette|cardiac size|cardiac shadow)[\w ]{0,24}enlarg\w*|"
    r"enlarg\w* (?:\w+ ){0,2}(?:heart|cardiac)|cardiac enlargement",
    "Lung Opacity": r"opaci\w+|infiltrat\w*|airspace disease|air-space disease|hazy|haziness",
    "Lung Lesion": r"nodul\w*|mass(?:es)?\b|lung lesions?|pulmonary lesions?|"
    r"metastas\w*|granuloma\w*|neoplas\w*|tumou?r",
    "Edema": r"(?:pulmonary |interstitial |alveolar |lung )?o?edema|vascular congestion|fluid overload|"
    r"kerley|chf\b|heart failure",
    "Consolidation": r"consolidat\w*",
    "Pneumonia": r"(?:broncho)?pneumonia\w*|infectious process|infection",
    "Atelectasis": r"atelecta\w*|collapse[sd]?\b|volume loss",
    "Pneumothorax": r"pneumothora\w*|hydropneumothora\w*",
    "Pleural Effusion": r"(?:pleural )?effusions?|pleural fluid|hydrothorax|"
    r"blunt\w* (?:of )?(?:the )?(?:\w+ ){0,2}costophrenic|costophrenic \w+ (?:is|are) blunted",
    "Pleural Other": r"pleural (?:thickening|plaques?|scarring|calcification\w*)|"
    r"fibrothorax|apical (?:cap|thickening)",
    "Fracture": r"fractur\w*",
    "Support Devices": r"(?:endotracheal|nasogastric|enteric|tracheostomy|feeding|chest|drainage) tubes?|"
    r"catheters?|picc\b|central (?:venous )?lines?|pacemakers?|pacer\b|defibrillator|sternotomy wires|"
    r"support devices?|"
    r"(?:cardiac )?leads?\b|port-a-cath|et tube|ng tube|drains?\b",
}
_FINDERS = {
    name: re.compile(rf"(?<![a-z])(?:{pattern})", re.IGNORECASE) for name, pattern in _MENTIONS.items()
}

_NEGATION = re.compile(
    r"\b(?:no|without|not|free of|clear of|absence of|absent|negative for|neither|nor|denies|removed|"
    r"removal of|resolution of|ruled out|excluded|rather than)\b",
    re.IGNORECASE,
)
_AFTER_NEGATION = re.compile(
    r"\b(?:(?:is|are|was|were) (?:not (?:seen|identified|evident|present|visuali[sz]ed)|absent|excluded|"
    r"ruled out|removed|resolved)|(?:has|have) (?:been removed|resolved))",
    re.IGNORECASE,
)
_NOT_NEGATION = re.compile(
    r"\b(?:no|not) (?:change|longer|exclude\w*|interval change|significant change|only)\b", re.IGNORECASE
)
_UNCERTAIN = re.compile(
    r"\b(?:possib\w+|probab\w+|may\b|might|could|cannot (?:be )?(?:exclude|rule)\w*|can ?not exclude|"
    r"suspicio\w+|suspect\w*|"
    r"question\w*|equivocal|likely|versus|vs\.?|suggest\w*|indeterminate|concern\w* for|differential|"
    r"consider\w*|not excluded|"
    r"not exclude|difficult to exclude|worrisome|or\b(?= (?:pneumonia|atelectasis|infiltrat)))",
    re.IGNORECASE,
)
_NORMAL = re.compile(
    r"\bno (?:\w+ ){0,3}(?:acute|active|significant) (?:\w+ ){0,2}(?:abnormalit\w+|disease|process|"
    r"finding\w*)|"
    r"\b(?:normal|unremarkable) (?:chest|study|examination|exam|radiograph|film)|lungs are clear|clear lungs|"
    r"(?:heart|cardiac)[\w ]{0,30}(?:normal|within normal limits|unremarkable)|"
    r"no (?:definite )?abnormalit\w+",
    re.IGNORECASE,
)
_CLAUSE_END = re.compile(
    r"\b(?:but|however|although|though|with the exception of|except|which|while|otherwise)\b|[;:]",
    re.IGNORECASE,
)
_SENTENCE_END = re.compile(r"(?<=[.!?])\s+|\n+")
_RANK: dict[str, int] = {"positive": 3, "uncertain": 2, "negative": 1}


def label_report(text: str) -> dict[str, Fact]:
    """Label a whole report.

    Parameters
    ----------
    text
        Findings, impression or both, in English.

    Returns
    -------
    dict of str to Fact
        Only the findings that the text speaks of. A positive statement wins over an uncertain one, that one
        over a negative. ``No Finding`` is positive when something is called normal and nothing but devices is
        stated or raised.
    """
    facts: dict[str, Fact] = {}
    for sentence in split_sentences(text):
        for name, fact in label_sentence(sentence).items():
            if name != "No Finding":
                facts[name] = _stronger(facts.get(name), fact)
    abnormal = any(fact.polarity != "negative" for name, fact in facts.items() if name != "Support Devices")
    if not abnormal and (_NORMAL.search(text) or facts):
        facts["No Finding"] = Fact("positive")
    return {name: facts[name] for name in FINDINGS if name in facts}


def label_sentence(sentence: str) -> dict[str, Fact]:
    """Label one sentence; ``No Finding`` is positive when it calls something normal and states no more."""
    facts: dict[str, Fact] = {}
    for clause in _clauses(sentence):
        for name, finder in _FINDERS.items():
            for mention in finder.finditer(clause):
                facts[name] = _stronger(facts.get(name), _judge(clause, mention, sentence))
    stated = any(fact.polarity != "negative" for fact in facts.values())
    if _NORMAL.search(sentence) and not stated:
        facts["No Finding"] = Fact("positive")
    return facts


def split_sentences(text: str) -> list[str]:
    """Split at sentence ends and line breaks."""
    return [part.strip() for part in _SENTENCE_END.split(text) if part.strip()]


def _clauses(sentence: str) -> list[str]:
    return [clause for clause in _CLAUSE_END.split(sentence) if clause and clause.strip()]


def _judge(clause: str, mention: re.Match[str], sentence: str) -> Fact:
    before, inside, after = clause[: mention.start()], mention.group(), clause[mention.end() :]
    if _UNCERTAIN.search(before[-80:] + inside) or _UNCERTAIN.search(after[:60]):
        polarity: FactPolarity = "uncertain"
    elif _denied(before) or _NEGATION.search(inside) or _AFTER_NEGATION.search(after[:60]):
        polarity = "negative"
    else:
        polarity = "positive"
    return Fact(polarity, None if polarity == "negative" else _side(clause) or _side(sentence))


def _denied(before: str) -> bool:
    """Whether a denial governs what follows: "no A, B or C" does, "no A, left B" does not ("left" opens a new
    one).
    """
    kept = _NOT_NEGATION.sub(" ", before)
    cues = list(_NEGATION.finditer(kept))
    if not cues:
        return False
    between = kept[cues[-1].end() :]
    return not re.search(
        r"\b(?:there (?:is|are)|is seen|are seen|is present|are present|with)\b", between, re.IGNORECASE
    )


def _side(text: str) -> FactSide | None:
    lowered = text.lower()
    left = re.search(r"\bleft(?:-sided)?\b", lowered)
    right = re.search(r"\bright(?:-sided)?\b", lowered)
    if re.search(r"\b(?:bilateral\w*|both)\b", lowered) or (left and right):
        return "bilateral"
    return "left" if left else "right" if right else None


def _stronger(old: Fact | None, new: Fact) -> Fact:
    if old is None or _RANK[new.polarity] > _RANK[old.polarity]:
        return new
    if _RANK[new.polarity] < _RANK[old.polarity] or old.side == new.side or new.side is None:
        return old
    return Fact(old.polarity, new.side if old.side is None else "bilateral")
