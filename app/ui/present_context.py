"""What stands beside a report, as the JSON of the components: priors, changes, questions, similar studies."""

from __future__ import annotations

from typing import Any

from app.domain.access import Action, Actor, may
from app.domain.change import Change
from app.domain.comparing import comparing_word
from app.domain.draft import Draft
from app.domain.finding_statements import Statement
from app.domain.prior import CurrentStudy, Prior, why_relevant
from app.domain.question import EXAMPLES, LONGEST_QUESTION, NOBODY_ANSWERS, Question
from app.domain.review import Review
from app.domain.similar import SimilarStudies, SimilarStudy
from app.services.prior_viewing import Comparison, OpenedPrior
from app.services.priors import as_current
from app.ui.present import image_data, readable_date
from app.ui.told import retell

JSON = dict[str, Any]


def prior_data(prior: Prior, current: CurrentStudy) -> JSON:
    """Return one earlier study for the panel; reasons as of `why_relevant`."""
    return {
        "study": prior.prior_uid,
        "date": readable_date(prior.study_date),
        "modality": prior.modality.replace("\\", ", "),
        "description": prior.description,
        "state": prior.state.value,
        "reason": prior.reason,
        "report": report_lines(prior.report_text),
        "because": [{"why": why, "value": value} for why, value in why_relevant(current, prior)],
    }


def report_lines(text: str) -> list[JSON]:
    """Return a report's text as sections: a line in capitals begins one."""
    sections: list[JSON] = []
    for line in text.splitlines():
        if not line.strip():
            continue
        if line.isupper() or (line.endswith(":") and len(line) < 60):
            sections.append({"title": line.rstrip(":"), "text": ""})
        elif not sections:
            sections.append({"title": "", "text": line.strip()})
        else:
            sections[-1]["text"] = f"{sections[-1]['text']} {line.strip()}".strip()
    return sections


def beside_data(review: Review, actor: Actor, *, csrf: str) -> JSON:
    """Return what the panel beside the report begins with."""
    current = as_current(review.study)
    return {
        "study": review.study.study_uid,
        "csrf": csrf,
        "date": readable_date(review.study.study_date),
        "priors": [prior_data(prior, current) for prior in review.priors],
        "comparisons": [] if review.priors else comparing_sentences(review),
        "mayAsk": may(actor.role, Action.ASK_MODEL),
        "maySearch": may(actor.role, Action.FIND_SIMILAR),
        "longest": LONGEST_QUESTION,
        "examples": list(EXAMPLES),
        "model": _model_name(review.draft),
    }


def comparing_sentences(review: Review) -> list[JSON]:
    """Return what of the draft compares with an earlier study, sentence by sentence (U6)."""
    report = review.report
    if report is None or report.is_final:
        return []
    return [
        {"key": sentence.key, "text": sentence.text, "word": word}
        for sentence in report.sentences
        if sentence.is_untouched_ai and (word := comparing_word(sentence.text))
    ]


def opened_prior_data(opened: OpenedPrior) -> JSON:
    """Return an opened prior: what the viewer shows, and what the panel says of it."""
    prior = opened.prior
    return {
        **prior_data(prior, as_current(opened.study)),
        "title": prior.description or prior.modality,
        "images": [image_data(instance) for instance in opened.instances],
        "missing": opened.missing,
        "report": prior.report_text,
        "sections": report_lines(prior.report_text),
    }


def comparison_data(compared: Comparison) -> JSON:
    """Return what changed since an earlier study."""
    return {
        "prior": compared.prior.prior_uid,
        "source": compared.source,
        "nowDate": readable_date(compared.study.study_date),
        "thenDate": readable_date(compared.prior.study_date),
        "changes": [_change_data(change) for change in compared.changes],
    }


def question_data(question: Question) -> JSON:
    """Return a question with its answer, if there is one."""
    answer = question.answer
    return {
        "id": question.question_id,
        "text": question.text,
        "by": question.printed_name,
        "state": question.state.value,
        "reason": retell(question.reason),
        "late": question.reason == NOBODY_ANSWERS,
        "askedAt": question.asked_at.isoformat(),
        "endedAt": question.ended_at.isoformat() if question.ended_at else None,
        "model": question.model_name,
        "answer": None
        if answer is None
        else {
            "text": answer.text,
            "refused": answer.refused,
            "finding": answer.finding,
            "decision": answer.decision,
            "probability": answer.probability,
            "sop": answer.sop_uid,
            "regions": [
                {"finding": region.finding, "box": list(region.box), "score": region.score}
                for region in answer.regions
            ],
        },
    }


def similar_data(found: SimilarStudies) -> JSON:
    """Return the result of a search for similar studies; nothing in it says whose they are."""
    return {
        "reason": found.reason,
        "searched": found.searched,
        "leftOut": found.left_out,
        "studies": [_similar_data(one) for one in found.studies],
    }


def _similar_data(one: SimilarStudy) -> JSON:
    return {
        "number": one.number,
        "similarity": round(one.similarity, 3),
        "age": one.age,
        "sex": one.sex,
        "modality": one.modality,
        "findings": one.sections.get("findings", ""),
        "impression": one.sections.get("impression", ""),
    }


def _change_data(change: Change) -> JSON:
    return {
        "finding": change.finding,
        "kind": change.kind.name.lower(),
        "critical": change.is_critical,
        "why": change.why,
        "now": _statement_data(change.now),
        "then": _statement_data(change.then),
    }


def _statement_data(said: Statement | None) -> JSON | None:
    if said is None:
        return None
    return {
        "text": said.text,
        "key": said.key,
        "ai": said.by_ai,
        "presence": said.presence.value,
        "probability": said.probability,
    }


def _model_name(draft: Draft | None) -> str:
    return draft.content.model_name if draft is not None and draft.content.is_drafted else ""
