"""What `bench.ingest` sends: CT slices of 0.5 MB and radiographs of 10 MB, each set with UIDs of its own."""

from __future__ import annotations

import io
import itertools
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.filewriter import dcmwrite
from pydicom.uid import UID, ExplicitVRLittleEndian

_ROOT = "1.2.826.0.1.3680043.10.1499."
_LENGTH = 60


@dataclass(frozen=True)
class Kind:
    """A kind of image: its size and how many are sent in one measurement."""

    name: str
    sop_class: str
    modality: str
    rows: int
    columns: int
    count: int

    @property
    def megabytes(self) -> float:
        """Pixels of one image."""
        return self.rows * self.columns * 2 / 1e6


CT = Kind("CT 0.5 MB", "1.2.840.10008.5.1.4.1.1.2", "CT", 512, 512, 96)
DX = Kind("DX 10 MB", "1.2.840.10008.5.1.4.1.1.1.1", "DX", 2500, 2048, 16)


class SetMaker:
    """Writes sets of files; every UID it gives is new.

    Parameters
    ----------
    seed
        Of the noise in the pixels.
    """

    def __init__(self, seed: int = 7) -> None:
        self._random = np.random.default_rng(seed)
        self._numbers = itertools.count(1)
        self._templates: dict[str, bytes] = {}

    def write(self, kind: Kind, folder: Path, senders: int) -> list[Path]:
        """Write `kind.count` instances of one study, dealt to one folder for each sender."""
        study, series = self._uid(), self._uid()
        folders = [folder / f"sender{n}" for n in range(senders)]
        for each in folders:
            each.mkdir(parents=True)
        template = self._template(kind).replace(_marker("study"), study).replace(_marker("series"), series)
        for number in range(kind.count):
            file = folders[number % senders] / f"{number}.dcm"
            file.write_bytes(template.replace(_marker("instance"), self._uid()))
        return folders

    def _uid(self) -> bytes:
        number = str(next(self._numbers))
        return f"{_ROOT}1{number.rjust(_LENGTH - len(_ROOT) - 1, '0')}".encode()

    def _template(self, kind: Kind) -> bytes:
        if kind.name not in self._templates:
            self._templates[kind.name] = self._encode(kind)
        return self._templates[kind.name]

    def _encode(self, kind: Kind) -> bytes:
        dataset = Dataset()
        dataset.SOPClassUID = UID(kind.sop_class)
        dataset.SOPInstanceUID = UID(_marker("instance").decode())
        dataset.StudyInstanceUID = UID(_marker("study").decode())
        dataset.SeriesInstanceUID = UID(_marker("series").decode())
        dataset.Modality = kind.modality
        dataset.PatientID, dataset.PatientName = "BENCH", "Bench^Mark"
        dataset.StudyDate, dataset.StudyTime, dataset.AccessionNumber = "20260101", "120000", "B1"
        dataset.SamplesPerPixel, dataset.PhotometricInterpretation = 1, "MONOCHROME2"
        dataset.Rows, dataset.Columns = kind.rows, kind.columns
        dataset.BitsAllocated, dataset.BitsStored, dataset.HighBit = 16, 12, 11
        dataset.PixelRepresentation = 0
        pixels = self._random.integers(0, 4096, (kind.rows, kind.columns), dtype=np.uint16)
        dataset.PixelData = pixels.tobytes()
        dataset["PixelData"].VR = "OW"
        dataset.file_meta = FileMetaDataset()
        dataset.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
        buffer = io.BytesIO()
        dcmwrite(buffer, dataset, enforce_file_format=True)
        return buffer.getvalue()


def _marker(what: str) -> bytes:
    """Return a UID of the length of all others that stands for one in the template."""
    digit = {"study": "1", "series": "2", "instance": "3"}[what]
    return (_ROOT + digit * (_LENGTH - len(_ROOT))).encode()
