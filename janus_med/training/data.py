"""Which radiographs may be learnt from, and their labels in the words of the fourteen findings.

A data folder holds ``manifest.csv`` (columns ``image, source, split, view, labels, patient_or_study_id,
use``) and the images it names. Only rows whose ``use`` is exactly ``ok`` are read.
"""

from __future__ import annotations

import csv
import hashlib
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

import numpy as np
from PIL import Image, UnidentifiedImageError

from janus_med.decoding import Decoder
from janus_med.dicom_input import load_image
from janus_med.instance_header import read_instance
from janus_med.preprocessing import preprocess, preprocess_grey
from janus_med.reading import FINDINGS
from janus_med.training.anatomy import LungFields, find_lungs

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from torch import Tensor

    from janus_med.training.lung_segmenter import LungSegmenter

Part = Literal["train", "calibration", "val"]

OPEN_USES = frozenset({"ok", "ok (64x64 only)"})
"""The second names films of the same open licence that are at hand in 64 x 64 pixels alone."""

CALIBRATION_SHARE = 0.15
LABELLED_SOURCES = frozenset({"nih_cxr14", "nih_cxr14_64px", "generated"})
"""Sources whose labels may be compared within themselves; a label that equals its source teaches the source.
"""
OUT_OF_POPULATION = frozenset({"kermany_paediatric"})
"""Children, squashed to squares: self-supervision only."""

NIH_TO_CHEXPERT: dict[str, tuple[str, ...]] = {
    "Atelectasis": ("Atelectasis", "Lung Opacity"),
    "Cardiomegaly": ("Cardiomegaly",),
    "Consolidation": ("Consolidation", "Lung Opacity"),
    "Edema": ("Edema", "Lung Opacity"),
    "Effusion": ("Pleural Effusion",),
    "Emphysema": (),
    "Fibrosis": ("Lung Opacity",),
    "Hernia": (),
    "Infiltration": ("Lung Opacity",),
    "Mass": ("Lung Lesion",),
    "Nodule": ("Lung Lesion",),
    "Pleural_Thickening": ("Pleural Other",),
    "Pneumonia": ("Pneumonia", "Lung Opacity"),
    "Pneumothorax": ("Pneumothorax",),
}
"""Text-mined names of ChestX-ray14 (Wang et al., CVPR 2017) in CheXpert's words and hierarchy."""

UNKNOWN_IN_NIH = ("Enlarged Cardiomediastinum", "Fracture", "Support Devices")


@dataclass(frozen=True, eq=False)
class Case:
    """One radiograph of the manifest; ``labels`` is (14,) float32 of 0, 1 and NaN (not known), ``report``
    what a person wrote of it, if that is at hand.
    """

    path: Path
    source: str
    subset: str
    person: str
    part: Part
    labels: np.ndarray
    report: str = ""

    @property
    def labelled(self) -> bool:
        """Whether any label is known."""
        return bool((~np.isnan(self.labels)).any())

    @property
    def coarse(self) -> bool:
        """Whether it is at hand in 64 x 64 pixels alone."""
        return self.source.endswith("_64px")

    @property
    def normal(self) -> bool:
        """Whether it is labelled free of findings."""
        return bool(self.labels[0] == 1)


def read_cases(data: Path) -> list[Case]:
    """Read the manifest of a data folder.

    Raises
    ------
    FileNotFoundError
        If there is no ``manifest.csv``.
    """
    with (data / "manifest.csv").open(newline="", encoding="utf-8") as file:
        rows = [row for row in csv.DictReader(file) if row["use"] in OPEN_USES and row["view"] == "frontal"]
    return [_case(data, row) for row in rows if row["split"] in ("train", "val")]


def _case(data: Path, row: dict[str, str]) -> Case:
    person = row["patient_or_study_id"] or row["image"]
    labels = (
        to_chexpert(row["labels"]) if row["source"] in LABELLED_SOURCES else np.full(14, np.nan, np.float32)
    )
    return Case(
        data / row["image"], row["source"], row["subset"], person, _part(person, row["split"]), labels
    )


def _part(person: str, split: str) -> Part:
    return "val" if split == "val" else part_of(person)


def part_of(person: str) -> Part:
    """Return the part of a person who may be learnt from: the same one in every run and every manifest."""
    share = int(hashlib.sha256(person.encode()).hexdigest()[:8], 16) / 0xFFFFFFFF
    return "calibration" if share < CALIBRATION_SHARE else "train"


def to_chexpert(labels: str) -> np.ndarray:
    """Translate ``Effusion;Nodule`` into (14,) float32 of 0, 1 and NaN where the source does not know the
    finding.
    """
    values = np.zeros(len(FINDINGS), dtype=np.float32)
    names = [name.strip() for name in labels.replace("|", ";").split(";") if name.strip()]
    if not names:
        return np.full(len(FINDINGS), np.nan, dtype=np.float32)
    for name in UNKNOWN_IN_NIH:
        values[FINDINGS.index(name)] = np.nan
    if names == ["No Finding"]:
        values[0] = 1.0
        values[FINDINGS.index("Enlarged Cardiomediastinum")] = 0.0
        return values
    for name in names:
        for finding in NIH_TO_CHEXPERT.get(name, ()):
            values[FINDINGS.index(finding)] = 1.0
    return values


class ImageStore:
    """Preprocessed images in memory, cached on disk, with the lung fields of those that receive lesions.

    Parameters
    ----------
    cases
        What to hold.
    size
        S of the model.
    cache
        Folder for the preprocessed pixels; made when missing.
    progress
        Called with (done, total).
    segmenter
        Finds the lungs; without one, a rule does.
    """

    def __init__(
        self,
        cases: list[Case],
        size: int,
        cache: Path,
        progress: Callable[[int, int], None] | None = None,
        segmenter: LungSegmenter | None = None,
    ) -> None:
        self.cases = cases
        self.size = size
        self._find_lungs = segmenter.find if segmenter is not None else find_lungs
        self._pixels = _load_pixels(cases, size, cache, progress)  # (M, S, S) uint8
        self._lungs: dict[int, LungFields] = {}

    def grey(self, index: int) -> np.ndarray:
        """(S, S) float32 in [0, 1]."""
        return np.asarray(self._pixels[index], dtype=np.float32) / 255.0

    def lungs(self, index: int) -> LungFields:
        """Lung fields of one image."""
        if index not in self._lungs:
            self._lungs[index] = self._find_lungs(self.grey(index))
        return self._lungs[index]

    def indices(self, keep: Callable[[Case], bool]) -> list[int]:
        """Return the positions of the cases that ``keep`` accepts."""
        return [index for index, case in enumerate(self.cases) if keep(case)]


def _load_pixels(
    cases: list[Case], size: int, cache: Path, progress: Callable[[int, int], None] | None
) -> np.ndarray:
    key = hashlib.sha256("\n".join(str(case.path) for case in cases).encode()).hexdigest()[:12]
    file = cache / f"pixels-{size}-{key}.npy"
    if file.exists():
        return np.asarray(np.load(file, mmap_mode="r", allow_pickle=False))
    pixels = np.zeros((len(cases), size, size), dtype=np.uint8)
    with Decoder() as decoder:  # it starts nothing before a DICOM file comes
        for index, case in enumerate(cases):
            pixels[index] = _read_grey(case.path, size, decoder)
            if progress is not None:
                progress(index + 1, len(cases))
    cache.mkdir(parents=True, exist_ok=True)
    np.save(file, pixels, allow_pickle=False)
    return pixels


def _read_grey(path: Path, size: int, decoder: Decoder) -> np.ndarray:
    prepared = _prepare(path, size, decoder)[0, 0].numpy() * 0.5 + 0.5
    return np.asarray((prepared * 255).round().clip(0, 255), dtype=np.uint8)


def _prepare(path: Path, size: int, decoder: Decoder) -> Tensor:
    """Return (1, 3, S, S) float32 in [-1, 1] of a picture, or of a DICOM file as drafting reads it."""
    try:
        with Image.open(path) as image:
            grey = np.asarray(image.convert("L"), dtype=np.float32)
    except UnidentifiedImageError:
        return preprocess(load_image(read_instance(path), decoder), size).pixel_values
    return preprocess_grey(grey, size)
