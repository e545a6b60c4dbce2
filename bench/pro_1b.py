"""Janus-Pro-1B at full size on the CPU: from a DICOM file to the first tokens, beside what the memory allows.

    python -m bench.pro_1b [--preset pro-1b] [--tokens 8] [--threads 2] [--file DICOM]

The weights are random (nothing is downloaded), so the words mean nothing; shapes, types and bytes are those
of the real model in bfloat16. A decoded token reads every weight of the language model and its head once:
that many bytes over the measured bandwidth is the least time a token can take. Prints one JSON object.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import time
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

import torch
from pydicom.data import get_testdata_file
from torch import Tensor
from transformers import JanusForConditionalGeneration

from janus_med.base_model import build_random_base
from janus_med.checkpoint import new_adapters
from janus_med.decoding import Decoder
from janus_med.dicom_input import load_image, read_instance
from janus_med.expert import ExpertPlan, write_prompt
from janus_med.model import MedicalJanus
from janus_med.preprocessing import preprocess
from janus_med.presets import find_preset
from janus_med.tokenizer import chat_prompt, token_ids
from janus_med.training.assemble import new_tokenizer

T = TypeVar("T")
PROBE_BYTES, PROBES = 1 << 29, 5


def timed(act: Callable[[], T]) -> tuple[T, float]:
    """What an act gave, and its wall-clock seconds."""
    begin = time.perf_counter()
    given = act()
    return given, time.perf_counter() - begin


def measure_bandwidth() -> float:
    """Bytes a second of the best of five sums over half a gigabyte."""
    block = torch.ones(PROBE_BYTES // 4)
    return PROBE_BYTES / min(timed(block.sum)[1] for _ in range(PROBES))


def read_per_token(janus: JanusForConditionalGeneration) -> int:
    """Bytes of weights that one decoded token reads: the language model without its table, and the head."""
    table = janus.model.language_model.embed_tokens.weight.nbytes
    language = sum(one.nbytes for one in janus.model.language_model.parameters())
    return int(language - table + janus.lm_head.weight.nbytes)


def count_parameters(janus: JanusForConditionalGeneration) -> int:
    """Parameters held, LoRA left out."""
    return sum(one.numel() for name, one in janus.named_parameters() if "lora_" not in name)


def build_model(name: str) -> tuple[MedicalJanus, dict[str, Tensor]]:
    """The preset with random bfloat16 weights and unfitted adapters, and the prompt of one image."""
    preset = find_preset(name)
    tokenizer = new_tokenizer("nano", 0)
    ids = token_ids(tokenizer) | {"vocab_size": preset.vocab_size}
    model = new_adapters(build_random_base(preset, ids, seed=0), name, 0).eval().requires_grad_(False)
    text = chat_prompt(write_prompt(ExpertPlan(())), preset.image_tokens)
    return model, dict(tokenizer(text, return_tensors="pt"))


def decode(
    model: MedicalJanus, prompt: dict[str, Tensor], images: object, count: int
) -> tuple[float, list[float]]:
    """Seconds of the prefill and of each decoded token, greedy, with a growing cache."""
    output, prefill_s = timed(
        lambda: model.janus(**prompt, mm_encoder_outputs=images, use_cache=True, logits_to_keep=1)
    )
    seconds = []
    mask = prompt["attention_mask"]
    for _ in range(count):
        mask = torch.cat([mask, mask.new_ones(1, 1)], dim=1)
        following, cache = output.logits[:, -1:].argmax(-1), output.past_key_values
        output, one = timed(
            lambda ids=following, cache=cache, mask=mask: model.janus(
                input_ids=ids, attention_mask=mask, past_key_values=cache, use_cache=True, logits_to_keep=1
            )
        )
        if not bool(torch.isfinite(output.logits).all()):
            raise ArithmeticError("a logit is not a number")
        seconds.append(one)
    return prefill_s, seconds


@torch.no_grad()
def measure(preset_name: str, file: Path, count: int) -> dict[str, object]:
    """Run the whole path once; seconds are wall-clock, memory is the peak of this process."""
    (model, prompt), build_s = timed(lambda: build_model(preset_name))
    with Decoder() as decoder:
        image, decode_s = timed(lambda: load_image(read_instance(file), decoder))
    prepared, preprocess_s = timed(lambda: preprocess(image, model.preset.image_size))
    before = measure_bandwidth()
    tokens, encode_s = timed(lambda: model.encoder.encode(prepared.pixel_values))
    perception, adapters_s = timed(lambda: model.understand(tokens))
    decisions = model.calibration.decide(model.calibration.probabilities(perception.understanding.logits)[0])
    images, align_s = timed(lambda: model.image_embeddings(perception.cross))
    prefill_s, seconds = decode(model, prompt, images, count)
    bandwidth = max(before, measure_bandwidth())
    weights = read_per_token(model.janus)
    best = min(seconds)
    return {
        "preset": preset_name,
        "dtype": str(model.janus.dtype).removeprefix("torch."),
        "parameters": count_parameters(model.janus),
        "image": list(image.stored.shape),
        "image_tokens": tokens.shape[1],
        "prompt_tokens": prompt["input_ids"].shape[1],
        "decisions": sorted(set(decisions)),
        "seconds": {
            "build": round(build_s, 2),
            "decode image": round(decode_s, 2),
            "preprocess": round(preprocess_s, 3),
            "encode": round(encode_s, 2),
            "adapters": round(adapters_s, 3),
            "align": round(align_s, 3),
            "prefill": round(prefill_s, 2),
            "tokens": [round(one, 3) for one in seconds],
        },
        "tokens_per_s": {"best": round(1 / best, 2), "mean": round(len(seconds) / sum(seconds), 2)},
        "bandwidth_GB_per_s": round(bandwidth / 1e9, 2),
        "GB_read_per_token": round(weights / 1e9, 3),
        "bound_tokens_per_s": round(bandwidth / weights, 2),
        "share_of_bound": round(weights / bandwidth / best, 3),
        "peak_rss_GB": round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024 / 1e9, 2),
        "threads": torch.get_num_threads(),
        "cores": os.cpu_count(),
        "load_average": [round(one, 1) for one in os.getloadavg()],
    }


def main() -> None:
    """Print the measurement as JSON."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--preset", default="pro-1b")
    parser.add_argument("--tokens", type=int, default=8)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--file", type=Path)
    arguments = parser.parse_args()
    torch.set_num_threads(arguments.threads)
    file = arguments.file or Path(str(get_testdata_file("RG1_UNCR.dcm", download=False)))
    print(json.dumps(measure(arguments.preset, file, arguments.tokens), indent=2))


if __name__ == "__main__":
    main()
