"""Radiographs made for tests: dark grey with a bright square at a known place."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from pydicom import Dataset, dcmwrite
from pydicom.dataset import FileMetaDataset
from pydicom.uid import ComputedRadiographyImageStorage, ExplicitVRLittleEndian, generate_uid

DARK, BRIGHT = 600, 3600
HALF = 12  # of the square, in pixels


def make_film(
    path: Path, *, rows: int = 480, columns: int = 600, at: tuple[int, int] = (170, 330), **header: Any
) -> Path:
    """Write a radiograph, dark grey with a bright square around a column and a row, however it is stored."""
    pixels = np.full((rows, columns), DARK, np.uint16)
    column, row = at
    pixels[row - HALF : row + HALF, column - HALF : column + HALF] = BRIGHT
    if header.get("PhotometricInterpretation") == "MONOCHROME1":
        pixels = 4095 - pixels
    image = Dataset()
    image.SOPClassUID = ComputedRadiographyImageStorage
    image.SOPInstanceUID = generate_uid(entropy_srcs=[path.name, "sop"])
    image.StudyInstanceUID, image.SeriesInstanceUID = (
        "1.2.3",
        generate_uid(entropy_srcs=[path.name, "series"]),
    )
    image.Modality, image.Rows, image.Columns = "CR", rows, columns
    image.SamplesPerPixel, image.PhotometricInterpretation = 1, "MONOCHROME2"
    image.BitsAllocated, image.BitsStored, image.HighBit, image.PixelRepresentation = 16, 12, 11, 0
    image.WindowCenter, image.WindowWidth = "2048", "4096"
    image.PixelData = pixels.tobytes()
    for name, value in header.items():
        setattr(image, name, value)
    image.file_meta = FileMetaDataset()
    image.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    dcmwrite(path, image, enforce_file_format=True)
    return path
