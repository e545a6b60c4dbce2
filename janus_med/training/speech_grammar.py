"""A grammar of indications: the closed vocabulary of the speech plug-in, and sentences in it by seed."""

from __future__ import annotations

import hashlib
import re
from random import Random

SLOTS: dict[str, tuple[str, ...]] = {
    "symptom": (
        "cough",
        "fever",
        "dyspnea",
        "wheezing",
        "hemoptysis",
        "fatigue",
        "weakness",
        "hypoxia",
        "chills",
        "chest pain",
        "back pain",
        "shortness of breath",
        "weight loss",
        "night sweats",
    ),
    "course": ("acute", "chronic", "worsening", "persistent", "severe", "mild", "sudden"),
    "number": ("one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten"),
    "unit": ("hours", "days", "weeks", "months"),
    "disease": (
        "pneumonia",
        "pneumothorax",
        "pleural effusion",
        "pulmonary edema",
        "tuberculosis",
        "atelectasis",
        "aspiration",
        "metastasis",
        "rib fracture",
    ),
    "focus": ("nodule", "mass", "opacity", "infiltrate", "consolidation"),
    "history": (
        "asthma",
        "smoking",
        "lung cancer",
        "breast cancer",
        "hypertension",
        "diabetes",
        "heart failure",
        "emphysema",
        "stroke",
        "pulmonary embolism",
    ),
    "procedure": ("surgery", "intubation", "biopsy", "thoracentesis", "lobectomy", "transplant", "dialysis"),
    "device": ("central line", "chest tube", "feeding tube", "endotracheal tube", "pacemaker", "catheter"),
    "side": ("left", "right"),
    "zone": ("upper", "middle", "lower"),
    "trauma": ("fall", "trauma", "motor vehicle accident", "assault"),
    "place": ("rib", "shoulder", "chest"),
}

CLAUSES = (
    "{symptom}",
    "{symptom} for {number} {unit}",
    "{symptom} and {symptom}",
    "{course} {symptom}",
    "{course} {symptom} for {number} {unit}",
    "no {symptom}",
    "{disease}",
    "rule out {disease}",
    "evaluate for {disease}",
    "suspected {disease}",
    "known {disease}",
    "history of {history}",
    "follow up {side} {zone} lobe {focus}",
    "follow up {disease}",
    "new {side} {zone} lobe {focus}",
    "{device} placement",
    "check {device} position",
    "{device} removed",
    "status post {procedure} day {number}",
    "after {procedure}",
    "{trauma} {number} {unit} ago",
    "{trauma} with {side} {place} pain",
    "before {procedure}",
    "routine screening",
    "please compare with prior study",
)

JOINED = 0.4
"""Share of the sentences that have two clauses."""

HELD_OUT_IN = 5
"""One sentence of so many, chosen by its digest, is never trained on."""

STRANGERS = (
    "window banana guitar mountain river yellow kitchen doctor monday airplane telephone garden bottle "
    "summer music paper orange market lawyer bicycle football thunder pencil blanket chicken village "
    "computer morning coffee holiday elephant wedding budget station teacher winter island driver"
)
"""Words outside the vocabulary, for training; made-up words of random syllables stand beside them."""

UNHEARD_STRANGERS = (
    "knee ankle headache migraine appendix pregnancy hepatitis colonoscopy allergy vaccine "
    "table carpet software pumpkin diamond library passport umbrella volcano camera sandwich hammer "
    "weather finger notebook tractor museum pepper velvet harbor"
)
"""Words outside the vocabulary that no training hears; refusals are measured with them."""


def vocabulary() -> tuple[str, ...]:
    """Return every word the grammar can say, sorted."""
    texts = (*CLAUSES, *(phrase for phrases in SLOTS.values() for phrase in phrases))
    return tuple(sorted({word for text in texts for word in re.sub(r"\{\w+\}", "", text).split()}))


def write_indication(rng: Random) -> str:
    """Write one indication of one or two clauses."""
    clause = _fill(rng.choice(CLAUSES), rng)
    if rng.random() >= JOINED:
        return clause
    return f"{clause} {_fill(rng.choice(CLAUSES), rng)}"


def _fill(clause: str, rng: Random) -> str:
    return re.sub(r"\{(\w+)\}", lambda slot: rng.choice(SLOTS[slot[1]]), clause)


def is_held_out(sentence: str) -> bool:
    """Tell whether a sentence belongs to the part that is never trained on."""
    return hashlib.sha256(sentence.encode()).digest()[0] % HELD_OUT_IN == 0


def write_part(count: int, held_out: bool, rng: Random) -> list[str]:
    """Write sentences of the trained or the held-out part; a short trained one may come twice."""
    sentences: list[str] = []
    while len(sentences) < count:
        sentence = write_indication(rng)
        if is_held_out(sentence) == held_out and not (held_out and sentence in sentences):
            sentences.append(sentence)
    return sentences


def put_stranger(sentence: str, strangers: list[str], rng: Random) -> str:
    """Replace one word of a sentence by a word from outside the vocabulary."""
    words = sentence.split()
    words[rng.randrange(len(words))] = rng.choice(strangers)
    return " ".join(words)


def make_up_word(rng: Random) -> str:
    """Make up a word of two or three syllables."""
    return "".join(rng.choice("bdfgklmnprstvz") + rng.choice("aeiou") for _ in range(rng.randint(2, 3)))
