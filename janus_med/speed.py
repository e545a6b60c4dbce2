"""How fast the text is written, beside Hugging Face's ``generate`` and the bound of the memory, in one run.

A step reads every weight of the language model once, so a token takes at least weights / bandwidth. Sides
are timed in turn, round by round, so that a busy machine is busy for all of them; medians count.
"""

from __future__ import annotations

import os
import statistics
import time
from dataclasses import dataclass
from random import Random
from typing import TYPE_CHECKING, Any

import torch

from janus_med.plain_generate import generate_plainly
from janus_med.text_decoder import TextDecoder
from janus_med.training.corpus import random_plan
from janus_med.writing import Writer

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from torch import Tensor

    from janus_med.engine import JanusMed
    from janus_med.text_answers import Answer, Prompt

LIMIT = 96
"""Most tokens of a timed answer."""


@dataclass(frozen=True)
class Spent:
    """Seconds on the clock and of this process' processors."""

    wall: float
    cpu: float


def interleave(sides: Mapping[str, Callable[[int], object]], rounds: int) -> dict[str, list[Spent]]:
    """Time every side once a round, after one warm-up round; the order turns from round to round.

    Parameters
    ----------
    sides
        Called with the number of the round: all sides of a round do the same work.
    rounds
        How many count.

    Returns
    -------
    dict of str to list of Spent
        A round each, in the order of the rounds: paired between sides.
    """
    times: dict[str, list[Spent]] = {name: [] for name in sides}
    names = list(sides)
    for round_ in range(-1, rounds):
        turn = round_ % len(names)
        for name in names[turn:] + names[:turn]:
            begin, used = time.perf_counter(), time.process_time()
            sides[name](max(0, round_))
            if round_ >= 0:
                times[name].append(Spent(time.perf_counter() - begin, time.process_time() - used))
    return times


def paired_ratio(times: dict[str, list[Spent]], slow: str, fast: str) -> dict[str, float]:
    """Return the median over the rounds of slow / fast, by the clock and by processor time."""
    pairs = list(zip(times[slow], times[fast], strict=True))
    return {
        "wall": round(statistics.median(a.wall / b.wall for a, b in pairs), 3),
        "cpu": round(statistics.median(a.cpu / b.cpu for a, b in pairs), 3),
    }


def medians_ms(times: dict[str, list[Spent]]) -> dict[str, dict[str, float]]:
    """Return the median milliseconds of each side, and the shortest on the clock."""
    return {
        name: {
            "wall": round(1000 * statistics.median(spent.wall for spent in values), 2),
            "wall_best": round(1000 * min(spent.wall for spent in values), 2),
            "cpu": round(1000 * statistics.median(spent.cpu for spent in values), 2),
        }
        for name, values in times.items()
    }


def read_bandwidth(size: int, repeats: int = 7) -> float:
    """Return bytes a second at which one thread sums ``size`` bytes of float32, the best of some repeats.

    By processor time, as the steps it is compared with.
    """
    block = torch.ones(max(1, size // 4))
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        block.sum()
        spent = []
        for _ in range(repeats):
            begin = time.process_time()
            block.sum()
            spent.append(time.process_time() - begin)
    finally:
        torch.set_num_threads(threads)
    return block.numel() * 4 / min(spent)


def measure_decoding(engine: JanusMed, rounds: int = 20) -> dict[str, Any]:
    """Time plain ``generate`` and our decoding on random plans and noise images, one plan a round.

    Returns
    -------
    dict
        Median and best times, the medians of the paired ratios, tokens a second, in how many rounds the
        tokens were the same, and the share of the bandwidth bound that the steps after the prompt reach, by
        processor time: a step reads the weights, and cannot end before they have been read.
    """
    bench = SpeedBench(engine, min(rounds, 10))
    sides = {"generate": bench.plain, "ours": bench.ours, "ours, first token": bench.first}
    times = interleave(sides, rounds)
    counts = [len(bench.ours(round_)) for round_ in range(rounds)]
    step = statistics.median(
        (whole.cpu - first.cpu) / max(1, count - 1)
        for whole, first, count in zip(times["ours"], times["ours, first token"], counts, strict=True)
    )
    weights = bench.decoder.step_bytes
    speeds = {"memory": read_bandwidth(256 * 2**20), "block of that size": read_bandwidth(weights)}
    return {
        "rounds": rounds,
        "same_tokens": sum(bench.plain(round_) == bench.ours(round_) for round_ in range(rounds)),
        "median_ms": medians_ms(times),
        "generate / ours": paired_ratio(times, "generate", "ours"),
        "tokens_per_s": {
            name: round(
                statistics.median(n / spent.wall for n, spent in zip(counts, times[name], strict=True)), 1
            )
            for name in ("generate", "ours")
        },
        "cpu_ms_per_step": round(1000 * step, 3),
        "mb_read_per_step": round(weights / 1e6, 2),
        "gb_per_s": {name: round(speed / 1e9, 1) for name, speed in speeds.items()},
        "share_of_bound": {name: round(weights / speed / step, 3) for name, speed in speeds.items()},
        "load_average": os.getloadavg()[0],
    }


def measure_capture(engine: JanusMed, rounds: int = 20) -> dict[str, Any]:
    """Time our decoding with and without the capture of attention; a ratio of 1 costs nothing."""
    bench = SpeedBench(engine, min(rounds, 10))
    times = interleave({"without": bench.ours, "with capture": bench.captured}, rounds)
    return {
        "rounds": rounds,
        "same_tokens": sum(bench.ours(round_) == bench.captured(round_) for round_ in range(rounds)),
        "median_ms": medians_ms(times),
        "with / without": paired_ratio(times, "with capture", "without"),
        "load_average": os.getloadavg()[0],
    }


def measure_batch(engine: JanusMed, rounds: int = 5, rows: int = 4) -> dict[str, Any]:
    """Time several plans decoded in one batch and one by one."""
    bench = SpeedBench(engine, rows)
    times = interleave({"one by one": bench.one_by_one, "batch": bench.together}, rounds)
    return {
        "rounds": rounds,
        "rows": rows,
        "same_tokens": bench.one_by_one(0) == bench.together(0),
        "median_ms": medians_ms(times),
        "one by one / batch": paired_ratio(times, "one by one", "batch"),
        "load_average": os.getloadavg()[0],
    }


class SpeedBench:
    """Plans with images, and the ways to answer that of a round.

    Parameters
    ----------
    engine
        The loaded model.
    plans
        How many different ones; the rounds go through them in turn.
    """

    def __init__(self, engine: JanusMed, plans: int) -> None:
        self._model, self._tokenizer = engine.model, engine.tokenizer
        self.decoder = TextDecoder(self._model)
        writer = Writer(self._model, self._tokenizer, self.decoder)
        self._plans = [random_plan(Random(seed)) for seed in range(plans)]  # noqa: S311 - wording
        self._images = noise_images(engine, plans)
        self._prompts = [
            writer.prompt(plan, image) for plan, image in zip(self._plans, self._images, strict=True)
        ]
        self._end: int = self._tokenizer.eos_token_id

    def plain(self, round_: int) -> tuple[int, ...]:
        """Answer with Hugging Face's ``generate``."""
        which = round_ % len(self._plans)
        return generate_plainly(self._model, self._tokenizer, self._plans[which], self._images[which], LIMIT)[
            0
        ]

    def ours(self, round_: int) -> tuple[int, ...]:
        """Answer with our decoder."""
        return self._decode([self._prompt(round_)], LIMIT)[0].tokens

    def first(self, round_: int) -> tuple[int, ...]:
        """Answer with one token: the prompt alone."""
        return self._decode([self._prompt(round_)], 1)[0].tokens

    def captured(self, round_: int) -> tuple[int, ...]:
        """Answer, and keep where the text looked."""
        return self._decode([self._prompt(round_)], LIMIT, capture=True)[0].tokens

    def together(self, _round: int) -> list[tuple[int, ...]]:
        """Answer all in one batch."""
        return [answer.tokens for answer in self._decode(self._prompts, LIMIT)]

    def one_by_one(self, _round: int) -> list[tuple[int, ...]]:
        """Answer all, one after the other."""
        return [self._decode([prompt], LIMIT)[0].tokens for prompt in self._prompts]

    def _prompt(self, round_: int) -> Prompt:
        return self._prompts[round_ % len(self._prompts)]

    def _decode(self, prompts: list[Prompt], limit: int, *, capture: bool = False) -> list[Answer]:
        return self.decoder.decode(prompts, self._end, limit, capture=capture)


@torch.no_grad()
def noise_images(engine: JanusMed, count: int, seed: int = 0) -> Tensor:
    """Return (count, N, D) aligned image tokens of noise: decoding takes the same time whatever they show."""
    size = engine.info.image_size
    pixels = torch.randn(count, 3, size, size, generator=torch.Generator().manual_seed(seed)).clamp(-1, 1)
    perception = engine.model.perceive(pixels.to(engine.model.janus.device))
    tokens: Tensor = engine.model.image_embeddings(perception.cross)["image"].pooler_output
    return tokens
