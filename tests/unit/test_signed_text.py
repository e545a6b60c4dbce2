"""The chain of signatures under a report, and the sentences of a corrected text, without a database."""

from __future__ import annotations

import json
import random
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
import rfc8785
from hypothesis import given
from hypothesis import strategies as st

from app.domain.amendment import (
    MEANING_OF_KIND,
    Amendment,
    AmendmentText,
    amendment_text,
    write_addendum,
    write_correction,
)
from app.domain.attestation import Attestation, Meaning, canonical_text, digest_of
from app.domain.errors import Conflict
from app.domain.report import (
    Decision,
    Origin,
    Report,
    ReportState,
    Section,
    Sentence,
    compose_report,
)
from app.domain.signed_text import SignedText, as_lines, sentences_in_force

NOW = datetime(2026, 11, 27, 8, 0, tzinfo=UTC)
CORRECTED = {"findings": "Nodule in the right lung.", "impression": "Granuloma."}


def sentence(number: int, text: str, section: Section = Section.FINDINGS) -> Sentence:
    return Sentence(
        f"ai-{number}", section, number, text, text, Origin.AI, Decision.ACCEPTED, (f"Finding {number}",)
    )


SENTENCES = (
    sentence(1, "Nodule in the left lung."),
    sentence(2, "No effusion."),
    sentence(3, "Possible lesion.", Section.IMPRESSION),
)
REPORT = Report(7, "1.2.3", 1, ReportState.SIGNED, 5, 1, "janus", SENTENCES, NOW)


def sign(text: str, meaning: Meaning, number: int) -> Attestation:
    """A signature whose seal fits: what the chain holds, it holds against whoever has the key, too."""
    at = datetime.fromisoformat(json.loads(text)["signed_at"])
    signed = Attestation(number, 7, 5, "ada", "Dr. Ada", "attending", meaning, at, text, digest_of(text))
    return replace(signed, key_id="k", seal="s", is_sealed=True)


def chain(*contents: AmendmentText) -> SignedText:
    """A signed report with what was said after it."""
    at = {"username": "ada", "printed_name": "Dr. Ada"}
    text = canonical_text(REPORT, meaning=Meaning.FINAL, signed_at=NOW, **at)
    signed = SignedText(sign(text, Meaning.FINAL, 1))
    for number, content in enumerate(contents, start=1):
        said = amendment_text(
            REPORT, content, number, signed.signatures[-1], signed_at=NOW + timedelta(hours=number), **at
        )
        by = sign(said, MEANING_OF_KIND[content.kind], number + 1)
        signed = replace(signed, amendments=(*signed.amendments, Amendment(7, number, content, by)))
    return signed


WHOLE = chain(
    write_addendum("First."),
    write_correction(CORRECTED, "Wrong side."),
    write_addendum("Third."),
    write_correction(CORRECTED | {"impression": "Lesion."}, "Wrong word."),
)


def mutations(seed: int) -> Iterator[SignedText]:
    """Endless forgeries: one amendment, or one signature, is not what it was or where it was."""
    chance = random.Random(seed)
    while True:
        place = chance.randrange(4)
        amendment = WHOLE.amendments[place]
        signature, content = amendment.attestation, amendment.content
        other = WHOLE.amendments[(place + chance.randint(1, 3)) % 4]
        signed = json.loads(signature.text)
        key = chance.choice(sorted(signed))
        at = chance.randrange(len(signature.text))
        forged_body = {**signed, chance.choice(("number", "report_id")): chance.randint(8, 99)}
        forged = rfc8785.dumps(forged_body).decode()
        changed = chance.choice(
            (
                replace(amendment, attestation=other.attestation),
                replace(amendment, content=other.content),
                replace(amendment, number=chance.randint(5, 9)),
                replace(
                    amendment,
                    content=replace(content, text=content.text + "x", reason=content.reason + "x"),
                ),
                _signed_as(amendment, signature.text[:at] + "\x01" + signature.text[at + 1 :], keep=True),
                _signed_as(
                    amendment,
                    rfc8785.dumps({k: v for k, v in signed.items() if k != key}).decode(),
                    keep=True,
                ),
                _signed_as(amendment, forged),
            )
        )
        amendments = [changed if a is amendment else a for a in WHOLE.amendments]
        if chance.random() < 0.2:
            amendments = [a for a in WHOLE.amendments if a is not WHOLE.amendments[place % 3]]
        yield replace(WHOLE, amendments=tuple(amendments))


def _signed_as(amendment: Amendment, text: str, *, keep: bool = False) -> Amendment:
    """Give the signature another text; `keep` leaves its digest, else the forger makes a new one."""
    by = amendment.attestation
    return replace(
        amendment, attestation=replace(by, text=text, sha256=by.sha256 if keep else digest_of(text))
    )


@pytest.mark.covers("T35", "S4")
def test_a_thousand_forgeries_of_addenda_and_corrections_are_found() -> None:
    WHOLE.require_intact()
    forgeries = mutations(seed=20261127)
    accepted = 0
    for _ in range(1000):
        forgery = next(forgeries)
        assert forgery != WHOLE
        try:
            forgery.require_intact()
        except Conflict:
            continue
        accepted += 1
    assert accepted == 0


@pytest.mark.covers("S4")
def test_last_correction_is_in_force_and_addenda_stay() -> None:
    assert WHOLE.sections["impression"] == "Lesion."
    assert [(r.number, r.by.number) for r in WHOLE.replaced] == [(0, 2), (2, 4)]
    assert as_lines(WHOLE) == (
        "CORRECTION 4, replaces the earlier text: Wrong word.\n"
        "FINDINGS\nNodule in the right lung.\nIMPRESSION\nLesion.\n"
        "ADDENDUM 1 (Dr. Ada)\nFirst.\nADDENDUM 3 (Dr. Ada)\nThird."
    )
    before = WHOLE.up_to(3)
    assert [a.number for a in before.amendments] == [1, 2]
    assert before.sections == CORRECTED


@pytest.mark.covers("S4", "O6")
@pytest.mark.parametrize(
    ("findings", "kept"),
    [
        ("Nodule in the left lung. No effusion.", ["ai-1", "ai-2"]),
        ("Nodule in the left lung. It is calcified. No effusion.", ["ai-1", "ai-2"]),
        ("No effusion.", ["ai-2"]),
        ("No Nodule in the left lung. No effusion.", ["ai-2"]),
        ("No effusion. Nodule in the left lung.", ["ai-1"]),
        ("There is No effusion.", []),
        ("No effusion.? Nodule in the left lung.s", []),
        ("Clear.", []),
    ],
)
def test_only_a_whole_sentence_that_still_stands_keeps_its_finding(findings: str, kept: list[str]) -> None:
    """Half a sentence, or one with a denial in front of it, says something else."""
    sections = {"findings": findings, "impression": "Possible lesion."}
    sentences = sentences_in_force(SENTENCES, sections)
    assert compose_report(sentences) == sections
    assert [s.key for s in sentences if s.findings] == [*kept, "ai-3"]


WORDS = st.lists(
    st.sampled_from(["Nodule in the left lung.", "No effusion.", "No", "Clear!", "and", "Possible lesion."])
)


@given(WORDS.filter(bool), WORDS.filter(bool))
def test_sentences_join_to_exactly_the_corrected_text(findings: list[str], impression: list[str]) -> None:
    sections = {"findings": " ".join(findings), "impression": " ".join(impression)}
    sentences = sentences_in_force(SENTENCES, sections)
    assert compose_report(sentences) == sections
    assert len({s.key for s in sentences}) == len(sentences)


@pytest.mark.covers("T35", "S4")
@pytest.mark.parametrize("place", [0, 1, 2])
def test_amendment_that_was_written_anew_with_its_digest_is_found_by_the_next_one(place: int) -> None:
    """A forger who replaces row and signature alike cannot reach the signature that follows."""
    amendment = WHOLE.amendments[place]
    content = (
        replace(amendment.content, reason="x") if amendment.content.reason else write_addendum("Forged.")
    )
    body = json.loads(amendment.attestation.text) | content.as_json()
    forged = _signed_as(replace(amendment, content=content), rfc8785.dumps(body).decode())
    alone = SignedText(WHOLE.original, (*WHOLE.amendments[:place], forged))
    alone.require_intact()
    with pytest.raises(Conflict, match=f"attestation {place + 3}"):
        replace(alone, amendments=(*alone.amendments, *WHOLE.amendments[place + 1 :])).require_intact()
