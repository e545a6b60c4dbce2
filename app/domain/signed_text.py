"""A signed report as it stands: the original, what was added, and the text that is in force."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

from app.domain.amendment import MEANING_OF_KIND, Amendment, AmendmentKind
from app.domain.attestation import Attestation
from app.domain.errors import Conflict
from app.domain.report import Decision, Origin, Section, Sentence, compose_section

_ENDS_A_SENTENCE = (".", "!", "?")


@dataclass(frozen=True)
class Replaced:
    """A text that a correction replaced.

    Attributes
    ----------
    number
        Of the correction that it was; 0: the original.
    by
        The correction that replaced it.
    """

    number: int
    signature: Attestation
    by: Amendment


@dataclass(frozen=True)
class SignedText:
    """A signed report as it stands: the original, and every addendum and correction in order.

    Attributes
    ----------
    original
        The signature under the report itself.
    """

    original: Attestation
    amendments: tuple[Amendment, ...] = ()

    @property
    def correction(self) -> Amendment | None:
        """The correction whose text is in force; None when nothing was corrected."""
        corrections = [a for a in self.amendments if a.kind is AmendmentKind.CORRECTION]
        return corrections[-1] if corrections else None

    @property
    def addenda(self) -> tuple[Amendment, ...]:
        """Every addendum, in order; a correction replaces the sections, not them."""
        return tuple(a for a in self.amendments if a.kind is AmendmentKind.ADDENDUM)

    @property
    def signature(self) -> Attestation:
        """The signature under the sections that are in force."""
        return self.original if self.correction is None else self.correction.attestation

    @property
    def signatures(self) -> tuple[Attestation, ...]:
        """Every signature, in order."""
        return (self.original, *(amendment.attestation for amendment in self.amendments))

    @property
    def sections(self) -> Mapping[str, str]:
        """The sections in force, keyed by `Section` value."""
        return sections_of(self.signature)

    @property
    def replaced(self) -> tuple[Replaced, ...]:
        """Each text that a correction replaced, in order."""
        number, signature, replaced = 0, self.original, []
        for amendment in self.amendments:
            if amendment.kind is AmendmentKind.CORRECTION:
                replaced.append(Replaced(number, signature, by=amendment))
                number, signature = amendment.number, amendment.attestation
        return tuple(replaced)

    def up_to(self, attestation_id: int) -> SignedText:
        """Return the report as it stood when that signature had been given."""
        known = (a for a in self.amendments if a.attestation.attestation_id <= attestation_id)
        return SignedText(self.original, tuple(known))

    def require_intact(self) -> None:
        """Check every signature, and that each amendment is what was signed, in its place.

        Raises
        ------
        Conflict
            Naming the signature that does not verify.
        """
        previous = self.original
        _require(previous.verifies(), previous)
        for number, amendment in enumerate(self.amendments, start=1):
            signature = amendment.attestation
            _require(signature.verifies(), signature)
            signed = json.loads(signature.text)
            said = amendment.content.as_json() | {
                "report_id": self.original.report_id,
                "number": number,
                "amends_sha256": previous.sha256,
                "meaning": MEANING_OF_KIND[amendment.kind].value,
            }
            _require(amendment.number == number and said.items() <= signed.items(), signature)
            previous = signature


def _require(is_intact: bool, signature: Attestation) -> None:
    if not is_intact:
        raise Conflict(f"the text of attestation {signature.attestation_id} does not verify: it is not sent")


def sections_of(signature: Attestation) -> Mapping[str, str]:
    """Return the sections that a signature binds, in reading order; none of an erased text."""
    if signature.is_erased:
        return {}
    sections: dict[str, str] = json.loads(signature.text)["sections"]
    order = {section.value: number for number, section in enumerate(Section)}
    return dict(sorted(sections.items(), key=lambda one: order[one[0]]))


def sentences_in_force(sentences: Sequence[Sentence], sections: Mapping[str, str]) -> tuple[Sentence, ...]:
    """Return the sentences of a corrected text, which join to exactly it.

    Parameters
    ----------
    sentences
        Of the report, as far as they may leave.
    sections
        The corrected text, keyed by `Section` value.

    Returns
    -------
    tuple of Sentence
        A sentence that stands in the corrected text word for word keeps what it rests on; everything else is
        the corrector's own.
    """
    return tuple(
        sentence
        for section in Section
        for sentence in _corrected(section, sections.get(section.value, ""), sentences)
    )


def _corrected(section: Section, text: str, sentences: Sequence[Sentence]) -> Iterator[Sentence]:
    own = sorted((s for s in sentences if s.section is section), key=lambda s: s.position)
    if text == compose_section(own, section):
        yield from own
        return
    rest, position = text, 0
    for sentence in own:
        before, found, after = _cut(rest, sentence.text.strip())
        if not found:
            continue
        if before:
            yield _own_words(section, before, position)
        yield _placed(sentence, position + 1)
        rest, position = after, position + 2
    if rest:
        yield _own_words(section, rest, position)


def _cut(text: str, sentence: str) -> tuple[str, bool, str]:
    """Split a text around a whole sentence of it; half a sentence is none."""
    if not sentence.endswith(_ENDS_A_SENTENCE):
        return "", False, text
    start = text.find(sentence)
    while start >= 0:
        before, after = text[:start], text[start + len(sentence) :]
        is_whole = not before or (before.endswith(" ") and before.rstrip().endswith(_ENDS_A_SENTENCE))
        if is_whole and (not after or after.startswith(" ")):
            return before.strip(), True, after.strip()
        start = text.find(sentence, start + 1)
    return "", False, text


def _placed(sentence: Sentence, position: int) -> Sentence:
    return replace(sentence, position=position)


def _own_words(section: Section, text: str, position: int) -> Sentence:
    return Sentence(
        key=f"corrected-{section.value}-{position}",
        section=section,
        position=position,
        text=text,
        ai_text="",
        origin=Origin.HUMAN,
        decision=Decision.EDITED,
    )


def as_lines(text: SignedText, *, with_names: bool = True) -> str:
    """Return a signed report as plain lines: what is in force first, then every addendum and by whom."""
    lines = []
    if text.correction is not None:
        lines.append(
            f"{text.correction.title.upper()}, replaces the earlier text: {text.correction.content.reason}"
        )
    lines += [f"{name.upper()}\n{said}" for name, said in text.sections.items() if said]
    for addendum in text.addenda:
        by = f" ({addendum.attestation.printed_name})" if with_names else ""
        lines.append(f"{addendum.title.upper()}{by}\n{addendum.content.text}")
    return "\n".join(lines)
