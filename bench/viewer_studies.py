"""Two studies that viewers are measured with: two large radiographs, and a CT of many slices."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from pydicom.dataset import Dataset, FileDataset, FileMetaDataset
from pydicom.uid import (
    UID,
    ComputedRadiographyImageStorage,
    CTImageStorage,
    ExplicitVRLittleEndian,
    generate_uid,
)

FILM = (2500, 2048)
SLICE = (512, 512)


def write_films(folder: Path, *, count: int = 2, syntax: UID = ExplicitVRLittleEndian) -> list[Path]:
    """Write one study of radiographs, 2500 x 2048 of 16 bits, in one transfer syntax."""
    folder.mkdir(exist_ok=True)
    study, series = generate_uid(), generate_uid()
    rows, columns = FILM
    down, across = np.mgrid[0:rows, 0:columns]
    written = []
    for number in range(1, count + 1):
        grain = np.random.default_rng(number).normal(0, 25, FILM)
        pixels = 1200 + 900 * np.sin(down / 310 + number) * np.cos(across / 270) + grain
        image = _image(study, series, number, pixels.astype(np.uint16))
        image.SOPClassUID, image.Modality = ComputedRadiographyImageStorage, "CR"
        image.BodyPartExamined, image.ViewPosition = "CHEST", "PA"
        image.WindowCenter, image.WindowWidth, image.PixelSpacing = "1200", "2400", ["0.14", "0.14"]
        written.append(_save(image, folder / f"film-{number}.dcm", syntax))
    return written


def write_volume(folder: Path, *, count: int = 300) -> list[Path]:
    """Write one study of CT slices, each of which looks different from its neighbours."""
    study, series, frame = generate_uid(), generate_uid(), generate_uid()
    down, across = np.mgrid[0 : SLICE[0], 0 : SLICE[1]]
    written = []
    for number in range(1, count + 1):
        grain = np.random.default_rng(number).normal(0, 12, SLICE)
        body = np.hypot((down - 256) / 150, (across - 256) / 210) < 1
        spot = np.hypot(down - 256, across - 60 - number % 390) < 40
        pixels = np.where(body, 1064.0, 24.0) + 300.0 * spot + grain
        image = _image(study, series, number, np.clip(pixels, 0, 4095).astype(np.uint16))
        image.SOPClassUID, image.Modality, image.FrameOfReferenceUID = CTImageStorage, "CT", frame
        image.ImageOrientationPatient = ["1", "0", "0", "0", "1", "0"]
        image.ImagePositionPatient = ["-180", "-180", str(number)]
        image.PixelSpacing, image.SliceThickness = ["0.7", "0.7"], "1"
        image.RescaleSlope, image.RescaleIntercept = "1", "-1024"
        image.WindowCenter, image.WindowWidth = "40", "400"
        written.append(_save(image, folder / f"slice-{number:03}.dcm"))
    return written


def _image(study: str, series: str, number: int, pixels: np.ndarray) -> Dataset:
    image = Dataset()
    image.PatientName, image.PatientID, image.PatientSex = "Bench^Viewer", "BENCH", "O"
    image.PatientBirthDate, image.StudyDate, image.StudyTime = "19700101", "20261127", "120000"
    image.StudyInstanceUID, image.SeriesInstanceUID, image.SOPInstanceUID = study, series, generate_uid()
    image.StudyID, image.AccessionNumber, image.StudyDescription = "1", "BENCH", "Bench"
    image.SeriesNumber, image.InstanceNumber = "1", str(number)
    image.Rows, image.Columns = pixels.shape
    image.SamplesPerPixel, image.PhotometricInterpretation = 1, "MONOCHROME2"
    image.BitsAllocated, image.BitsStored, image.HighBit, image.PixelRepresentation = 16, 12, 11, 0
    image.PixelData = pixels.tobytes()
    return image


def _save(image: Dataset, path: Path, syntax: UID = ExplicitVRLittleEndian) -> Path:
    meta = FileMetaDataset()
    meta.MediaStorageSOPClassUID, meta.MediaStorageSOPInstanceUID = image.SOPClassUID, image.SOPInstanceUID
    meta.TransferSyntaxUID = ExplicitVRLittleEndian
    file = FileDataset(str(path), image, file_meta=meta, preamble=b"\0" * 128)
    if syntax.is_compressed:
        file.compress(syntax, generate_instance_uid=False)
    file.save_as(path, enforce_file_format=True)
    return path
