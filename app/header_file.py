"""Opens a DICOM file for the routing rules: what its header says, or why it cannot be read."""

from __future__ import annotations

from collections.abc import Collection
from pathlib import Path

from app.domain.rules import HeaderValues
from app.domain.study import Instance
from app.services.header_values import read_header_values


def read_file_values(path: Path, keywords: Collection[str]) -> HeaderValues:
    """Return the values that the header of a file has for these keywords."""
    try:
        with path.open("rb") as file:
            return read_header_values(file, keywords)
    except OSError as error:
        return HeaderValues(problem=f"the file cannot be read ({type(error).__name__})")


def read_spooled_values(objects: Path, instance: Instance, keywords: Collection[str]) -> HeaderValues:
    """Return the values of a received instance.

    Parameters
    ----------
    objects
        Folder of the spool that holds the instances by digest.
    """
    sha256 = instance.sha256
    return read_file_values(objects / sha256[:2] / f"{sha256}.dcm", keywords)
