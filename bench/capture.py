"""What the capture of the text's attention costs, and how far its maps are from eager attention.

    python -m bench.capture [--model DIR] [--rounds 40] [--plans 6]

Eager attention stores every layer's (heads, q, k) matrix and averages it; ours computes the rows of the
answer's tokens after decoding, from the queries and keys in the cache.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from random import Random

import torch

from janus_med.engine import JanusMed
from janus_med.plain_generate import generate_plainly
from janus_med.speed import LIMIT, measure_capture, noise_images
from janus_med.text_decoder import TextDecoder
from janus_med.training.corpus import random_plan
from janus_med.writing import Writer


def compare_with_eager(engine: JanusMed, plans: int) -> dict[str, float]:
    """Return the largest difference of the maps, the largest value of a map, and in how many plans the tokens
    are the same.
    """
    model, tokenizer = engine.model, engine.tokenizer
    decoder = TextDecoder(model)
    writer = Writer(model, tokenizer, decoder)
    images = noise_images(engine, plans)
    before = model.janus.model.language_model.config._attn_implementation
    worst, largest, same = 0.0, 0.0, 0
    for number in range(plans):
        plan = random_plan(Random(number))
        prompt = writer.prompt(plan, images[number])
        answer = decoder.decode([prompt], tokenizer.eos_token_id, LIMIT, capture=True)[0]
        model.janus.model.language_model.set_attn_implementation("eager")
        tokens, output = generate_plainly(
            model, tokenizer, plan, images[number], LIMIT, output_attentions=True
        )
        model.janus.model.language_model.set_attn_implementation(before)
        columns = torch.tensor(prompt.ids) == model.janus.config.image_token_id
        rows = torch.stack(
            [
                torch.stack(step)[:, 0, :, -1, : len(columns)].mean((0, 1))[columns]
                for step in output.attentions
            ]
        )
        worst = max(worst, float((rows - answer.attention).abs().max()))
        largest = max(largest, float(rows.max()))
        same += tokens == answer.tokens
    return {"plans": plans, "same_tokens": same, "largest_difference": worst, "largest_value": largest}


def main() -> None:
    """Print one JSON object."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--model", type=Path)
    parser.add_argument("--rounds", type=int, default=40)
    parser.add_argument("--plans", type=int, default=6)
    parser.add_argument("--threads", type=int, default=1)
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    engine = JanusMed.load(options.model, "cpu")
    result = {
        "cost": measure_capture(engine, options.rounds),
        "eager": compare_with_eager(engine, options.plans),
    }
    print(json.dumps(result | {"threads": options.threads}, indent=1))


if __name__ == "__main__":
    main()
