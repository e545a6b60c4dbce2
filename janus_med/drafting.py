"""From a study to its draft: choose frontal images, read them, combine, check; a fault is never a draft."""

from __future__ import annotations

import time
from contextlib import ExitStack
from dataclasses import dataclass
from typing import TYPE_CHECKING

from janus_med.checks import check_draft
from janus_med.decoding import Decoder
from janus_med.dicom_input import load_image
from janus_med.draft import Draft, Issue, Timings
from janus_med.errors import GeometryError, ModelFault, UnreadableInput
from janus_med.merging import ReadImage, merge_findings, merge_sentences
from janus_med.preprocessing import load_libraries, preprocess
from janus_med.reading_check import check_reading
from janus_med.scope import choose_frontals, refuse_by_model, refuse_image
from janus_med.study_embedding import combine_embeddings

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from janus_med.draft import DraftSentence
    from janus_med.reading import Reader, Reading
    from janus_med.study import Instance, Preprocessed, Study


@dataclass(frozen=True)
class _Refused:
    """Why one image takes no part; ``unreadable`` when its bytes are at fault."""

    reason: str
    unreadable: bool = False


def draft_study(
    study: Study,
    model: Reader,
    *,
    decoder: Decoder | None = None,
    seed: int = 0,
    has_prior: bool = False,
    indication: str = "",
    on_images: Callable[[], None] = lambda: None,
    on_model: Callable[[], None] = lambda: None,
) -> Draft:
    """Draft one study, or say why not.

    Parameters
    ----------
    study
        From `janus_med.dicom_input.read_studies`.
    model
        The loaded model.
    decoder
        A sandbox to share between studies; without one, a sandbox is started for this study alone.
    seed
        Reproduces the text.
    has_prior
        Whether words of comparison may stand in the text.
    indication
        Why the study was made, as ordered. The image alone decides findings and text; what the indication
        asks about and the text leaves out becomes an issue of the draft.
    on_images, on_model
        Called before an image is decoded, and before the model reads it.

    Returns
    -------
    Draft
        ``undrafted`` with the reason when the study is out of scope, unreadable, or the model's answer is
        faulty.
    """
    chosen, reason = choose_frontals(study)
    if not chosen:
        return _undrafted(study, model, seed, [_Refused(reason)])
    load_libraries()
    with ExitStack() as stack:
        sandbox = decoder or stack.enter_context(Decoder())
        outcomes = []
        for instance in chosen:
            on_images()
            outcomes.append(_read_image(instance, model, sandbox, seed, on_model))
    images = [outcome for outcome in outcomes if isinstance(outcome, ReadImage)]
    refused = [outcome for outcome in outcomes if isinstance(outcome, _Refused)]
    if not images:
        return _undrafted(study, model, seed, refused, chosen)
    findings = merge_findings(images)
    sentences = merge_sentences(images, findings)
    return Draft(
        study_uid=study.study_uid,
        status="drafted",
        reason="",
        model=model.info,
        seed=seed,
        input_sop_instance_uids=tuple(image.instance.sop_instance_uid for image in images),
        findings=findings,
        sentences=sentences,
        issues=(
            *check_draft(findings, sentences, has_prior=has_prior, indication=indication),
            *_report_skipped(images),
            *_report_withheld(images),
            *_report_completed(sentences),
        ),
        unreadable=tuple(one.reason for one in refused if one.unreadable),
        timings=_sum_timings(images),
        embedding=combine_embeddings([image.reading.embedding for image in images]),
    )


def _read_image(
    instance: Instance, model: Reader, decoder: Decoder, seed: int, on_model: Callable[[], None]
) -> ReadImage | _Refused:
    try:
        image = load_image(instance, decoder)
        started = time.perf_counter()
        prepared = preprocess(image, model.info.image_size)
        preprocess_s = time.perf_counter() - started
    except (UnreadableInput, GeometryError) as error:
        return _Refused(str(error), unreadable=True)
    reason = refuse_image(image, prepared)
    if reason:
        return _Refused(reason)
    on_model()
    try:
        answer = _ask_model(prepared, model, seed)
    except ModelFault as fault:
        return _Refused(f"model fault: {fault}")
    if isinstance(answer, _Refused):
        return answer
    return ReadImage(instance, prepared.trace, answer, image.decode_s, preprocess_s)


def _ask_model(prepared: Preprocessed, model: Reader, seed: int) -> Reading | _Refused:
    try:
        reason = refuse_by_model(prepared, model)
        reading = None if reason else model.read(prepared.pixel_values, seed=seed)
    except (ArithmeticError, IndexError, MemoryError, RuntimeError, ValueError) as error:
        # out of memory, a device that is gone, shapes that do not fit the weights
        raise ModelFault(f"reading stopped ({type(error).__name__})") from error
    if reading is None:
        return _Refused(reason or "")
    check_reading(reading)
    return reading


def _undrafted(
    study: Study, model: Reader, seed: int, refused: Sequence[_Refused], tried: Sequence[Instance] = ()
) -> Draft:
    return Draft(
        study_uid=study.study_uid,
        status="undrafted",
        reason=refused[0].reason,
        model=model.info,
        seed=seed,
        input_sop_instance_uids=tuple(instance.sop_instance_uid for instance in tried),
        unreadable=tuple(one.reason for one in refused if one.unreadable),
    )


def _report_skipped(images: Sequence[ReadImage]) -> tuple[Issue, ...]:
    reasons = dict.fromkeys(image.reading.skipped for image in images if image.reading.skipped)
    return tuple(Issue("text_skipped", "info", reason) for reason in reasons)


def _report_withheld(images: Sequence[ReadImage]) -> tuple[Issue, ...]:
    reasons = dict.fromkeys(reason for image in images for reason in image.reading.withheld)
    return tuple(
        Issue("sentence_withheld", "warning", f"a sentence was left out: {reason}") for reason in reasons
    )


def _report_completed(sentences: Sequence[DraftSentence]) -> tuple[Issue, ...]:
    message = "worded by rule: the language model had left this finding out"
    return tuple(
        Issue("sentence_by_rule", "info", message, index)
        for index, sentence in enumerate(sentences)
        if sentence.by_rule
    )


def _sum_timings(images: Sequence[ReadImage]) -> Timings:
    return Timings(
        decode_s=sum(image.decode_s for image in images),
        preprocess_s=sum(image.preprocess_s for image in images),
        encode_s=sum(image.reading.encode_s for image in images),
        generate_s=sum(image.reading.generate_s for image in images),
    )
