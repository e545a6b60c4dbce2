"""What is covered: a hospital's mix of studies, sent faster than in a hospital, is neither lost nor fails.

What is not covered: the hour itself and what it takes (`python -m bench.pipeline`, docs/benchmarks.md).
"""

from __future__ import annotations

from pathlib import Path

import pytest

from bench.pipeline import run_load, running_system


@pytest.mark.slow
@pytest.mark.timeout(400)
@pytest.mark.covers("P2")
def test_a_burst_of_a_hospitals_mix_is_neither_lost_nor_fails(tmp_path: Path) -> None:
    with running_system(tmp_path) as (settings, store):
        became = run_load(settings, store, per_hour=225, hours=0.08, compression=20.0, seed=3)

    assert became["sent"] >= 15
    assert {name: became[name] for name in ("refused", "lost", "failed")} == {
        "refused": 0,
        "lost": 0,
        "failed": 0,
    }
    assert became["drafted"] > 0
