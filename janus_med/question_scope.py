"""What the model does not answer, and the fixed words that say so.

The topics come before any finding: "Is the nodule malignant?" names a nodule and asks for its nature.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Literal

Reason = Literal[
    "unknown",
    "several",
    "person",
    "prognosis",
    "treatment",
    "cause",
    "comparison",
    "measurement",
    "nature",
    "organ",
    "technique",
    "not_counted",
    "not_frontal",
]

MESSAGES: dict[Reason, str] = {
    "unknown": "The question is not among those the model can answer: whether a finding is present, where it "
    "is, how many nodules, which findings, whether the film is normal, which view.",
    "several": "The question names several findings; ask about one at a time.",
    "person": "The model tells nothing about the person: no age, sex or identity.",
    "prognosis": "The model tells nothing about the course of a disease.",
    "treatment": "The model gives no advice on treatment or further steps.",
    "cause": "The model names findings, not their cause, and no diagnosis.",
    "comparison": "The model reads one film and compares with none.",
    "measurement": "The model does not measure.",
    "nature": "The model tells whether a finding is present, not its degree, age or nature.",
    "organ": "The organ or structure is not among those the model judges.",
    "technique": "The model does not judge modality or technique.",
    "not_counted": "Only lung nodules are counted, as one or several.",
    "not_frontal": "The image is not judged to be an upright frontal chest radiograph.",
}


@dataclass(frozen=True)
class Refusal:
    """Why a question is not answered; the message of a reason never changes."""

    reason: Reason

    @property
    def message(self) -> str:
        """For the person who asked."""
        return MESSAGES[self.reason]


def match_words(pattern: str) -> re.Pattern[str]:
    """Compile alternatives that begin at a word, in any case."""
    return re.compile(rf"\b(?:{pattern})", re.IGNORECASE)


_TOPICS: tuple[tuple[Reason, re.Pattern[str]], ...] = (
    (
        "person",
        match_words(
            r"how old|ages?\b|years? old|sex\b|genders?\b|(?:fe)?males?\b|(?:wo)?m[ae]n\b|"
            r"names?\b(?= of the p)|"
            r"who\b|race\b|ethnic\w*|pregnan\w*|weigh\w*|smok\w*"
        ),
    ),
    (
        "prognosis",
        match_words(
            r"prognos\w*|surviv\w*|expectancy|mortality|outcomes?\b|die\b|dying|death|recover\w*|risks?\b|"
            r"will\b|going to|curable|fatal|chances?\b"
        ),
    ),
    (
        "treatment",
        match_words(
            r"treat\w*|therap\w*|medic(?:in|at)\w*|antibiotic\w*|drugs?\b|dos(?:e|age)s?\b|surg\w*|operat\w*|"
            r"should|recommend\w*|manage\w*|prescri\w*|follow-?up|biops\w*|next step|needs?\b|"
            r"discharg\w*|urgent|can (?:a|the) (?:patient|person)|would\b|expect\w*"
        ),
    ),
    (
        "cause",
        match_words(
            r"why\b|caus\w*|reasons?\b|due to|a?etiolog\w*|diagnos\w*|differential|explain\w*|symptom\w*|"
            r"mechanism|heart failure|chf\b|represent\w*|consistent with|suggest\w*|indicat\w*|mean\b|means\b"
        ),
    ),
    (
        "comparison",
        match_words(
            r"compar\w*|previous\w*|prior\b|changed?\b|chang\w*|unchanged|stable|interval|worse\w*|improv\w*|"
            r"increas\w*|decreas\w*|progress\w*|resolv\w*|new\b|newly|still\b|again\b|since\b|earlier"
        ),
    ),
    (
        "measurement",
        match_words(
            r"how (?:big|large|wide|much|long|high|deep|severe|far|dense|thick)|measure\w*|diamet\w*|"
            r"[cm]m\b|\d+ ?[cm]m\b|centim\w*|millim\w*|ratio|percent\w*|area of|"
            r"what (?:is the )?size|width of|lungs?\b.* in size"
        ),
    ),
    (
        "nature",
        match_words(
            r"mild\w*|moderate\w*|severe\w*|severity|massive\w*|large\b|larger|small\w*|tiny|"
            r"minimal\w*|trace\b|acute\w*|"
            r"chronic\w*|old\b|healed|healing|tension|loculat\w*|displac\w*|calcif\w*|malignan\w*|benign|"
            r"cancer\w*|cavit\w*|tubercul\w*|viral|bacterial|covid\w*|infected|type of|kind of|grade\w*|"
            r"correct(?:ly)? (?:plac|posit)\w*|malposition\w*|tip\b|"
            r"(?:more|most|less|least)\b(?! than one)|dens\w*|diffus\w*|confin\w*|"
            r"circumscri\w*|borders?\b|shap\w*|"
            r"round\w*|circ\w+ar|circumferen\w*|well[- ]defined|ground[- ]glass|textur\w*|"
            r"only in|versus|vs\b|"
            r"\d+(?:st|nd|rd|th)\b|superficial|inside the patient|on top of|"
            r"size\b(?=.*\b(?:of the|nodul|mass|effusion))"
        ),
    ),
    (
        "organ",
        match_words(
            r"liver|hepat\w*|spleen|splen\w*|kidneys?|renal|brain|cerebr\w*|skull|head\b|bowels?|intestin\w*|"
            r"colon|stomach|gastric|breasts?|thyroid|pancrea\w*|gall ?bladder|bladder|abdom\w*|"
            r"pelvi\w*|prostate|uter\w*|ovar\w*|femur|hips?\b|knees?\b|legs?\b|arms?\b|"
            r"hands?\b|wrists?\b|ankles?\b|"
            r"f(?:oo|ee)t\b|necks?\b|vertebra\w*|spin(?:e|al)\w*|disc\b|shoulders?|humer\w*|"
            r"clavic\w*|scapul\w*|"
            r"aort\w*|arter(?:y|ies|ial)|veins?\b|vena\b|trachea\w*|bronch(?:us|i)\b|(?:hemi)?-?diaphragm\w*|"
            r"hil(?:um|a|ar)\b|pericardi\w*|valv\w*|"
            r"lymph\w*|adenopath\w*|esophag\w*|oesophag\w*|hernia\w*|joint|peripheral|"
            r"soft tissue|subcutaneous|"
            r"(?:mediastinal|bon[ey]|rib|skin) (?:mass|lesion|nodul|shift)\w*|"
            r"pleural (?:opacit|densit|mass)\w*|organs?\b|scolio\w*|"
            r"ventric\w*|atri(?:um|al)\b"
        ),
    ),
    (
        "technique",
        match_words(
            r"modalit\w*|techni\w*|contrast|exposure|expos\w*|rotat\w*|inspir\w*|quality|machine|scanner|"
            r"mri?\b|ct\b|ultraso\w*|portable|supine|upright|x-?ray or\b|"
            r"type of (?:image|imaging|scan)|dated?\b"
        ),
    ),
)


def refuse_topic(text: str) -> Refusal | None:
    """Return why a question is out of the vocabulary by its topic, None when it is not."""
    for reason, words in _TOPICS:
        if words.search(text):
            return Refusal(reason)
    return None
