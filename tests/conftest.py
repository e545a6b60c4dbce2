"""What every test shares: the marks, and the rule that a missing part fails in CI instead of skipping."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

# pytest takes plugins from the top conftest only
pytest_plugins = ["tests.postgres", "tests.traceability"]

ROOT = Path(__file__).resolve().parents[1]


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Every test that is not slow is quick."""
    for item in items:
        if item.get_closest_marker("slow") is None:
            item.add_marker(pytest.mark.quick)


def need(present: object, what: str) -> None:
    """Skip when a real part is missing on this machine; with ``CI=true`` that is a failure.

    Parameters
    ----------
    present
        Anything false when the part is missing (a path, a module, None).
    what
        The part and how to get it, shown to the person who runs the tests.
    """
    if present:
        return
    if os.environ.get("CI") == "true":
        pytest.fail(f"missing in CI: {what}")
    pytest.skip(f"missing: {what}")


@pytest.fixture(scope="session")
def chest_radiograph() -> Path:
    """The uncompressed NEMA WG-04 chest CR RG1 (1955 x 1841, MONOCHROME1) of pydicom-data."""
    from pydicom.data import get_testdata_file

    return Path(str(get_testdata_file("RG1_UNCR.dcm", download=False)))


@pytest.fixture(scope="session")
def leg_radiograph() -> Path:
    """The uncompressed NEMA WG-04 extremity CR RG3 of pydicom-data."""
    from pydicom.data import get_testdata_file

    return Path(str(get_testdata_file("RG3_UNCR.dcm", download=False)))


@pytest.fixture(scope="session")
def ct_slice() -> Path:
    """A real 128 x 128 CT slice (pydicom's CT_small.dcm)."""
    from pydicom.data import get_testdata_file

    return Path(str(get_testdata_file("CT_small.dcm", download=False)))
