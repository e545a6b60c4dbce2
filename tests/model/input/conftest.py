"""The sandbox shared by all tests of the input side, and a way to write a data set as a file."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterator
from pathlib import Path

import pydicom
import pytest

from janus_med.decoding import Decoder


@pytest.fixture(scope="session")
def decoder() -> Iterator[Decoder]:
    with Decoder() as sandbox:
        yield sandbox


@pytest.fixture
def save(tmp_path: Path) -> Callable[..., Path]:
    """Write a data set under a name and give its path."""

    def write(ds: pydicom.Dataset, name: str = "image.dcm", **options: object) -> Path:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            ds.save_as(tmp_path / name, enforce_file_format=True, **options)
        return tmp_path / name

    return write
