"""Does predicting hidden patches first help an encoder that then learns labels? Stage 0a with and without.

    python -m bench.self_supervision --cache FOLDER [--seeds 0 1 2] [--warm-up 120] [--perception 160]

A small encoder (112 pixels, 49 patches) starts from random weights. ``warm-up``: stage 0a on all training
films, then perception on the drawn ones; ``without``: perception alone; ``longer``: perception alone, with as
many more steps as the warm-up costs in floating-point operations; ``start``: the start of stage 0a (principal
components, sines) without a step of it, then perception. What an arm said of the test films is kept in the
cache, so seeds and arms may run in several processes; the last one prints the tables.
"""

from __future__ import annotations

import argparse
import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np
import torch
from torch import Tensor
from torch.nn.functional import avg_pool2d
from torch.utils.flop_counter import FlopCounterMode

from bench.arms import DRAWS_SEED, compare, comparison_table, describe_run, fit, is_enough, print_json
from bench.film_pools import (
    SIDE,
    TESTS,
    Films,
    add_pool_options,
    join,
    keep_named,
    name_pools,
    names_to_learn,
)
from janus_med.encoders import encode_with_gradient
from janus_med.evaluation.bootstrap import Estimate, estimate_auroc, macro, resample
from janus_med.model import MedicalJanus
from janus_med.presets import Preset, build_janus, drop_image_generation, find_preset
from janus_med.reading import FINDINGS
from janus_med.training.assemble import open_images
from janus_med.training.data import ImageStore
from janus_med.training.losses import perception_loss
from janus_med.training.recipe import RECIPES
from janus_med.training.samples import generator
from janus_med.training.stages import Bench, WarmUp

Kind = Literal["warm-up", "without", "longer", "start"]
KINDS: tuple[Kind, ...] = ("warm-up", "without", "longer", "start")
FACTOR = 2
SMALL = replace(
    find_preset("nano"),
    name="small",
    image_size=SIDE // FACTOR,
    vision_width=64,
    vision_layers=3,
    vision_heads=4,
)

PRESETS = {"small": SMALL, "nano": find_preset("nano")}
NAMES = {"real": "real labels", "trained": "inserted, trained brush", "unseen": "inserted, unseen brush"}


@dataclass(frozen=True)
class Schedule:
    """Steps of warm-up and perception, films of a perception step, peak rate of both."""

    warm_up: int = 120
    perception: int = 160
    batch: int = 32
    rate: float = 1e-3


class ReducedStore:
    """The films of a store at a fraction of their side; all that `WarmUp` asks for."""

    def __init__(self, store: ImageStore, factor: int) -> None:
        self.cases, self.indices = store.cases, store.indices
        self.size = store.size // factor
        self._store, self._factor = store, factor

    def grey(self, index: int) -> np.ndarray:
        """(S, S) float32 in [0, 1]."""
        film = torch.from_numpy(self._store.grey(index))[None, None]
        return np.asarray(avg_pool2d(film, self._factor)[0, 0].numpy())


def build_model(preset: Preset, seed: int) -> MedicalJanus:
    """A model with random weights that depend on the seed alone."""
    torch.manual_seed(seed)
    janus = build_janus(preset)
    drop_image_generation(janus)
    return MedicalJanus(janus, preset)


def warm_up(model: MedicalJanus, store: ReducedStore, seed: int) -> WarmUp:
    """Stage 0a of this model, its start taken."""
    stage = WarmUp(Bench(model, None, store, RECIPES["tiny"], seed))  # type: ignore[arg-type]
    stage.start()
    return stage


def perception(model: MedicalJanus, films: Films, schedule: Schedule, seed: int) -> Callable[[int], Tensor]:
    """The loss of stage 0b on drawn films; which ones a step takes depends on the seed alone."""
    pixels, labels = (
        films.pixels(films.grey.shape[-1] // model.preset.image_size),
        torch.from_numpy(films.labels),
    )
    masks = films.masks_tensor(model.preset.grid)

    def loss_of(step: int) -> Tensor:
        rng = generator(seed, "self-supervision", step)
        picked = torch.from_numpy(rng.integers(0, len(labels), schedule.batch))
        tokens = encode_with_gradient(model.janus.model.vision_model, pixels[picked])
        return perception_loss(model.understand(tokens), labels[picked], masks[picked])

    return loss_of


def operations(loss_of: Callable[[int], Tensor]) -> int:
    """Floating-point operations of one step, backward included."""
    with FlopCounterMode(display=False) as counter:
        loss_of(0).backward()
    return counter.get_total_flops()


def steps_for_warm_up(store: ReducedStore, films: Films, schedule: Schedule, preset: Preset) -> int:
    """How many perception steps cost what the warm-up costs."""
    model = build_model(preset, 0)
    model.requires_grad_(True)
    of_warm_up = operations(warm_up(model, store, 0).loss)
    return round(schedule.warm_up * of_warm_up / operations(perception(model, films, schedule, 0)))


def train(
    kind: Kind, store: ReducedStore, films: Films, schedule: Schedule, seed: int, preset: Preset = SMALL
) -> MedicalJanus:
    """One arm from random weights to the end of perception."""
    model = build_model(preset, seed)
    vision = model.janus.model.vision_model.requires_grad_(True)
    if kind in ("warm-up", "start"):
        stage = warm_up(model, store, seed)
        moved = [one for module in stage.modules().values() for one in module.parameters()]
        fit(moved, stage.loss, schedule.warm_up if kind == "warm-up" else 0, schedule.rate, seed)
    steps = schedule.perception
    if kind == "longer":
        steps += steps_for_warm_up(store, films, schedule, preset)
    moved = [one for module in (vision, model.attention, model.understanding) for one in module.parameters()]
    model.train()
    losses = fit(moved, perception(model, films, schedule, seed), steps, schedule.rate, seed)
    print(f"{kind}, seed {seed}: {steps} steps, loss {np.mean(losses[-20:]):.3f}", flush=True)
    return model.eval()


@torch.no_grad()
def judge(model: MedicalJanus, films: Films) -> np.ndarray:
    """(M, K) logits of test films."""
    pixels = films.pixels(films.grey.shape[-1] // model.preset.image_size)
    return np.concatenate([model.perceive(part).understanding.logits.numpy() for part in pixels.split(64)])


def figures(judged: dict[str, np.ndarray], films: dict[str, Films]) -> dict[str, Estimate]:
    """Mean area under the curve of each test set over the findings with enough films."""
    return {f"macro AUROC, {NAMES[name]}": _macro_auroc(judged[name], films[name]) for name in judged}


def _macro_auroc(logits: np.ndarray, films: Films) -> Estimate:
    weights = resample(films.persons, np.random.default_rng(DRAWS_SEED))
    told = [k for k in range(len(FINDINGS)) if is_enough(films.labels[:, k])]
    return macro([estimate_auroc(logits[:, k], films.labels[:, k], weights) for k in told])


def keep_run(
    options: argparse.Namespace, kind: Kind, films: dict[str, Films], schedule: Schedule, seed: int
) -> dict[str, np.ndarray]:
    """Train and judge one arm, or read from the cache what it said."""
    settings = f"{schedule} {name_pools(options)} {options.preset}"
    file = options.cache / f"judged-{kind}-{seed}-{hashlib.sha256(settings.encode()).hexdigest()[:8]}.npz"
    if not file.exists():
        store = open_images(options.data, films["learn"].grey.shape[-1], options.cache, None)
        preset = PRESETS[options.preset]
        model = train(
            kind, ReducedStore(store, store.size // preset.image_size), films["learn"], schedule, seed, preset
        )
        np.savez(file, **{name: judge(model, films[name]) for name in TESTS})
    with np.load(file, allow_pickle=False) as kept:
        return {name: kept[name] for name in TESTS}


def parse(arguments: Sequence[str] | None) -> argparse.Namespace:
    """Options of the command; every field of `Schedule` is one."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    add_pool_options(parser)
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    parser.add_argument("--arms", nargs="+", default=list(KINDS), choices=KINDS)
    parser.add_argument("--preset", default="small", choices=list(PRESETS))
    for name, value in vars(Schedule()).items():
        parser.add_argument(f"--{name.replace('_', '-')}", type=type(value), default=value)
    return parser.parse_args(arguments)


def main(arguments: Sequence[str] | None = None) -> None:
    """Run every seed of every arm and print figures and differences."""
    options = parse(arguments)
    torch.set_num_threads(1)
    schedule = Schedule(**{name: getattr(options, name) for name in vars(Schedule())})
    side = SIDE if options.preset == "small" else PRESETS[options.preset].image_size
    films = {name: keep_named(options, name, side) for name in TESTS}
    films["learn"] = join([keep_named(options, name, side) for name in names_to_learn(options)])
    judged = {
        kind: [figures(keep_run(options, kind, films, schedule, seed), films) for seed in options.seeds]
        for kind in options.arms
    }
    first, *others = options.arms
    rows = {kind: compare(judged[first], judged[kind]) for kind in others}
    counts = {name: len(one) for name, one in films.items()}
    settings = {"schedule": vars(schedule), "seeds": options.seeds, "films": counts}
    print_json(describe_run() | settings | {"rows": rows})
    for kind, row in rows.items():
        print("\n" + comparison_table(first, kind, row))


if __name__ == "__main__":
    main()
