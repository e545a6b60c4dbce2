"""The vision tower of preset ``base`` beside CLIP's ViT-L/14 at 336 pixels: parameters and latency.

    python -m bench.vision [--rounds 9] [--threads 2]

Both have random weights: latency does not depend on them. Both read one image a step in float32, in turns in
one process; medians count. The rival has the shapes of openai/clip-vit-large-patch14-336 (Radford et al.
2021), the tower of LLaVA-class models; ``base`` reads 384 pixels in 576 patches, CLIP 336 pixels in 576
patches and a class token.
"""

from __future__ import annotations

import argparse
import os
import platform
import statistics
import time
from typing import TYPE_CHECKING

import torch
from transformers import CLIPVisionConfig, CLIPVisionModel
from transformers.models.janus.modeling_janus import JanusVisionModel

from janus_med.presets import build_config, find_preset

if TYPE_CHECKING:
    from torch import nn

LARGE = {
    "hidden_size": 1024,
    "intermediate_size": 4096,
    "num_hidden_layers": 24,
    "num_attention_heads": 16,
    "patch_size": 14,
    "image_size": 336,
}
WANTED = {"parameters": 0.60, "latency": 0.75}
"""Shares of the rival: 40 % fewer parameters and 25 % less time are wanted."""


def main() -> None:
    """Measure and print a table in Markdown."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--rounds", type=int, default=9)
    parser.add_argument("--threads", type=int, default=os.cpu_count() or 1)
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    towers = {"base": build_base(), "ViT-L/14-336": CLIPVisionModel(CLIPVisionConfig(**LARGE)).eval()}
    seconds = measure(towers, options.rounds)
    print(render(towers, seconds, options.threads))


def build_base() -> nn.Module:
    """Return the vision tower of the preset with random weights."""
    config = build_config(find_preset("base"), {"vocab_size": 64, "bos": 0, "eos": 1, "pad": 2, "image": 3})
    return JanusVisionModel(config.vision_config).eval()


@torch.inference_mode()
def measure(towers: dict[str, nn.Module], rounds: int) -> dict[str, list[float]]:
    """Return seconds of one image for each tower and round, after one round that does not count."""
    images = {
        name: torch.randn(1, 3, tower.config.image_size, tower.config.image_size)
        for name, tower in towers.items()
    }
    seconds: dict[str, list[float]] = {name: [] for name in towers}
    for number in range(rounds + 1):
        for name, tower in towers.items():
            began = time.perf_counter()
            tower(pixel_values=images[name])
            if number:
                seconds[name].append(time.perf_counter() - began)
    return seconds


def render(towers: dict[str, nn.Module], seconds: dict[str, list[float]], threads: int) -> str:
    """Return the table."""
    parameters = {name: sum(p.numel() for p in tower.parameters()) / 1e6 for name, tower in towers.items()}
    medians = {name: statistics.median(values) for name, values in seconds.items()}
    ratios = [ours / rival for ours, rival in zip(seconds["base"], seconds["ViT-L/14-336"], strict=True)]
    share = parameters["base"] / parameters["ViT-L/14-336"]
    lines = [
        f"{time.strftime('%Y-%m-%d')}, {platform.machine()}, {os.cpu_count()} cores, {threads} threads, "
        f"{len(ratios)} rounds in turn, load {os.getloadavg()[0]:.1f}; float32, one image.",
        "",
        "| tower | M parameters | seconds (least to most) |",
        "|---|---|---|",
    ]
    lines += [
        f"| {name} | {parameters[name]:.1f} | {medians[name]:.3f} ({min(values):.3f}-{max(values):.3f}) |"
        for name, values in seconds.items()
    ]
    lines += [
        "",
        f"Share of the rival: parameters {share:.2f} (wanted {WANTED['parameters']}), latency "
        f"{statistics.median(ratios):.2f} ({min(ratios):.2f}-{max(ratios):.2f}; wanted {WANTED['latency']}).",
    ]
    return "\n".join(lines)


if __name__ == "__main__":
    main()
