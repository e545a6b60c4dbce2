"""Word accuracy of a speech encoder on held-out synthesised speech, beside baselines.

    janus-med model fit-speech --out .runs/speech
    python -m bench.speech --model .runs/speech [--count 150] [--seed 1]

Sentences, and in one row voices, are of no training utterance. Intervals are bootstrap over utterances.
"""

from __future__ import annotations

import argparse
import os
import time
from pathlib import Path

from janus_med.modalities.speech_folder import load_reader
from janus_med.training.speech_corpus import name_synthesiser
from janus_med.training.speech_figures import SpeechFigure, measure_speech


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--model", type=Path, required=True, help="folder that fit-speech wrote")
    parser.add_argument("--count", type=int, default=150, help="sentences of each kind")
    parser.add_argument("--seed", type=int, default=1, help="another one than training used")
    options = parser.parse_args()
    reader = load_reader(options.model)
    start = time.monotonic()
    print("| speech | by | measure | value (95 % interval) | of |\n|---|---|---|---|---|")
    for figure in measure_speech(reader, options.count, options.seed):
        print(write_row(figure), flush=True)
    parameters = sum(parameter.numel() for parameter in reader.encoder.parameters())
    print(
        f"{len(reader.vocabulary)} words, {parameters} parameters, {name_synthesiser()}, "
        f"{time.monotonic() - start:.0f} s, {os.cpu_count()} processors, load {os.getloadavg()[0]:.1f}"
    )


def write_row(figure: SpeechFigure) -> str:
    """Write one line of a Markdown table."""
    value = figure.figure
    return f"| {figure.speech} | {figure.by} | {figure.measure} | {value} | {value.positives}/{value.count} |"


if __name__ == "__main__":
    main()
