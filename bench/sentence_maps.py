"""Whether a map of a sentence would help its reader: `python -m bench.sentence_maps --data DATA --films 300`.

Films of validation persons with drawn lesions (both brushes) are drafted. Of each sentence that states or
raises a finding which is really there, three maps are compared with where it is: that of the finding (which
the reading room shows), the shared attention asked with the draft's words, and the language model's attention
while it worded the sentence. Then the side in the sentence is exchanged: does the map follow the words?
"""

from __future__ import annotations

import argparse
import os
import re
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from janus_med.checkpoint import bundled_folder
from janus_med.engine import JanusMed
from janus_med.errors import ModelFault
from janus_med.evaluation.bootstrap import estimate_mean, resample
from janus_med.evaluation.films import FilmSet, inserted_films
from janus_med.evaluation.places import contrasts, hits
from janus_med.reading import FINDINGS, Reading, SentenceReading
from janus_med.training.data import ImageStore, read_cases
from janus_med.training.losses import SHOWS
from janus_med.training.samples import Sample, to_pixels

_SIDE = re.compile(r"\b(left|right)\b", re.I)
_OTHER = {"left": "right", "right": "left", "Left": "Right", "Right": "Left"}
_SEED, _RESAMPLES = 77, 2000


@dataclass(frozen=True)
class Told:
    """A sentence about something that is there: whose film, and its measures by name."""

    person: str
    measures: dict[str, float]


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--films", type=int, default=300, help="of each brush")
    parser.add_argument("--cache", type=Path, default=Path("build/sentence_maps"))
    options = parser.parse_args()
    engine = JanusMed.load(bundled_folder(), "cpu")
    cases = [case for case in read_cases(options.data) if case.part == "val" and case.normal]
    print(f"{os.cpu_count()} processors, load {os.getloadavg()[0]:.1f}, model {engine.info.id}", flush=True)
    store = ImageStore(cases, engine.info.image_size, options.cache)
    for brush in ("trained", "unseen"):
        films = inserted_films(store, engine.model.preset.grid, brush, options.films, _SEED)
        told = [one for film in _each(films) for one in measure(engine, *film)]
        print(f"{brush} brush: {len(told)} sentences of {len({one.person for one in told})} persons")
        _sum_up(told)


def _each(films: FilmSet) -> Iterator[tuple[Sample, str]]:
    return zip(films.samples, films.persons, strict=True)


def measure(engine: JanusMed, sample: Sample, person: str) -> list[Told]:
    """Draft one film and measure its sentences; nothing for a film that the model refuses."""
    pixels = to_pixels(sample.grey)[None]
    try:
        reading, explained = engine.read(pixels), engine.explain(pixels)
    except ModelFault:
        return []
    worded = {one.sentence.text: one.attention for one in explained}

    def ask(text: str) -> np.ndarray:
        return engine.locate(pixels, text).attention

    told = []
    for sentence in reading.sentences:
        names = _shown(reading, sentence)
        mask = _mask(sample, names)
        if mask is None or sentence.text not in worded:
            continue
        own = np.max([one.attention for one in reading.findings if one.name in names], axis=0)
        maps = {"finding": own, "asked": ask(sentence.text), "worded": worded[sentence.text]}
        measures = {f"{name} points": float(hits(map_[None], mask[None])[0]) for name, map_ in maps.items()}
        measures |= {
            f"{name} CNR": float(contrasts(map_[None], mask[None])[0]) for name, map_ in maps.items()
        }
        measures |= {"chance": float(mask.mean())} | _sides(sentence.text, own, mask, ask)
        told.append(Told(person, measures))
    return told


def _shown(reading: Reading, sentence: SentenceReading) -> list[str]:
    if sentence.polarity not in {"positive", "uncertain"}:
        return []
    decided = {one.name for one in reading.findings if one.decision != "absent"}
    return [name for name in sentence.findings if name != "No Finding" and name in decided]


def _mask(sample: Sample, names: Sequence[str]) -> np.ndarray | None:
    """Return the patches (g, g) bool that show what was drawn of these findings; None when nothing was."""
    drawn = [np.nan_to_num(sample.masks[FINDINGS.index(name)]) > SHOWS for name in names]
    found = np.any(drawn, axis=0) if drawn else np.zeros(0, dtype=bool)
    return found if found.any() else None


def _sides(
    text: str, own: np.ndarray, mask: np.ndarray, ask: Callable[[str], np.ndarray]
) -> dict[str, float]:
    """Where the hottest patch lies when the words name the true side and the other; of one-sided lesions."""
    middle = mask.shape[1] // 2
    halves = {"right": mask[:, :middle].any(), "left": mask[:, middle:].any()}
    said = {found.lower() for found in _SIDE.findall(text)}
    if halves["left"] == halves["right"] or len(said) != 1:
        return {}
    truth = "left" if halves["left"] else "right"
    turned = _SIDE.sub(lambda found: _OTHER[found[0]], text)
    true, false = (text, turned) if said == {truth} else (turned, text)
    wrong = ask(false)
    return {
        "finding on the true side": float(_half(own) == truth),
        "asked with the true side, there": float(_half(ask(true)) == truth),
        "asked with the wrong side, follows": float(_half(wrong) != truth),
        "asked with the wrong side, tinted": float(wrong.max() > 0.5),
    }


def _half(heat: np.ndarray) -> str:
    column = int(heat.argmax()) % heat.shape[1]
    return "right" if column < heat.shape[1] / 2 else "left"


def _sum_up(told: Sequence[Told]) -> None:
    values: dict[str, list[tuple[str, float]]] = defaultdict(list)
    for one in told:
        for name, value in one.measures.items():
            values[name].append((one.person, value))
    for name, found in values.items():
        rng = np.random.default_rng(1)
        weights = resample([person for person, _ in found], rng, _RESAMPLES)
        print(
            f"  {name}: {estimate_mean(np.array([value for _, value in found]), weights).figure}", flush=True
        )


if __name__ == "__main__":
    main()
