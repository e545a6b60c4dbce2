"""Images made for one purpose each, and a reader whose attention is the picture itself."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable

import numpy as np
import torch
from pydicom.dataset import FileDataset, FileMetaDataset
from pydicom.uid import ExplicitVRLittleEndian, generate_uid

from janus_med.preprocessing import preprocessing_sha256
from janus_med.reading import FINDINGS, FindingReading, ModelInfo, Reading, SentenceReading

CR_STORAGE = "1.2.840.10008.5.1.4.1.1.1"


def make_radiograph(pixels: np.ndarray, **attributes: object) -> FileDataset:
    """A CR chest image of the given pixels; keyword arguments set attributes, None removes one."""
    meta = FileMetaDataset()
    meta.TransferSyntaxUID = ExplicitVRLittleEndian
    meta.MediaStorageSOPClassUID = CR_STORAGE
    meta.MediaStorageSOPInstanceUID = generate_uid()
    ds = FileDataset("", {}, file_meta=meta, preamble=b"\0" * 128)
    ds.SOPClassUID, ds.SOPInstanceUID = CR_STORAGE, meta.MediaStorageSOPInstanceUID
    ds.StudyInstanceUID, ds.SeriesInstanceUID = generate_uid(), generate_uid()
    ds.PatientID, ds.PatientName, ds.Modality = "P1", "Made^Up", "CR"
    ds.BodyPartExamined, ds.ViewPosition = "CHEST", "PA"
    ds.Rows, ds.Columns = pixels.shape[:2]
    ds.SamplesPerPixel = 1 if pixels.ndim == 2 else pixels.shape[2]
    ds.PhotometricInterpretation = "MONOCHROME2" if pixels.ndim == 2 else "RGB"
    if pixels.ndim == 3:
        ds.PlanarConfiguration = 0
    bits = pixels.dtype.itemsize * 8
    ds.BitsAllocated = ds.BitsStored = bits
    ds.HighBit = bits - 1
    ds.PixelRepresentation = int(pixels.dtype.kind == "i")
    ds.add_new("PixelData", "OW" if bits > 8 else "OB", pixels.tobytes() + b"\0" * (pixels.nbytes % 2))
    for keyword, value in attributes.items():
        if value is None:
            delattr(ds, keyword)
        else:
            setattr(ds, keyword, value)
    return ds


def phantom_chest(rows: int = 512, columns: int = 460, *, top: int = 4000) -> np.ndarray:
    """(rows, columns) uint16, white = dense: soft body, dark lungs, bright middle, a little texture."""
    y, x = np.mgrid[0:rows, 0:columns]
    u, v = (x + 0.5) / columns - 0.5, (y + 0.5) / rows - 0.5
    body = 0.55 * np.exp(-((u / 0.45) ** 8) - (v / 0.48) ** 8)
    lungs = sum(np.exp(-(((u - side) / 0.13) ** 4) - ((v + 0.03) / 0.28) ** 4) for side in (-0.22, 0.22))
    middle = 0.35 * np.exp(-((u / 0.07) ** 4))
    texture = 0.02 * np.random.default_rng(7).standard_normal((rows, columns))
    grey = np.clip(0.1 + body - 0.4 * lungs + middle + texture, 0, 1)
    return (grey * top).astype(np.uint16)


class RuleReader:
    """A reader whose attention is the picture itself: what is brightest is what it looks at."""

    def __init__(
        self, size: int = 192, grid: int = 24, *, change: Callable[[Reading], Reading] | None = None
    ):
        self.info = ModelInfo("rule", "test", "0" * 64, "1" * 64, preprocessing_sha256(), size)
        self._grid = grid
        self._change = change or (lambda reading: reading)
        self.seen: list[torch.Tensor] = []

    def read(self, pixel_values: torch.Tensor, *, seed: int = 0) -> Reading:
        self.seen.append(pixel_values)
        grey = pixel_values[:, :1] * 0.5 + 0.5  # (1, 1, S, S)
        grid = torch.nn.functional.adaptive_avg_pool2d(grey, self._grid)[0, 0].numpy()
        attention = np.clip((grid - 0.8) / 0.2, 0, 1).astype(np.float32)
        findings = tuple(self._find(name, attention) for name in FINDINGS)
        sentences = (
            SentenceReading("findings", "There is a lung nodule.", ("Lung Lesion",), "positive", 0.9),
            SentenceReading("findings", "No pneumothorax.", ("Pneumothorax",), "negative", 0.95),
            SentenceReading("impression", "Lung nodule.", ("Lung Lesion",), "positive", 0.9),
        )
        embedding = np.ones(8, dtype=np.float32) / np.sqrt(8)
        return self._change(Reading(findings, sentences, embedding, seed, 0.01, 0.02))

    @staticmethod
    def _find(name: str, attention: np.ndarray) -> FindingReading:
        present = name == "Lung Lesion"
        return FindingReading(name, 0.9 if present else 0.1, "present" if present else "absent", attention)


def replace_sentences(*sentences: SentenceReading) -> Callable[[Reading], Reading]:
    """A change of a reading: these sentences instead of its own."""
    return lambda reading: dataclasses.replace(reading, sentences=sentences)
