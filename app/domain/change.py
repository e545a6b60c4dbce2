"""What changed since an earlier study, finding by finding: a hint where to look, never report text."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum

from app.domain.draft import DraftContent
from app.domain.finding import OF_POLARITY, Presence
from app.domain.finding_statements import (
    NO_FINDING,
    Statement,
    critical_findings,
    read_sentence,
    read_text,
    strongest,
)
from app.domain.lexicon import Lexicon
from app.domain.report import Decision, Origin, Sentence
from app.domain.statements import side_of

DEVICES = "Support Devices"


class ChangeKind(StrEnum):
    """How a finding stands beside the earlier study, the most urgent to look at first."""

    NEW = "new"
    GONE = "gone"
    CANNOT_TELL = "cannot tell"
    NOT_MENTIONED = "not mentioned"
    STILL_THERE = "still there"


@dataclass(frozen=True)
class Change:
    """One finding then and now.

    Attributes
    ----------
    now, then
        The sentence behind it; None where the text does not speak of it.
    why
        Why it cannot be told (``possible_both``, ``possible_one``, ``sides``), or which of the two does not
        mention it (``silent_now``, ``silent_then``).
    """

    finding: str
    kind: ChangeKind
    now: Statement | None
    then: Statement | None
    why: str = ""

    @property
    def is_critical(self) -> bool:
        """Whether somebody has to be told of the finding."""
        return self.finding in critical_findings()

    @property
    def by_ai(self) -> bool:
        """Whether one of the two sides is the model's word that nobody has taken as theirs."""
        return any(said is not None and said.by_ai for said in (self.now, self.then))


def statements_of(
    sentences: Sequence[Sentence], content: DraftContent | None, *, lexicon: Lexicon | None = None
) -> tuple[Statement, ...]:
    """Return what a report says of the findings.

    Of a sentence that is still the model's, or was accepted as it stood, its own tags count; of every other
    one the words.
    """
    drafted = {} if content is None else {f"ai-{n}": raw for n, raw in enumerate(content.sentences, start=1)}
    findings = {} if content is None else {str(one.get("name")): one for one in content.findings}
    said: list[Statement] = []
    for sentence in sorted(sentences, key=lambda one: (one.section.value, one.position)):
        if sentence.decision is Decision.REJECTED or not sentence.text.strip():
            continue
        polarity = OF_POLARITY.get(str(drafted.get(sentence.key, {}).get("polarity")))
        is_tagged = sentence.origin is Origin.AI and sentence.text == sentence.ai_text and sentence.findings
        if not is_tagged or polarity is None:
            read = read_sentence(sentence.text, key=sentence.key, lexicon=lexicon)
            said += [_mark(one, sentence, findings) for one in read]
            continue
        for name in sentence.findings:
            presence = Presence.PRESENT if name == NO_FINDING else polarity
            tagged = Statement(name, presence, side_of(sentence.text).value, sentence.text, sentence.key)
            said.append(_mark(tagged, sentence, findings))
    return tuple(said)


def statements_in(text: str, *, lexicon: Lexicon | None = None) -> tuple[Statement, ...]:
    """Return what a report without sentences of ours says."""
    return read_text(text, lexicon=lexicon)


def compare(now: Iterable[Statement], then: Iterable[Statement]) -> tuple[Change, ...]:
    """Compare two reports; what both deny, or neither mentions, is left out.

    Returns
    -------
    tuple of Change
        Critical findings first, then as `ChangeKind` orders them; () when the earlier text says nothing that
        could be compared.
    """
    present, earlier = strongest(now), strongest(then)
    if not earlier:
        return ()
    was_normal = _is_normal(earlier)
    is_normal = _is_normal(present)
    names = [name for name in {**present, **earlier} if name != NO_FINDING]
    found = [
        change
        for name in names
        if (change := _compare(name, present, earlier, is_normal=is_normal, was_normal=was_normal))
        is not None
    ]
    order = list(ChangeKind)
    return tuple(sorted(found, key=lambda one: (not one.is_critical, order.index(one.kind), one.finding)))


def _compare(
    name: str,
    present: Mapping[str, Statement],
    earlier: Mapping[str, Statement],
    *,
    is_normal: bool,
    was_normal: bool,
) -> Change | None:
    now = present.get(name) or (present[NO_FINDING] if is_normal and name != DEVICES else None)
    then = earlier.get(name) or (earlier[NO_FINDING] if was_normal and name != DEVICES else None)
    is_there, was_there = _there(now, name), _there(then, name)
    if Presence.POSSIBLE in (is_there, was_there):
        both = is_there is was_there
        why = "possible_both" if both else "possible_one"
        return Change(name, ChangeKind.CANNOT_TELL, now, then, why)
    if Presence.PRESENT not in (is_there, was_there):
        return None
    if is_there is was_there:
        return _both(name, now, then)
    if is_there is None:
        return Change(name, ChangeKind.NOT_MENTIONED, None, then, "silent_now")
    if was_there is None:
        return Change(name, ChangeKind.NOT_MENTIONED, now, None, "silent_then")
    return Change(name, ChangeKind.NEW if is_there is Presence.PRESENT else ChangeKind.GONE, now, then)


def _both(name: str, now: Statement | None, then: Statement | None) -> Change:
    sides = (now.side if now else "", then.side if then else "")
    if all(sides) and sides[0] != sides[1]:
        return Change(name, ChangeKind.CANNOT_TELL, now, then, "sides")
    return Change(name, ChangeKind.STILL_THERE, now, then)


def _there(said: Statement | None, name: str) -> Presence | None:
    """Return what a statement means for a finding: a normal study denies all that it does not name."""
    if said is None:
        return None
    return Presence.ABSENT if said.finding == NO_FINDING != name else said.presence


def _is_normal(said: Mapping[str, Statement]) -> bool:
    """Tell whether a text calls the study normal and states nothing against it."""
    abnormal = any(
        one.presence is Presence.PRESENT for name, one in said.items() if name not in {NO_FINDING, DEVICES}
    )
    return NO_FINDING in said and said[NO_FINDING].presence is Presence.PRESENT and not abnormal


def _mark(said: Statement, sentence: Sentence, findings: Mapping[str, Mapping[str, object]]) -> Statement:
    probability = findings.get(said.finding, {}).get("probability") if sentence.is_untouched_ai else None
    known = float(probability) if isinstance(probability, int | float) else None
    return Statement(
        said.finding, said.presence, said.side, said.text, said.key, sentence.is_untouched_ai, known
    )
