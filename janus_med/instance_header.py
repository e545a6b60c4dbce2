"""The header facts of one file, each value checked where it is read."""

from __future__ import annotations

import contextlib
import hashlib
import re
from typing import TYPE_CHECKING, Any

from janus_med.dicom_file import open_dicom, quiet_pydicom
from janus_med.errors import NotDicom, UnreadableInput
from janus_med.frame_shape import check_frame
from janus_med.grey_header import read_spacing
from janus_med.study import Instance

if TYPE_CHECKING:
    from pathlib import Path

    from pydicom import Dataset

    from janus_med.dicom_file import OpenedFile
    from janus_med.frame_shape import FrameShape

_UID = re.compile(r"[0-9]+(\.[0-9]+)*")
_VIEW_CODES = {
    # SNOMED RT and CT codes of CID 4010 (PS3.16): posteroanterior, anteroposterior, and the laterals
    **dict.fromkeys(("R-10214", "399162004"), "PA"),
    **dict.fromkeys(("R-10206", "399348003"), "AP"),
    **dict.fromkeys(("R-10236", "399173006"), "LL"),
    **dict.fromkeys(("R-10232", "399198007"), "RL"),
}


def read_instance(path: Path) -> Instance:
    """Read and check the header of one file.

    Parameters
    ----------
    path
        DICOM file.

    Returns
    -------
    Instance
        Header facts; pixels are not touched.

    Raises
    ------
    UnreadableInput
        `NotDicom`, `TruncatedFile`, `NoPixelData`, `ImpossibleSize` or `UnsupportedImage`.
    """
    opened = open_dicom(path, header_only=True)
    with contextlib.closing(opened.stream), quiet_pydicom():
        shape = check_frame(opened)
        try:
            return _describe(path, opened, shape)
        except UnreadableInput:
            raise
        except Exception as error:  # a value that pydicom converts late: same boundary as the parser
            raise NotDicom(
                path.name, f"header cannot be read ({type(error).__name__}); send it again"
            ) from error


def _describe(path: Path, opened: OpenedFile, shape: FrameShape) -> Instance:
    header = opened.header
    row_spacing, column_spacing, spacing_source = read_spacing(header)
    return Instance(
        path=path,
        study_uid=_uid(path, header, "StudyInstanceUID"),
        series_uid=_uid(path, header, "SeriesInstanceUID"),
        sop_instance_uid=_uid(path, header, "SOPInstanceUID"),
        sop_class_uid=_uid(path, header, "SOPClassUID"),
        transfer_syntax_uid=str(opened.transfer_syntax),
        patient_key=_patient_key(header),
        modality=_text(header, "Modality").upper(),
        body_part=_text(header, "BodyPartExamined").upper(),
        view_position=_view_position(header),
        laterality=_text(header, "ImageLaterality") or _text(header, "Laterality"),
        description=" ".join(
            _text(header, key) for key in ("StudyDescription", "SeriesDescription", "ProtocolName")
        ),
        presentation_intent=_text(header, "PresentationIntentType").upper(),
        patient_orientation=_texts(header, "PatientOrientation"),
        image_type=_texts(header, "ImageType"),
        photometric_interpretation=shape.photometric_interpretation,
        burned_in=_text(header, "BurnedInAnnotation").upper() == "YES",
        rows=shape.rows,
        columns=shape.columns,
        frames=shape.frames,
        row_spacing=row_spacing,
        column_spacing=column_spacing,
        spacing_source=spacing_source,
        instance_number=_integer(header, "InstanceNumber"),
        shutter=_shutter(header, shape),
    )


def _uid(path: Path, header: Dataset, keyword: str) -> str:
    value = _text(header, keyword)
    if len(value) > 64 or not _UID.fullmatch(value):
        raise NotDicom(path.name, f"{keyword} is missing or not a UID (PS3.5 9.1); correct it at the sender")
    return value


def _text(header: Dataset, keyword: str) -> str:
    value: Any = header.get(keyword)
    return "" if value is None else str(value).replace("\0", "").strip()


def _texts(header: Dataset, keyword: str) -> tuple[str, ...]:
    value: Any = header.get(keyword)
    if value is None or value == "":
        return ()
    return (value,) if isinstance(value, str) else tuple(str(one).strip().upper() for one in value)


def _integer(header: Dataset, keyword: str) -> int | None:
    text = _text(header, keyword)
    return int(text) if re.fullmatch(r"[+-]?\d{1,12}", text) else None


def _patient_key(header: Dataset) -> str:
    """Digest that tells patients apart; the name counts only when there is no identifier."""
    identity = [_text(header, key) for key in ("PatientID", "IssuerOfPatientID")]
    if not identity[0]:
        identity += [_text(header, key) for key in ("PatientName", "PatientBirthDate")]
    return hashlib.sha256("\0".join(identity).encode()).hexdigest()


def _view_position(header: Dataset) -> str:
    declared = _text(header, "ViewPosition").upper()
    if declared:
        return declared
    codes = [_text(item, "CodeValue") for item in header.get("ViewCodeSequence") or ()]
    return next((_VIEW_CODES[code] for code in codes if code in _VIEW_CODES), "")


def _shutter(header: Dataset, shape: FrameShape) -> tuple[int, int, int, int] | None:
    """The rectangular shutter cut to the image; one that would leave nothing is ignored."""
    if "RECTANGULAR" not in _texts(header, "ShutterShape"):
        return None
    edges = [
        _integer(header, f"Shutter{edge}Edge")
        for edge in ("LeftVertical", "UpperHorizontal", "RightVertical", "LowerHorizontal")
    ]
    if None in edges:
        return None
    left, top, right, bottom = (edge or 0 for edge in edges)
    # Edges are 1-based columns and rows that stay visible (PS3.3 C.7.6.11).
    box = max(left - 1, 0), max(top - 1, 0), min(right, shape.columns), min(bottom, shape.rows)
    if box[2] - box[0] < 2 or box[3] - box[1] < 2:
        return None
    return None if box == (0, 0, shape.columns, shape.rows) else box
