"""Fuzz one reader under coverage guidance: `python -m tests.fuzz.run TARGET [--runs N] [--seed N]`.

Ends with status 0 and a line of JSON with the figures when nothing but the expected errors was raised;
otherwise with the input that raised something else.
"""

from __future__ import annotations

import argparse
import json
import re
import subprocess
import sys
import tempfile
import time
from pathlib import Path

_DONE = re.compile(r"Done (\d+) in (\d+) second")
_PROGRESS = re.compile(r"cov: (\d+) ft: \d+.* rss: (\d+)Mb")
_SLOWEST = "slowest"


def fuzz(name: str, runs: int, seed: int) -> dict[str, object]:
    """Run a target in a process of its own and return its figures.

    Raises
    ------
    AssertionError
        With the fuzzer's words when something else was raised.
    """
    with tempfile.TemporaryDirectory() as folder:
        command = [sys.executable, "-m", "tests.fuzz.run", name, "--runs", str(runs), "--seed", str(seed)]
        done = subprocess.run(
            [*command, "--inside", folder], capture_output=True, text=True, check=False, errors="replace"
        )
        slowest = Path(folder, _SLOWEST)
        longest = float(slowest.read_text()) if slowest.is_file() else 0.0
    output = done.stdout + done.stderr
    finished, progress = _DONE.search(output), _PROGRESS.findall(output)
    assert done.returncode == 0, output[-4000:]
    assert finished is not None, output[-4000:]
    count, seconds = int(finished[1]), max(1, int(finished[2]))
    return {
        "target": name,
        "seed": seed,
        "runs": count,
        "runs_per_second": count // seconds,
        "edges": int(progress[-1][0]),
        "slowest_input_ms": round(1000 * longest, 1),
        "peak_rss_mb": max(int(size) for _, size in progress),
        "other_exceptions": 0,
    }


def run_inside(name: str, runs: int, seed: int, folder: Path) -> None:
    """Be the fuzzed process."""
    import atheris

    with atheris.instrument_imports(include=["pacs_bridge"]):
        from tests.fuzz.targets import targets

        target = targets()[name]
    corpus = folder / "corpus"
    corpus.mkdir()
    for number, data in enumerate(target.corpus):
        (corpus / str(number)).write_bytes(data)
    slowest = 0.0

    def timed(data: bytes) -> None:
        nonlocal slowest
        began = time.perf_counter()
        target.run(data)
        if (took := time.perf_counter() - began) > slowest:
            slowest = took
            (folder / _SLOWEST).write_text(str(took))

    limits = [f"-max_len={target.longest}", f"-atheris_runs={runs}", f"-seed={seed}"]
    atheris.Setup([sys.argv[0], *limits, f"-artifact_prefix={folder}/", str(corpus)], timed)
    atheris.Fuzz()


def main() -> None:
    """Fuzz what the command line names."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("target")
    parser.add_argument("--runs", type=int, default=1_000_000)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--inside", type=Path, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.inside is not None:
        run_inside(options.target, options.runs, options.seed, options.inside)
    else:
        print(json.dumps(fuzz(options.target, options.runs, options.seed)))


if __name__ == "__main__":
    main()
