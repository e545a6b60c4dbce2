"""What is covered: Janus-Pro-1B at full size, random bfloat16 weights, from DICOM to tokens within memory.

What is not: its text, which means nothing without real weights.
"""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import psutil
import pytest

from tests.conftest import ROOT, need

MOST_GB = 12


@pytest.mark.slow
@pytest.mark.timeout(1800)
def test_pro_1b_goes_from_dicom_to_tokens_within_12_gigabytes(chest_radiograph: Path) -> None:
    free = psutil.virtual_memory().available / 1e9
    need(free > MOST_GB, f"{MOST_GB} GB of free memory ({free:.0f} here)")
    command = [sys.executable, "-m", "bench.pro_1b", "--tokens", "4", "--file", str(chest_radiograph)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=1700, check=False)
    assert done.returncode == 0, done.stderr
    print(done.stdout)
    figures = json.loads(done.stdout)
    assert figures["dtype"] == "bfloat16"
    assert figures["parameters"] == pytest.approx(1962.6e6, rel=1e-4)  # without what draws images
    assert figures["image"] == [1955, 1841]
    assert figures["image_tokens"] == 576
    assert figures["GB_read_per_token"] > 2.88
    assert figures["decisions"] == ["defer"]
    assert len(figures["seconds"]["tokens"]) == 4
    assert figures["peak_rss_GB"] < MOST_GB
