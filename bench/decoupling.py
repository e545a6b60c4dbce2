"""One projection for both tasks against one a task, with equally many parameters.

    python -m bench.decoupling --cache FOLDER [--seeds 0 1 2] [--steps 200] [--rank 32] [--data FOLDER]

Between the frozen encoder of a fitted model and two heads, one that answers yes/no questions and one that
writes the findings, stands a residual bottleneck: one of twice the rank (coupled), or two of the rank
(decoupled). Both arms see the same films in the same order with the same start of the heads. What an arm said
of the test films is kept in the cache, so seeds may run in several processes; the last one prints the table.
"""

from __future__ import annotations

import argparse
import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np
import torch
from torch import Tensor, nn
from transformers import PreTrainedTokenizerFast

from bench.answers import Said, baselines, figures
from bench.arms import compare, comparison_table, count, describe_run, fit, print_json
from bench.encoded_films import AT_ONCE, TESTS, Encoded, load_films
from bench.film_pools import add_pool_options, name_pools
from bench.two_heads import (
    Projection,
    QuestionHead,
    ReportHead,
    question_loss,
    yes_weights,
)
from janus_med.checkpoint import bundled_folder, load_model, verify_folder
from janus_med.facts import label_report
from janus_med.model import MedicalJanus
from janus_med.reading import FINDINGS
from janus_med.training.samples import generator

Kind = Literal["coupled", "decoupled"]
KINDS: tuple[Kind, ...] = ("coupled", "decoupled")


@dataclass(frozen=True)
class Schedule:
    """Steps, films of questions and of reports a step, peak rate, rank of a decoupled projection."""

    steps: int = 200
    questions: int = 32
    reports: int = 8
    rate: float = 2e-3
    rank: int = 32


class Arm:
    """Projections and heads of one arm and seed; the heads start the same in both arms."""

    def __init__(
        self, kind: Kind, model: MedicalJanus, tokenizer: PreTrainedTokenizerFast, rank: int, seed: int
    ) -> None:
        width, side = model.preset.vision_width, model.preset.grid // 2
        torch.manual_seed(seed)
        self.questions = QuestionHead(width, side**2, model.preset.query_heads).train()
        self.reports = ReportHead(model, tokenizer, side**2)
        torch.manual_seed(seed + 1)
        ranks = {"coupled": (2 * rank,), "decoupled": (rank, rank)}[kind]
        self.projections = nn.ModuleList(Projection(width, one) for one in ranks)
        self.to_questions, self.to_reports = self.projections[0], self.projections[-1]

    def parameters(self) -> list[nn.Parameter]:
        return [*self.projections.parameters(), *self.questions.parameters(), *self.reports.parameters()]

    def question_loss(self, films: Encoded, picked: Tensor, weights: Tensor) -> Tensor:
        answered = self.questions(self.to_questions(films.tokens[picked]))
        return question_loss(answered, films.answers[picked], films.masks[picked], weights)

    def report_loss(self, films: Encoded, picked: Tensor) -> Tensor:
        return self.reports.loss(
            self.to_reports(films.tokens[picked]), [films.reports[i] for i in picked.tolist()]
        )

    @torch.no_grad()
    def say(self, films: Encoded) -> Said:
        """Answer every question about every film and write its findings."""
        self.questions.eval()
        answers, texts, nats = [], [], []
        for start in range(0, len(films.reports), AT_ONCE):
            tokens, reports = films.tokens[start : start + AT_ONCE], films.reports[start : start + AT_ONCE]
            answers.append(self.questions(self.to_questions(tokens))[0].numpy())
            projected = self.to_reports(tokens)
            texts += self.reports.write(projected)
            nats.append(self.reports.nats(projected, reports))
        return Said(np.concatenate(answers), states(texts), np.concatenate(nats))


def states(texts: Sequence[str]) -> np.ndarray:
    """(M, K) bool, whether each text states a finding."""
    facts = [label_report(text) for text in texts]
    return np.array(
        [[name in one and one[name].polarity != "negative" for name in FINDINGS] for one in facts]
    )


def train(arm: Arm, films: Encoded, schedule: Schedule, seed: int) -> list[float]:
    """Minimise the sum of both losses; films and order depend on the seed alone."""
    weights = yes_weights(films.answers)

    def loss_of(step: int) -> Tensor:
        rng = generator(seed, "decoupling", step)
        asked, told = (
            torch.from_numpy(rng.integers(0, len(films.reports), size))
            for size in (schedule.questions, schedule.reports)
        )
        return arm.question_loss(films, asked, weights) + arm.report_loss(films, told)

    return fit(arm.parameters(), loss_of, schedule.steps, schedule.rate, seed)


def run(
    kind: Kind, folder: Path, films: dict[str, Encoded], schedule: Schedule, seed: int
) -> tuple[dict[str, Said], int]:
    """Train one arm on a fresh copy of the model; return what it says of the tests, and its projections'
    parameters.
    """
    model, tokenizer = load_model(folder, verify_folder(folder))
    arm = Arm(kind, model, tokenizer, schedule.rank, seed)
    losses = train(arm, films["learn"], schedule, seed)
    print(f"{kind}, seed {seed}: loss {np.mean(losses[:10]):.3f} to {np.mean(losses[-10:]):.3f}", flush=True)
    return {name: arm.say(films[name]) for name in TESTS}, count(list(arm.projections.parameters()))


def keep_run(
    options: argparse.Namespace, kind: Kind, films: dict[str, Encoded], schedule: Schedule, seed: int
) -> tuple[dict[str, Said], int]:
    """As `run`, kept in the cache under the schedule, the films and the digests of the model."""
    cache, folder = options.cache, options.model
    settings = f"{schedule} {name_pools(options)} {sorted(verify_folder(folder).sha256.items())}"
    file = cache / f"said-{kind}-{seed}-{hashlib.sha256(settings.encode()).hexdigest()[:8]}.npz"
    if not file.exists():
        said, size = run(kind, folder, films, schedule, seed)
        np.savez(
            file,
            size=size,
            **{f"{name}/{key}": value for name in said for key, value in vars(said[name]).items()},
        )
    with np.load(file, allow_pickle=False) as kept:
        parts = {
            name: {key: kept[f"{name}/{key}"] for key in ("answers", "stated", "nats")} for name in TESTS
        }
        return {name: Said(**part) for name, part in parts.items()}, int(kept["size"])


def parse(arguments: Sequence[str] | None) -> argparse.Namespace:
    """Options of the command; every field of `Schedule` is one."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    add_pool_options(parser)
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    for name, value in vars(Schedule()).items():
        parser.add_argument(f"--{name}", type=type(value), default=value)
    parser.add_argument("--model", type=Path, default=bundled_folder())
    parser.add_argument("--arms", nargs="+", default=list(KINDS), choices=KINDS, help="one prints no table")
    return parser.parse_args(arguments)


def main(arguments: Sequence[str] | None = None) -> None:
    """Run every seed of both arms and print figures, differences and baselines."""
    options = parse(arguments)
    torch.set_num_threads(1)
    schedule = Schedule(**{name: getattr(options, name) for name in vars(Schedule())})
    model, _ = load_model(options.model, verify_folder(options.model))
    encoded, films = load_films(options, model)
    runs = {
        kind: [keep_run(options, kind, encoded, schedule, seed) for seed in options.seeds]
        for kind in options.arms
    }
    if len(runs) < len(KINDS):
        return
    sizes = {size for of_kind in runs.values() for _, size in of_kind}
    assert len(sizes) == 1, f"the arms differ in size: {sizes}"
    judged = {kind: [figures(said, films) for said, _ in of_kind] for kind, of_kind in runs.items()}
    rows = compare(judged["decoupled"], judged["coupled"])
    settings = {"schedule": vars(schedule), "seeds": options.seeds, "projection parameters": sizes.pop()}
    counts = {name: len(one) for name, one in films.items()}
    print_json(describe_run() | settings | {"films": counts, "rows": rows, "baselines": baselines(films)})
    print(comparison_table("decoupled", "coupled", rows))


if __name__ == "__main__":
    main()
