"""What a draft gets wrong by its own standards, found before a reader sees it.

Kinds: ``text_contradicts_classifier``, ``finding_not_in_text``, ``side_contradicts_region``,
``comparison_without_prior``, ``impression_contradicts_findings``, ``duplicate_sentence``,
``question_not_answered``, ``deferred``; and ``text_skipped``, ``sentence_withheld`` and
``sentence_by_rule``, which `janus_med.drafting` adds.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from janus_med.draft import Issue

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from janus_med.draft import DraftFinding, DraftSentence
    from janus_med.facts import Fact

_COMPARISON = re.compile(
    r"\b(?:compar(?:ed|ison)|previous(?:ly)?|prior|again (?:seen|noted|demonstrated)|unchanged|stable|"
    r"(?:no|without) (?:significant |interval )*change|interval|new(?:ly)? (?:since|from)|improved|"
    r"improv(?:ing|ement)|worsen(?:ed|ing)|(?:in|de)creas(?:ed|ing) (?:since|from|in (?:size|number))|"
    r"resol(?:ved|ving|ution)|persist(?:s|ent|ing)|redemonstrat\w+|remains?)\b",
    re.IGNORECASE,
)


def check_draft(
    findings: Sequence[DraftFinding],
    sentences: Sequence[DraftSentence],
    *,
    has_prior: bool = False,
    indication: str = "",
) -> tuple[Issue, ...]:
    """Run every check.

    Parameters
    ----------
    findings
        The classifier's side of the draft.
    sentences
        The text, in order.
    has_prior
        Whether a prior image was given to the model; without one, words of comparison are invented.
    indication
        Why the study was made: each finding that it names wants a word in the text.

    Returns
    -------
    tuple of Issue
        Errors first, then warnings, then information.
    """
    from janus_med.facts import label_sentence

    labels = [label_sentence(sentence.text) for sentence in sentences]
    issues = [
        *_check_classifier(findings, labels),
        *_check_omissions(findings, labels),
        *_check_sides(sentences, labels),
        *_check_sections(sentences, labels),
        *_check_duplicates(sentences),
        *_check_question(indication, findings, labels),
        *([] if has_prior else _check_comparisons(sentences)),
        *_report_deferred(findings),
    ]
    rank = {"error": 0, "warning": 1, "info": 2}
    return tuple(sorted(issues, key=lambda issue: rank[issue.severity]))


def _check_classifier(findings: Sequence[DraftFinding], labels: Sequence[dict[str, Fact]]) -> Iterator[Issue]:
    decisions = {finding.name: finding.decision for finding in findings}
    for index, facts in enumerate(labels):
        for name, fact in facts.items():
            decision = decisions.get(name)
            if name == "No Finding" or decision is None:
                continue
            if fact.polarity == "positive" and decision == "absent":
                message = f"the text states {name}, the classifier finds it absent"
            elif fact.polarity == "negative" and decision == "present":
                message = f"the text denies {name}, the classifier finds it present"
            else:
                continue
            yield Issue("text_contradicts_classifier", "error", message, index)


def _check_omissions(findings: Sequence[DraftFinding], labels: Sequence[dict[str, Fact]]) -> Iterator[Issue]:
    mentioned = {name for facts in labels for name in facts}
    for finding in findings:
        if finding.decision == "present" and finding.name != "No Finding" and finding.name not in mentioned:
            message = f"the classifier finds {finding.name} present, the text does not mention it"
            yield Issue("finding_not_in_text", "warning", message)


def _check_sides(sentences: Sequence[DraftSentence], labels: Sequence[dict[str, Fact]]) -> Iterator[Issue]:
    for index, (sentence, facts) in enumerate(zip(sentences, labels, strict=True)):
        sides = {fact.side for fact in facts.values() if fact.polarity != "negative"} - {None, "bilateral"}
        if sentence.region is None or not sides or sentence.region.side in sides:
            continue
        said = " and ".join(sorted(str(side) for side in sides))
        if sentence.region.side != "midline":
            message = f"the text says {said}, the region lies on the patient's {sentence.region.side}"
            yield Issue("side_contradicts_region", "error", message, index)
        elif len(sides) == 1:
            message = f"the text says {said}, the region reaches over both sides"
            yield Issue("side_contradicts_region", "warning", message, index)


def _check_sections(sentences: Sequence[DraftSentence], labels: Sequence[dict[str, Fact]]) -> Iterator[Issue]:
    stated: dict[str, set[str]] = {"positive": set(), "negative": set()}
    for sentence, facts in zip(sentences, labels, strict=True):
        if sentence.section == "findings":
            for name, fact in facts.items():
                stated.get(fact.polarity, set()).add(name)
    for index, (sentence, facts) in enumerate(zip(sentences, labels, strict=True)):
        if sentence.section != "impression":
            continue
        for name, fact in facts.items():
            abnormal = (
                stated["positive"] - {"No Finding", "Support Devices"} if name == "No Finding" else set()
            )
            denied = stated["negative"] - stated["positive"]
            if fact.polarity == "positive" and (name in denied or abnormal):
                what = ", ".join(sorted(abnormal)) or name
                message = f"the impression and the findings disagree about {what}"
                yield Issue("impression_contradicts_findings", "error", message, index)
            elif fact.polarity == "negative" and name in stated["positive"]:
                message = f"the findings state {name}, the impression denies it"
                yield Issue("impression_contradicts_findings", "error", message, index)


def _check_duplicates(sentences: Sequence[DraftSentence]) -> Iterator[Issue]:
    seen: set[tuple[str, str]] = set()
    for index, sentence in enumerate(sentences):
        key = sentence.section, re.sub(r"\W+", " ", sentence.text.lower()).strip()
        if key in seen:
            yield Issue(
                "duplicate_sentence", "warning", "the same sentence stands twice in this section", index
            )
        seen.add(key)


def _check_comparisons(sentences: Sequence[DraftSentence]) -> Iterator[Issue]:
    for index, sentence in enumerate(sentences):
        found = _COMPARISON.search(sentence.text)
        if found:
            message = f"“{found.group()}” compares with an earlier image, and none was read"
            yield Issue("comparison_without_prior", "warning", message, index)


def _check_question(
    indication: str, findings: Sequence[DraftFinding], labels: Sequence[dict[str, Fact]]
) -> Iterator[Issue]:
    from janus_med.facts import label_sentence

    asked = {name for part in re.split(r"[.;?\n]", indication) for name in label_sentence(part)}
    mentioned = {name for facts in labels for name in facts}
    for finding in findings:
        if finding.name != "No Finding" and finding.name in asked - mentioned:
            said = {"present": "present", "absent": "absent", "defer": "open"}[finding.decision]
            message = (
                f"the indication asks about {finding.name}, the text does not mention it "
                f"(the classifier: {said}, {finding.probability:.0%})"
            )
            yield Issue("question_not_answered", "warning", message)


def _report_deferred(findings: Sequence[DraftFinding]) -> Iterator[Issue]:
    for finding in findings:
        if finding.decision == "defer" and finding.name != "No Finding":
            message = f"the model leaves {finding.name} to the reader ({finding.probability:.0%})"
            yield Issue("deferred", "info", message)
