"""Where the model looks: maps of the finding queries against inserted lesions, beside the decoder's raw
attention, a place prior and chance.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from janus_med.evaluation.bootstrap import Estimate, estimate_mean, macro, proportion
from janus_med.evaluation.boxes import boxed_films
from janus_med.evaluation.decoder_maps import decoder_maps
from janus_med.evaluation.films import inserted_films
from janus_med.evaluation.measure import ask
from janus_med.evaluation.metrics import contrast_to_noise, overlap, overlap_at
from janus_med.evaluation.sections import Bar, Section, beside
from janus_med.evaluation.tables import measures_table
from janus_med.reading import FINDINGS
from janus_med.training.losses import SHOWS

if TYPE_CHECKING:
    from janus_med.evaluation.measure import Exam, Said

LEVELS = tuple(round(0.05 * step, 2) for step in range(1, 20))
LEAST_POINTING, LEAST_OVERLAP, LEAST_CONTRAST = 0.80, 0.35, 1.3
LEAST_OVER_CHANCE, LEAST_OVER_DECODER = 4.0, 2.0

_TEXT = """On the patch grid ({grid} x {grid}); a patch shows a lesion that covers a twentieth of it.
*Pointing*: the hottest patch shows the lesion (Zhang et al. 2018). *IoU*: intersection over union with the
patches above a level that was chosen for each finding on films of calibration persons, so the map does not
know the lesion's size; *IoU, size known* takes as many patches as the lesion has. *CNR*: signed
contrast-to-noise ratio. *Place prior*: the mean mask of that finding over these very films, at its best
level: it knows where this disease usually is, a stronger rival than the middle of the image. *Decoder*: the
language model's raw attention from the sentence that names the finding ({decoder} findings a brush), at its
best level. *Chance*: the share of patches that show the lesion.
"""

_BOXES = """Boxes drawn by radiologists (ChestX-ray14) on validation persons: {count}. {shown}"""


def examine_places(exam: Exam) -> Section:
    """Measure pointing, overlap and contrast of the maps for both brushes, and on real boxes."""
    levels = choose_levels(exam)
    parts = [""]
    figures, bars = {}, []
    for brush, said in exam.brushes.items():
        rows = locate(exam, said, levels)
        shown = {name: {key: one.figure for key, one in row.items()} for name, row in rows.items()}
        parts.append(f"{brush.capitalize()} brush:\n\n{measures_table(shown)}")
        figures[f"localisation_{brush}"] = shown
        if brush == "trained":
            bars = _bars(rows)
    parts[0] = _TEXT.format(grid=exam.grid, decoder=exam.effort.maps)
    parts.append(_boxes(exam))
    return Section("places", "Where: the maps behind the overlays", "\n\n".join(parts), figures, tuple(bars))


def placed_in(said: Said, index: int) -> tuple[np.ndarray, np.ndarray]:
    """Return the films (P,) in which a finding shows, and its masks (P, g, g) bool."""
    masks = np.nan_to_num(said.masks[:, index]) > SHOWS
    placed = np.nonzero(masks.any(axis=(1, 2)))[0]
    return placed, masks[placed]


def choose_levels(exam: Exam) -> dict[str, float]:
    """Choose the level of each finding's overlay on films of calibration persons; one half without any."""
    films = inserted_films(exam.store, exam.grid, "trained", exam.effort.levels, exam.seed + 2, "calibration")
    said = exam.confront(films)
    levels = {}
    for index, name in enumerate(FINDINGS):
        placed, masks = placed_in(said, index)
        levels[name] = best_level(said.maps[placed, index], masks) if len(placed) else 0.5
    return levels


def best_level(heats: np.ndarray, masks: np.ndarray) -> float:
    """Return the level with the best mean overlap of maps (P, g, g) and masks."""
    return max(LEVELS, key=lambda level: float(overlaps_at(heats, masks, level).mean()))


def overlaps_at(heats: np.ndarray, masks: np.ndarray, level: float) -> np.ndarray:
    """Return the overlap (P,) of each map with its mask at one level."""
    return np.array([overlap_at(heat, mask, level) for heat, mask in zip(heats, masks, strict=True)])


def locate(exam: Exam, said: Said, levels: dict[str, float]) -> dict[str, dict[str, Estimate]]:
    """Return the measures of each placed finding by name."""
    rows: dict[str, dict[str, Estimate]] = {}
    for index, name in enumerate(FINDINGS):
        placed, masks = placed_in(said, index)
        if not len(placed):
            continue
        weights, heats = said.weights[:, placed], said.maps[placed, index]
        prior = np.repeat(masks.mean(axis=0)[None], len(placed), axis=0)
        values = {
            "pointing": hits(heats, masks),
            "prior pointing": hits(prior, masks),
            "chance": masks.mean(axis=(1, 2)),
            "IoU": overlaps_at(heats, masks, levels[name]),
            "prior IoU": overlaps_at(prior, masks, best_level(prior, masks)),
            "IoU, size known": np.array(
                [overlap(heat, mask) for heat, mask in zip(heats, masks, strict=True)]
            ),
            "CNR": contrasts(heats, masks),
            "prior CNR": contrasts(prior, masks),
        }
        rows[name] = {key: estimate_mean(value, weights) for key, value in values.items()}
        rows[name] |= _decoder(exam, said, placed[: _share(exam)], index)
    return rows


def _share(exam: Exam) -> int:
    return max(1, exam.effort.maps // 10)


def _decoder(exam: Exam, said: Said, placed: np.ndarray, index: int) -> dict[str, Estimate]:
    films = [said.films.samples[i].grey for i in placed]
    heats = decoder_maps(exam.model, exam.tokenizer, films, [FINDINGS[index]] * len(films))
    masks = np.nan_to_num(said.masks[placed, index]) > SHOWS
    weights = said.weights[:, placed]
    return {
        "decoder pointing": estimate_mean(hits(heats, masks), weights),
        "decoder IoU": estimate_mean(overlaps_at(heats, masks, best_level(heats, masks)), weights),
        "decoder CNR": estimate_mean(contrasts(heats, masks), weights),
    }


def hits(heats: np.ndarray, masks: np.ndarray) -> np.ndarray:
    """Return whether the hottest patch of each map (P, g, g) lies in its mask: (P,) bool."""
    hottest = heats.reshape(len(heats), -1).argmax(axis=1)
    return np.take_along_axis(masks.reshape(len(masks), -1), hottest[:, None], axis=1)[:, 0]


def contrasts(heats: np.ndarray, masks: np.ndarray) -> np.ndarray:
    """Return the contrast-to-noise ratio (P,) of each map."""
    return np.array([contrast_to_noise(heat, mask) for heat, mask in zip(heats, masks, strict=True)])


def _bars(rows: dict[str, dict[str, Estimate]]) -> list[Bar]:
    mean = {
        key: macro([row[key] for row in rows.values() if key in row]) for key in next(iter(rows.values()), {})
    }
    if not mean:
        return []
    pointing, chance, decoder = mean["pointing"], mean["chance"], mean["decoder pointing"]
    prior = mean["prior pointing"]
    what = "Overlays on inserted lesions: "
    return [
        Bar(
            f"{what}pointing game",
            pointing.figure,
            LEAST_POINTING,
            baselines=beside({"place prior": prior, "decoder": decoder, "chance": chance}),
        ),
        Bar(
            f"{what}pointing over chance, times",
            (pointing / chance).figure,
            LEAST_OVER_CHANCE,
            baselines=beside({"chance": chance}),
        ),
        Bar(
            f"{what}pointing over raw decoder attention, times",
            (pointing / decoder).figure,
            LEAST_OVER_DECODER,
            baselines=f"decoder {decoder.figure}",
        ),
        Bar(
            f"{what}pointing above the place prior",
            (pointing - prior).figure,
            0.0,
            baselines=f"place prior {prior.figure}",
            strict=True,
        ),
        Bar(
            f"{what}mIoU",
            mean["IoU"].figure,
            LEAST_OVERLAP,
            baselines=beside({"place prior": mean["prior IoU"], "decoder": mean["decoder IoU"]}),
        ),
        Bar(
            f"{what}CNR",
            mean["CNR"].figure,
            LEAST_CONTRAST,
            baselines=beside(
                {"place prior": mean["prior CNR"], "decoder": mean["decoder CNR"], "flat map": 0}
            ),
        ),
    ]


def _boxes(exam: Exam) -> str:
    boxed = boxed_films(exam.store, exam.data, exam.grid)
    if not boxed:
        return _BOXES.format(count=0, shown="The manifest has none for these films.")
    maps = ask(exam.model, [exam.store.grey(one.index) for one in boxed]).maps
    heats = np.stack([maps[row, FINDINGS.index(one.finding)] for row, one in enumerate(boxed)])
    masks = np.stack([one.mask > 0.5 if (one.mask > 0.5).any() else one.mask > SHOWS for one in boxed])
    rng = exam.rng("boxes")
    shown = {
        "boxes": {
            "pointing": proportion(hits(heats, masks), rng),
            "chance": proportion(masks.mean(axis=(1, 2)), rng),
            "CNR": proportion(contrasts(heats, masks), rng),
        }
    }
    few = "So few say nothing; they are printed for completeness." if len(boxed) < 20 else ""
    return _BOXES.format(count=len(boxed), shown=few) + "\n\n" + measures_table(shown, mean=False)
