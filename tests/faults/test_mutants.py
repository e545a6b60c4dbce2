"""The deliberate faults of `make mutants` still fit the code, and name tests that there are."""

from __future__ import annotations

from tests.conftest import ROOT
from tests.faults.mutants import every_mutant


def test_every_fault_fits_the_code() -> None:
    for mutant in every_mutant():
        source = (ROOT / mutant.file).read_text()
        compile(mutant.mutated(source), mutant.file, "exec")
        assert mutant.tests, mutant.name
        for test in mutant.tests:
            assert (ROOT / test.partition("::")[0]).is_file(), test


def test_faults_are_many_and_each_has_a_name_of_its_own() -> None:
    mutants = every_mutant()
    assert len(mutants) >= 60
    assert len({mutant.name for mutant in mutants}) == len(mutants)
