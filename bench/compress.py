"""A compressed model beside the whole one: bytes, time of a reading, agreement.

    python -m bench.compress [--compressed DIR] [--prune 0.3] [--vision-layers 5] [--text-layers 2]
                             [--recover-steps 400] [--films 60] [--rounds 20]

Without ``--compressed`` the folder is made first, int8 and pruned. Both sides are read in turn on validation
films of the data folder; medians of the paired ratios count. The load average stands beside the times.
"""

from __future__ import annotations

import argparse
import json
import os
import tempfile
from pathlib import Path

import torch

from janus_med.checkpoint import WEIGHTS, bundled_folder
from janus_med.compress import Compression, compress_folder
from janus_med.compress_agreement import measure_agreement, measure_latency
from janus_med.engine import JanusMed
from janus_med.training.data import ImageStore, read_cases
from janus_med.training.samples import to_pixels


def open_films(data: Path, count: int, size: int) -> list[torch.Tensor]:
    """Load validation films, evenly over the labelled ones."""
    cases = [case for case in read_cases(data) if case.part == "val" and case.labelled]
    chosen = cases[:: max(1, len(cases) // count)][:count]
    with tempfile.TemporaryDirectory() as cache:
        store = ImageStore(chosen, size, Path(cache))
    return [to_pixels(store.grey(index))[None] for index in range(len(chosen))]


def main() -> None:
    """Print one JSON object."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--model", type=Path, default=bundled_folder())
    parser.add_argument("--compressed", type=Path)
    parser.add_argument("--data", type=Path, default=Path("../shared/data"))
    parser.add_argument("--prune", type=float, default=0.3)
    parser.add_argument("--vision-layers", type=int)
    parser.add_argument("--text-layers", type=int)
    parser.add_argument("--recover-steps", type=int, default=0)
    parser.add_argument("--films", type=int, default=60)
    parser.add_argument("--plans", type=int, default=100)
    parser.add_argument("--rounds", type=int, default=20)
    parser.add_argument("--threads", type=int, default=1)
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    with tempfile.TemporaryDirectory() as folder:
        compressed = options.compressed
        if compressed is None:
            compressed = Path(folder) / "compressed"
            layers = options.vision_layers, options.text_layers
            wanted = Compression(True, options.prune, *layers, options.recover_steps)
            compress_folder(options.model, compressed, wanted, options.data)
        sides = [JanusMed.load(side, "cpu") for side in (options.model, compressed)]
        films = open_films(options.data, options.films, sides[0].info.image_size)
        sizes = [(side / WEIGHTS).stat().st_size for side in (options.model, compressed)]
    result = {
        "models": [side.info.id for side in sides],
        "bytes": {"whole": sizes[0], "compressed": sizes[1], "ratio": round(sizes[1] / sizes[0], 4)},
        "latency": measure_latency(*sides, films, options.rounds),
        "agreement": measure_agreement(*sides, films, options.plans),
        "threads": options.threads,
        "processors": os.cpu_count(),
    }
    print(json.dumps(result, indent=1))


if __name__ == "__main__":
    main()
