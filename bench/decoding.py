"""Our decoding beside Hugging Face's ``generate``: the same tokens, sooner; and a batch beside one by one.

    python -m bench.decoding [--model DIR] [--rounds 60] [--threads 1]

A round answers one random plan with each side in turn; medians of the paired ratios count. The bandwidth of
the memory, which bounds the steps after the prompt, is measured in the same run.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path

import torch

from janus_med.engine import JanusMed
from janus_med.speed import measure_batch, measure_decoding


def main() -> None:
    """Print one JSON object."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--model", type=Path)
    parser.add_argument("--rounds", type=int, default=60)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--device", default="cpu")
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    engine = JanusMed.load(options.model, options.device)
    decoding = measure_decoding(engine, options.rounds)
    print(
        json.dumps(
            {"decoding": decoding, "batch": measure_batch(engine), "threads": options.threads}, indent=1
        )
    )


if __name__ == "__main__":
    main()
