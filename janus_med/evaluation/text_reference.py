"""Published labels to hold the labeler against: 1,000 reports, and what RadGraph-XL finds in them.

They are read in place from the wheel of the package ``radlabels`` 0.2.0 (MIT; Delbrouck et al. 2026,
arXiv:2607.06597), which is never installed. How its 49 labels map onto CheXpert's findings, and what of
them is not comparable, is decided here:

* A finding is the union of the labels in `LABELS_OF`, the strongest status winning, as in the package.
* ``air_space_opacity`` also lists the words of consolidation and of pneumonia. CheXpert has findings of
  their own for these, so a match of it counts for Lung Opacity only where neither label claims the same
  words. An opacity without a word like "lung" or "patchy" has no label at all, and none of our rules follows
  that: 45 of the 61 facts that count as wrong in Lung Opacity in the development half are of this kind.
* *Present* and *uncertain* are one status, ``asserted``. The reference calls most open doubts present: of 274
  evidences in the development half behind "may represent", "likely", "possible" or "concerning for", or
  before "cannot be excluded", 243 are labelled definitely present. It cannot tell doubt from statement.
* A finding without a label is not denied; it is not spoken of.
"""

from __future__ import annotations

import hashlib
import json
import zipfile
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from janus_med.errors import UnreadableInput

if TYPE_CHECKING:
    from pathlib import Path

    from janus_med.negation import FactPolarity

Half = Literal["development", "held-out"]
Status = Literal["asserted", "denied"]
WHEEL = "radlabels-0.2.0-py3-none-any.whl"
_SAMPLES = "radlabels/samples/"

LABELS_OF: dict[str, tuple[str, ...]] = {
    "Enlarged Cardiomediastinum": ("enlarged_cardiomediastinum",),
    "Cardiomegaly": ("cardiomegaly",),
    "Lung Opacity": ("lung_opacity", "air_space_opacity", "ground_glass_opacity", "infiltration"),
    "Lung Lesion": ("lung_lesion", "lung_nodule_or_mass"),
    "Edema": ("pulmonary_edema", "pulmonary_congestion_pulmonary_venous_congestion"),
    "Consolidation": ("consolidation",),
    "Pneumonia": ("pneumonia",),
    "Atelectasis": ("atelectasis", "lobar_segmental_collapse", "whole_lung_or_majority_collapse"),
    "Pneumothorax": ("pneumothorax",),
    "Pleural Effusion": ("pleural_effusion",),
    "Pleural Other": ("pleural_other", "pleural_thickening"),
    "Fracture": ("fracture_generic", "acute_rib_fracture", "non_acute_rib_fracture"),
    "Support Devices": (
        "central_venous_catheter",
        "endotracheal_tube",
        "enteric_tube",
        "implantable_electronic_device",
        "intercostal_drain",
        "pacemaker_electronic_cardiac_device_or_wires",
        "support_devices_generic",
        "tracheostomy_tube",
    ),
}
"""The package's labels of each finding. ``No Finding`` has none and is not judged."""

_FINDING_OF = {label: finding for finding, labels in LABELS_OF.items() for label in labels}
_POLARITY: dict[str, FactPolarity] = {
    "definitely present": "positive",
    "uncertain": "uncertain",
    "definitely absent": "negative",
}
_RANK: dict[FactPolarity, int] = {"positive": 3, "uncertain": 2, "negative": 1}


@dataclass(frozen=True)
class LabelledReport:
    """One report, and what the reference says of the findings it speaks of."""

    name: str
    text: str
    polarities: dict[str, FactPolarity]

    @property
    def half(self) -> Half:
        """Which half it belongs to: the parity of the first byte of SHA-256 of its name."""
        return "held-out" if hashlib.sha256(self.name.encode()).digest()[0] % 2 else "development"


def read_reference(wheel: Path) -> tuple[LabelledReport, ...]:
    """Read the labelled reports.

    Parameters
    ----------
    wheel
        ``radlabels-0.2.0-py3-none-any.whl``, from ``pip download --no-deps radlabels==0.2.0``.

    Raises
    ------
    UnreadableInput
        When the file is no such wheel.
    """
    try:
        with zipfile.ZipFile(wheel) as archive:
            matches = json.loads(archive.read(f"{_SAMPLES}synthetic_matches.json"))
            texts = {
                name: archive.read(f"{_SAMPLES}synthetic_reports/{name}.txt").decode() for name in matches
            }
    except (OSError, KeyError, ValueError, zipfile.BadZipFile) as error:
        raise UnreadableInput(
            wheel.name, "it does not hold the labelled reports of radlabels 0.2.0"
        ) from error
    return tuple(
        LabelledReport(name, texts[name], map_matches(found["matches"])) for name, found in matches.items()
    )


def map_matches(matches: list[dict[str, object]]) -> dict[str, FactPolarity]:
    """Map the package's evidence of one report onto the findings.

    Parameters
    ----------
    matches
        Each with ``disease``, ``label`` and ``start_ix``, the positions of its words.
    """
    named = {str(m["start_ix"]) for m in matches if m["disease"] in ("consolidation", "pneumonia")}
    polarities: dict[str, FactPolarity] = {}
    for match in matches:
        finding = _FINDING_OF.get(str(match["disease"]))
        if finding is None or (match["disease"] == "air_space_opacity" and str(match["start_ix"]) in named):
            continue
        polarity = _POLARITY[str(match["label"])]
        if finding not in polarities or _RANK[polarity] > _RANK[polarities[finding]]:
            polarities[finding] = polarity
    return polarities
