"""What our processes have in common that are fed foreign bytes: what they know, and how they are heard."""

from __future__ import annotations

import os
import queue
import subprocess
from pathlib import Path

import app


def bare_environment() -> dict[str, str]:
    """What such a process may know: where Python finds its modules, and nothing of our settings."""
    root = str(Path(app.__file__).resolve().parents[1])
    return {"PATH": os.environ.get("PATH", os.defpath), "PYTHONPATH": root, "OMP_NUM_THREADS": "1"}


def forward_lines(process: subprocess.Popen[str], answers: queue.SimpleQueue[str]) -> None:
    """Hand the lines of a process on, and an empty one when it has ended."""
    assert process.stdout is not None
    with process.stdout as lines:
        for line in lines:
            answers.put(line)
    answers.put("")
