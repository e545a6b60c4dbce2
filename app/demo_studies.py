"""The studies of the demo: two real radiographs, and a CT series made of one real slice (pydicom-data)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from app.domain.errors import Rejected
from app.domain.identifiers import derived_uid

SLICES = 12


@dataclass(frozen=True)
class DemoStudy:
    """A study to send.

    Attributes
    ----------
    key
        ``chest``, ``leg`` or ``ct``.
    expected
        What should become of it, as told to the person who watches.
    """

    key: str
    title: str
    study_uid: str
    files: tuple[Path, ...]
    expected: str


def prepare_studies(folder: Path) -> tuple[DemoStudy, ...]:
    """Return the studies; files that have to be made are made in `folder`, the same ones each time.

    Raises
    ------
    Rejected
        If the package pydicom-data is not installed.
    """
    chest, leg = _sample("RG1_UNCR.dcm"), _sample("RG3_UNCR.dcm")
    slices = _make_ct(_sample("CT_small.dcm"), folder)
    return (
        DemoStudy("chest", "chest radiograph", _study_uid(chest), (chest,), "gets a draft"),
        DemoStudy(
            "leg", "radiograph of a leg", _study_uid(leg), (leg,), "no AI draft: to be written by hand"
        ),
        DemoStudy(
            "ct", f"CT, {SLICES} slices", _study_uid(slices[0]), slices, "no AI draft: not a radiograph"
        ),
    )


def send_studies(studies: Sequence[DemoStudy], *, port: int, called: str, calling: str) -> dict[str, int]:
    """Send every study over an association of its own; return the number of instances by study key."""
    from pacs_bridge.destination import Destination
    from pacs_bridge.store_scu import send_instances

    receiver = Destination(called, "127.0.0.1", port)
    return {study.key: len(send_instances(study.files, receiver, calling_ae=calling)) for study in studies}


def _sample(name: str) -> Path:
    from pydicom.data import get_testdata_file

    path = get_testdata_file(name, download=False)
    if path is None:
        raise Rejected(f"the sample {name} is missing: install the package pydicom-data")
    return Path(str(path))


def _study_uid(path: Path) -> str:
    from pydicom import dcmread

    return str(dcmread(path, specific_tags=["StudyInstanceUID"]).StudyInstanceUID)


def _make_ct(sample: Path, folder: Path) -> tuple[Path, ...]:
    """Make a series of slices 5 mm apart, with UIDs of its own that never change."""
    from pydicom import dcmread

    folder.mkdir(parents=True, exist_ok=True)
    made = []
    for number in range(1, SLICES + 1):
        dataset = dcmread(sample)
        dataset.StudyInstanceUID = derived_uid("janus-med demo", "ct")
        dataset.SeriesInstanceUID = derived_uid("janus-med demo", "ct", "series")
        dataset.FrameOfReferenceUID = derived_uid("janus-med demo", "ct", "frame")
        dataset.SOPInstanceUID = derived_uid("janus-med demo", "ct", str(number))
        dataset.file_meta.MediaStorageSOPInstanceUID = dataset.SOPInstanceUID
        dataset.InstanceNumber = number
        x, y, z = (float(value) for value in dataset.ImagePositionPatient)
        dataset.ImagePositionPatient = [x, y, z + 5.0 * (number - 1)]
        dataset.SliceLocation = z + 5.0 * (number - 1)
        path = folder / f"ct-{number:02}.dcm"
        dataset.save_as(path, enforce_file_format=True)
        made.append(path)
    return tuple(made)
