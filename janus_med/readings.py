"""From what the adapters perceived to readings: one image of a batch at a time."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

import numpy as np
import torch

from janus_med.completion import complete_sentences
from janus_med.errors import ModelFault
from janus_med.planning import plan_report
from janus_med.reading import CHANGES, FINDINGS, MOTIONS, FindingReading, Reading
from janus_med.router import choose_route
from janus_med.writing import Writer, Written, read_sentences

if TYPE_CHECKING:
    from janus_med.model import MedicalJanus, Perception
    from janus_med.reading import Change, SentenceReading
    from janus_med.router import Budget


def read_findings(model: MedicalJanus, perception: Perception, row: int) -> tuple[FindingReading, ...]:
    """Turn logits and maps of one image into calibrated findings.

    Parameters
    ----------
    model
        Whose calibration and grid count.
    perception
        Of B images.
    row
        Which of them.

    Raises
    ------
    ModelFault
        When a probability or a map is not a number.
    """
    probabilities = model.calibration.probabilities(perception.understanding.logits)[row]  # (K,)
    maps = perception.cross.maps[row]  # (K, N)
    if not bool(torch.isfinite(probabilities).all() and torch.isfinite(maps).all()):
        raise ModelFault("the understanding adapter returned NaN")
    decisions, raised = model.calibration.decide(probabilities), model.calibration.raises(probabilities)
    grid = model.preset.grid
    scaled = (maps / maps.amax(dim=-1, keepdim=True)).view(-1, grid, grid).cpu().numpy().astype(np.float32)
    return tuple(
        FindingReading(
            name,
            float(probabilities[index]),
            decisions[index],
            scaled[index],
            _read_change(perception, row, index),
            None if perception.shares is None else int(perception.shares[row, index].argmax()),
            raised=decisions[index] == "defer" and raised[index],
        )
        for index, name in enumerate(FINDINGS)
    )


def read_rows(
    model: MedicalJanus, writer: Writer, budget: Budget, perception: Perception, seed: int, start: float
) -> tuple[Reading | ModelFault, ...]:
    """Read each image of a batch; the texts of all are written together.

    Parameters
    ----------
    model, writer
        Of one folder.
    budget
        What the site allows to skip.
    perception
        Of B images.
    seed
        Recorded with each reading.
    start
        `time.perf_counter` when the work began.

    Returns
    -------
    tuple of Reading or ModelFault
        In the order of the images; a fault is that image's alone.
    """
    rows = [_try_findings(model, perception, row) for row in range(len(perception.tokens))]
    encoded = time.perf_counter()
    sound = {row: findings for row, findings in enumerate(rows) if not isinstance(findings, ModelFault)}
    routes = {
        row: choose_route("generate", budget, cleared=is_cleared(findings)) for row, findings in sound.items()
    }
    plans = {row: plan_report(findings) for row, findings in sound.items() if routes[row].text}
    images = model.image_embeddings(perception.cross)["image"].pooler_output
    texts: dict[int, Written | ModelFault] = dict(
        zip(plans, writer.write(list(plans.values()), images[list(plans)]), strict=True)
    )
    seconds = (encoded - start, time.perf_counter() - encoded)
    return tuple(
        findings
        if isinstance(findings, ModelFault)
        else assemble_reading(perception, row, findings, texts.get(row, routes[row].reason), seed, seconds)
        for row, findings in enumerate(rows)
    )


def _try_findings(
    model: MedicalJanus, perception: Perception, row: int
) -> tuple[FindingReading, ...] | ModelFault:
    try:
        return read_findings(model, perception, row)
    except ModelFault as fault:
        return fault


def is_frontal(model: MedicalJanus, perception: Perception) -> tuple[bool, float]:
    """Return the verdict of the frontal check on the first image, and the probability behind it."""
    score = perception.understanding.frontal[0]
    return bool(score >= model.calibration.frontal_threshold[0]), float(torch.sigmoid(score))


def is_cleared(findings: tuple[FindingReading, ...]) -> bool:
    """Whether every abnormal finding was decided and none is present."""
    return all(finding.decision == "absent" for finding in findings[1:])


def assemble_reading(
    perception: Perception,
    row: int,
    findings: tuple[FindingReading, ...],
    written: Written | ModelFault | str,
    seed: int,
    seconds: tuple[float, float],
) -> Reading | ModelFault:
    """Bring the parts of one image together.

    Parameters
    ----------
    perception, row
        The image.
    findings
        From `read_findings`.
    written
        The text; a fault of it; or the reason why the route left it out.
    seed
        Recorded with the reading.
    seconds
        Of the encoder with the understanding adapter, and of the text.
    """
    if isinstance(written, ModelFault):
        return written
    try:
        sentences = () if isinstance(written, str) else _sentences(written, findings)
    except ModelFault as fault:
        return fault
    embedding = perception.understanding.embedding[row].cpu().numpy().astype(np.float32)
    skipped = written if isinstance(written, str) else ""
    withheld = () if isinstance(written, str) else tuple(one.reason for one in written.withheld)
    motions = _read_motions(perception, row)
    return Reading(
        findings, sentences, embedding, seed, *seconds, skipped=skipped, motions=motions, withheld=withheld
    )


def _sentences(written: Written, findings: tuple[FindingReading, ...]) -> tuple[SentenceReading, ...]:
    facts = () if written.plan is None else written.plan.facts
    return complete_sentences(read_sentences(written, findings), facts, findings)


def _read_change(perception: Perception, row: int, index: int) -> Change | None:
    if perception.change is None:
        return None
    chosen = int(perception.change[row, index].argmax())
    return CHANGES[chosen - 1] if chosen else None


def _read_motions(perception: Perception, row: int) -> tuple[tuple[str, float], ...]:
    if perception.motion is None:
        return ()
    return tuple(zip(MOTIONS, torch.sigmoid(perception.motion[row]).tolist(), strict=True))
