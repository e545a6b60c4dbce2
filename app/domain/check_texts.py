"""What the checks say, in English: ``{name}`` stands for a word of the report or of the study."""

from __future__ import annotations

from enum import StrEnum


class CheckText(StrEnum):
    """One text a finding; the interface says it in the reader's language."""

    EMPTY = "the section {section} is empty: write at least one sentence"
    UNTOUCHED = "accept, edit or reject every sentence of the AI before signing ({count} left)"
    UNREAD = "accept, edit or reject every finding of the template before signing ({count} left)"
    PLACEHOLDER = "a field in {section} is not filled in: {words}"
    PLACEHOLDER_WORD = "{words} looks like a field that is not filled in"
    SIDE = "the findings say {found} on the {side}, the impression {concluded} on the {other}"
    SIDES_OF_SECTIONS = "the findings name the {side} side alone, the impression the {other}"
    SIDE_OF_STUDY = "the study shows the {side} side, the report says {other}: {words}"
    SIDE_OF_EACH_IMAGE = "every image is marked {side}, the report says {other}: {words}"
    SIDE_OF_IMAGES = "images are marked {side}, the study is described as {other}"
    CONTRADICTION = "{words} is stated here and denied there: {place}"
    DENIED_IN_FINDINGS = "the impression states {words}, the findings deny it: {place}"
    NOT_IN_FINDINGS = "the impression states {words}, the findings do not name it"
    CRITICAL_NOT_IN_IMPRESSION = "the findings state {words}, the impression does not name it"
    CRITICAL_NOT_TOLD = "{words} is critical, and nobody is noted to be told"
    CRITICAL_OF_AI = "the AI calls {finding} present ({percent} %), the report does not state it"
    SEX_MALE = "{words} in the report of a male patient"
    SEX_FEMALE = "{words} in the report of a female patient"
    AGE = "{words} in the report of a patient of {age} years"
    NAME = "the report names {name}, which is not this patient's name"
    ACCESSION = "the report names the accession number {number}, which is not this study's"
    BODY_PART = "the study is of {part}, the report speaks of {words}"
    UNIT = "{number} has no unit"
    LENGTH = "{length} is not plausible: check the unit"
    LENGTH_OF = "{length} is not plausible for {words}: check the unit"
    DECIMAL = "{comma} has a decimal comma, {point} a decimal point"
    NO_PRIOR = "{words} compares, and no earlier study is known"
    NOT_COMPARED = "an earlier study of the same region is here and nothing is compared with it"
    FUTURE = "the date {words} is in the future"
    SPELLING = "{word} looks misspelt: {meant}?"
