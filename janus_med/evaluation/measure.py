"""What a model says of validation films: real labels, inserted lesions, decoys, scope, drafts."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import torch

from janus_med.evaluation.metrics import Figure, auroc, calibration_error, measure, overlap, proportion
from janus_med.facts import label_report
from janus_med.planning import plan_report
from janus_med.reading import FINDINGS
from janus_med.training.data import OUT_OF_POPULATION
from janus_med.training.lesions import BRUSHES
from janus_med.training.losses import SHOWS
from janus_med.training.nonchest import draw_other
from janus_med.training.samples import Sample, Sampler, generator, stack, to_pixels

if TYPE_CHECKING:
    from janus_med.engine import JanusMed
    from janus_med.model import MedicalJanus
    from janus_med.training.attenuation import Brush
    from janus_med.training.data import Case, ImageStore

STEP = 32
MOST_FILMS = 300


@dataclass(frozen=True, eq=False)
class Said:
    """Answers for M images: probabilities (M, K), maps (M, K, g, g), frontal logits (M,), labels, masks."""

    probabilities: np.ndarray
    maps: np.ndarray
    frontal: np.ndarray
    labels: np.ndarray
    masks: np.ndarray


@torch.no_grad()
def ask(model: MedicalJanus, samples: list[Sample]) -> Said:
    """Let a model judge samples in batches."""
    probabilities, maps, frontal = [], [], []
    grid = model.preset.grid
    for start in range(0, len(samples), STEP):
        perception = model.perceive(stack(samples[start : start + STEP]).pixels)
        probabilities.append(model.calibration.probabilities(perception.understanding.logits).numpy())
        maps.append(perception.cross.attention.view(-1, len(FINDINGS), grid, grid).numpy())
        frontal.append(perception.understanding.frontal.numpy())
    labels, masks = np.stack([s.labels for s in samples]), np.stack([s.masks for s in samples])
    return Said(np.concatenate(probabilities), np.concatenate(maps), np.concatenate(frontal), labels, masks)


def real_samples(store: ImageStore, grid: int) -> tuple[list[Sample], list[str]]:
    """Return the labelled validation films as they are, and the subset of each."""
    indices = store.indices(lambda case: case.part == "val" and case.labelled)
    unknown = np.full((len(FINDINGS), grid, grid), np.nan, dtype=np.float32)
    samples = [Sample(store.grey(index), store.cases[index].labels, unknown) for index in indices]
    return samples, [store.cases[index].subset for index in indices]


def inserted_samples(store: ImageStore, grid: int, brush: Brush, count: int, seed: int) -> list[Sample]:
    """Return validation films with lesions of one brush family: one finding each in turn, and as many
    without.
    """
    sampler = Sampler(store, "val", grid)
    names = list(BRUSHES)
    rng = generator(seed, f"eval-{brush}", 0)
    return [
        sampler.draw_inserted(rng, brush, finding=names[index // 2 % len(names)] if index % 2 else None)
        for index in range(count)
    ]


def finding_aurocs(said: Said, rng: np.random.Generator) -> dict[str, Figure]:
    """Return the area under the curve of each finding that both labels have."""
    figures = {
        name: measure(auroc, said.probabilities[:, index], said.labels[:, index], rng)
        for index, name in enumerate(FINDINGS)
    }
    return {name: figure for name, figure in figures.items() if not np.isnan(figure.value)}


def calibration_errors(said: Said, rng: np.random.Generator) -> dict[str, Figure]:
    """Return the expected calibration error of each finding."""
    figures = {
        name: measure(calibration_error, said.probabilities[:, index], said.labels[:, index], rng)
        for index, name in enumerate(FINDINGS)
    }
    return {name: figure for name, figure in figures.items() if not np.isnan(figure.value)}


def localisation(said: Said, rng: np.random.Generator) -> dict[str, dict[str, Figure]]:
    """Return pointing hits and overlap of each placed finding, beside a centre prior and chance.

    The centre prior is the mean lesion mask of that finding over the same films: it knows where the disease
    usually is, which is a stronger rival than the middle of the image.
    """
    rows: dict[str, dict[str, Figure]] = {}
    for index, name in enumerate(FINDINGS):
        masks = np.nan_to_num(said.masks[:, index]) > SHOWS
        placed = np.nonzero(masks.any(axis=(1, 2)))[0]
        if not len(placed):
            continue
        prior = masks[placed].mean(axis=0)
        rows[name] = {
            "pointing": proportion(_hits(said.maps[placed, index], masks[placed]), rng),
            "prior pointing": proportion(_hits(np.repeat(prior[None], len(placed), 0), masks[placed]), rng),
            "chance": proportion(masks[placed].mean(axis=(1, 2)), rng),
            "overlap": proportion(np.array([overlap(said.maps[i, index], masks[i]) for i in placed]), rng),
            "prior overlap": proportion(np.array([overlap(prior, masks[i]) for i in placed]), rng),
        }
    return rows


def _hits(heats: np.ndarray, masks: np.ndarray) -> np.ndarray:
    flat = heats.reshape(len(heats), -1).argmax(axis=1)
    return np.take_along_axis(masks.reshape(len(masks), -1), flat[:, None], axis=1)[:, 0]


def decisions(model: MedicalJanus, said: Said, rng: np.random.Generator) -> dict[str, Figure]:
    """Return how often a finding with a known label is decided, and how often a decision is wrong."""
    decided, wrong = [], []
    for probabilities, labels in zip(said.probabilities, said.labels, strict=True):
        for decision, label in zip(
            model.calibration.decide(torch.from_numpy(probabilities)), labels, strict=True
        ):
            if np.isnan(label):
                continue
            decided.append(decision != "defer")
            if decision != "defer":
                wrong.append((decision == "present") != bool(label))
    return {
        "decided": proportion(np.array(decided), rng),
        "wrong among decided": proportion(np.array(wrong), rng),
    }


@torch.no_grad()
def scope(model: MedicalJanus, store: ImageStore, seed: int) -> dict[str, Figure]:
    """Return false refusals on validation films, adults and children apart, and refusals of drawn other
    pictures.
    """
    rng = generator(seed, "scope", 0)
    threshold = float(model.calibration.frontal_threshold[0])
    films = {
        name: [store.grey(index) for index in store.indices(chosen)[:MOST_FILMS]]
        for name, chosen in (("adult films refused", _is_adult), ("children's films refused", _is_child))
    }
    figures = {
        name: proportion(_frontal(model, grey) < threshold, rng) for name, grey in films.items() if grey
    }
    grey = films["adult films refused"]
    others = [draw_other(grey[int(rng.integers(len(grey)))], rng) for _ in range(300)]
    return figures | {"drawn other pictures refused": proportion(_frontal(model, others) < threshold, rng)}


def _is_adult(case: Case) -> bool:
    return case.part == "val" and case.source not in OUT_OF_POPULATION


def _is_child(case: Case) -> bool:
    return case.part == "val" and case.source in OUT_OF_POPULATION


@torch.no_grad()
def _frontal(model: MedicalJanus, grey: list[np.ndarray]) -> np.ndarray:
    parts = [to_pixels(np.stack(grey[start : start + STEP])) for start in range(0, len(grey), STEP)]
    return np.concatenate([model.perceive(pixels).understanding.frontal.numpy() for pixels in parts])


def draft_fidelity(engine: JanusMed, samples: list[Sample], rng: np.random.Generator) -> dict[str, Figure]:
    """Return how often the text says exactly what was planned, and how often it is a normal report of a
    normal film.
    """
    from janus_med.errors import ModelFault

    faithful, faulty, normal = [], [], []
    for sample in samples:
        try:
            reading = engine.read(to_pixels(sample.grey)[None])
        except ModelFault:
            faulty.append(True)
            continue
        faulty.append(False)
        plan = plan_report(reading.findings)
        text = " ".join(sentence.text for sentence in reading.sentences)
        said = {name: fact.polarity for name, fact in label_report(text).items() if name != "No Finding"}
        meant = {fact.finding: "positive" if fact.certain else "uncertain" for fact in plan.facts}
        faithful.append(said == meant | dict.fromkeys(plan.absent, "negative"))
        if sample.labels[0] == 1:
            normal.append(not any(polarity == "positive" for polarity in said.values()))
    return {
        "text says exactly the plan": proportion(np.array(faithful), rng),
        "normal films without a stated finding": proportion(np.array(normal), rng),
        "model faults": proportion(np.array(faulty), rng),
    }
