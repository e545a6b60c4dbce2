"""A question to a study: its best frontal image that can be read is asked about, by the rules of drafting."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Protocol

from janus_med.answer import refuse
from janus_med.dicom_input import load_image
from janus_med.errors import GeometryError, ModelFault, UnreadableInput
from janus_med.preprocessing import load_libraries, preprocess
from janus_med.question_scope import Refusal
from janus_med.questions import parse_question
from janus_med.scope import choose_frontals, refuse_by_model, refuse_image

if TYPE_CHECKING:
    import torch

    from janus_med.answer import Answer
    from janus_med.decoding import Decoder
    from janus_med.overlay import Region
    from janus_med.reading import ModelInfo, Reading
    from janus_med.study import Instance, Preprocessed, Study


class Answerer(Protocol):
    """What a question needs of a model; `janus_med.engine.JanusMed` is one."""

    @property
    def info(self) -> ModelInfo:
        """Identity and digests of the loaded model."""
        ...

    def read(self, pixel_values: torch.Tensor, *, seed: int = 0) -> Reading:
        """Read one preprocessed image."""
        ...

    def answer(self, pixel_values: torch.Tensor, question: str) -> Answer:
        """Answer a question about one preprocessed image, (1, 3, S, S) float32 in [-1, 1]."""
        ...


@dataclass(frozen=True, eq=False)
class StudyAnswer:
    """What a model says to a question about a study.

    Attributes
    ----------
    answer
        None when no image of the study could be asked about.
    reason
        Why not; "" with an answer.
    sop_instance_uid
        The image that was asked about; "" when the question was refused before any was read.
    regions
        Of the findings that the answer shows, in source pixels, the strongest first.
    """

    answer: Answer | None
    reason: str = ""
    sop_instance_uid: str = ""
    regions: dict[str, tuple[Region, ...]] = field(default_factory=dict)


def answer_about_study(study: Study, model: Answerer, question: str, *, decoder: Decoder) -> StudyAnswer:
    """Answer a question about a study, or say why not; nothing of it is kept.

    Parameters
    ----------
    study
        From `janus_med.dicom_input.read_studies`.
    model
        The loaded model.
    question
        English. What is out of the closed vocabulary is refused before an image is opened.
    decoder
        The sandbox that opens the image.
    """
    parsed = parse_question(question)
    if isinstance(parsed, Refusal):
        return StudyAnswer(refuse(question, parsed, model.info))
    chosen, reason = choose_frontals(study)
    if chosen:
        load_libraries()
    for instance in chosen:
        prepared = _prepare(instance, model, decoder)
        if isinstance(prepared, str):
            reason = reason or prepared
            continue
        return _ask(instance, prepared, model, question)
    return StudyAnswer(None, reason)


def _prepare(instance: Instance, model: Answerer, decoder: Decoder) -> Preprocessed | str:
    """Return the image as the model sees it, or why it is not asked about."""
    try:
        image = load_image(instance, decoder)
        prepared = preprocess(image, model.info.image_size)
    except (UnreadableInput, GeometryError) as error:
        return str(error)
    return refuse_image(image, prepared) or refuse_by_model(prepared, model) or prepared


def _ask(instance: Instance, prepared: Preprocessed, model: Answerer, question: str) -> StudyAnswer:
    try:
        answer = model.answer(prepared.pixel_values, question)
        regions = answer.regions(prepared.trace, instance.sop_instance_uid)
    except (ArithmeticError, IndexError, MemoryError, RuntimeError, ValueError) as error:
        # out of memory, a device that is gone, shapes that do not fit the weights
        return StudyAnswer(None, f"model fault: answering stopped ({type(error).__name__})")
    except (ModelFault, GeometryError) as fault:
        return StudyAnswer(None, f"model fault: {fault}")
    return StudyAnswer(answer, sop_instance_uid=instance.sop_instance_uid, regions=regions)
