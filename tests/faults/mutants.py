"""Deliberate faults, one by one, and the tests that must notice: `python -m tests.faults.mutants [NAME ...]`.

Works on a copy of the checkout: nothing here is ever changed in place. A fault whose text is not found
exactly once is stale, and ends the run (`test_mutants.py` finds that sooner). With `JANUS_TEST_RECORD` set
the result goes into `docs/reliability`.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from tests.conftest import ROOT

_LEFT_OUT = shutil.ignore_patterns(
    ".git",
    ".venv",
    "__pycache__",
    ".hypothesis",
    ".pytest_cache",
    ".mypy_cache",
    ".ruff_cache",
    "build",
    "*.egg-info",
)
_SECONDS = 300


@dataclass(frozen=True)
class Mutant:
    """One deliberate fault.

    Attributes
    ----------
    name
        What goes wrong with it, in words.
    file
        Relative to the checkout.
    before, after
        The text that is there, once, and what takes its place.
    tests
        Tests that must fail; the first that fails ends the run.
    """

    name: str
    file: str
    before: str
    after: str
    tests: tuple[str, ...]

    def mutated(self, source: str) -> str:
        """Return the source with the fault.

        Raises
        ------
        ValueError
            If the text is not there exactly once.
        """
        if source.count(self.before) != 1:
            raise ValueError(f"{self.name}: its text stands {source.count(self.before)} times in {self.file}")
        return source.replace(self.before, self.after)


def every_mutant() -> tuple[Mutant, ...]:
    """Return all deliberate faults."""
    from tests.faults import (
        mutants_access,
        mutants_checks,
        mutants_receiving,
        mutants_records,
        mutants_reports,
    )

    return (
        *mutants_reports.MUTANTS,
        *mutants_checks.MUTANTS,
        *mutants_access.MUTANTS,
        *mutants_records.MUTANTS,
        *mutants_receiving.MUTANTS,
    )


def kill(mutants: Sequence[Mutant]) -> list[str]:
    """Run each mutant's tests on a copy of the checkout; return the names of those that no test noticed."""
    survivors = []
    with tempfile.TemporaryDirectory(prefix="janus-med-mutants-") as folder:
        copy = Path(folder, "checkout")
        shutil.copytree(ROOT, copy, ignore=_LEFT_OUT)
        # tests that start as another account have to get in
        Path(folder).chmod(0o755)
        (copy / ".venv").symlink_to((ROOT / ".venv").resolve())
        for mutant in mutants:
            began = time.monotonic()
            is_killed = _is_killed(mutant, copy)
            print(
                f"{'killed  ' if is_killed else 'SURVIVED'} {time.monotonic() - began:5.1f} s  {mutant.name}",
                flush=True,
            )
            if not is_killed:
                survivors.append(mutant.name)
    return survivors


def _is_killed(mutant: Mutant, copy: Path) -> bool:
    path = copy / mutant.file
    source = path.read_text()
    path.write_text(mutant.mutated(source))
    command = [sys.executable, "-m", "pytest", "-x", "-q", "-p", "no:cacheprovider", *mutant.tests]
    environment = {name: value for name, value in os.environ.items() if name != "JANUS_TEST_RECORD"}
    try:
        done = subprocess.run(
            command,
            cwd=copy,
            env=environment | {"PYTHONPATH": str(copy), "PYTHONDONTWRITEBYTECODE": "1"},
            capture_output=True,
            text=True,
            timeout=_SECONDS,
            check=False,
        )
    except subprocess.TimeoutExpired:
        return True
    finally:
        path.write_text(source)
    if done.returncode not in {0, 1}:
        raise RuntimeError(
            f"{mutant.name}: its tests could not be run:\n{done.stdout[-2000:]}{done.stderr[-500:]}"
        )
    return done.returncode == 1


def main(names: Sequence[str]) -> int:
    """Kill the named mutants, or all."""
    from tests.reliability import record

    chosen = [m for m in every_mutant() if not names or any(name in m.name for name in names)]
    survivors = kill(chosen)
    if not names:
        record(
            "mutants",
            "deliberate faults in code that patients, signatures and the log depend on (`make mutants`)",
            f"killed {len(chosen) - len(survivors)} of {len(chosen)}"
            + (f"; survived: {', '.join(survivors)}" if survivors else ""),
            figures={"killed": len(chosen) - len(survivors), "of": len(chosen)},
        )
    return bool(survivors)


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
