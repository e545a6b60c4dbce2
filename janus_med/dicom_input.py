"""Files and folders become studies, instances become source images; one unreadable file hides no other."""

from __future__ import annotations

import contextlib
import hashlib
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from janus_med.dicom_file import open_dicom, quiet_pydicom
from janus_med.errors import MixedPatients, NoPixelData, NotDicom, UnreadableInput, UnsupportedImage
from janus_med.frame_shape import check_frame
from janus_med.grey_header import read_lookup
from janus_med.instance_header import read_instance
from janus_med.study import SourceImage, Study

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from janus_med.decoding import Decoder
    from janus_med.dicom_file import OpenedFile
    from janus_med.lookup import GreyLookup
    from janus_med.study import Instance

__all__ = ["Intake", "group_studies", "load_image", "read_instance", "read_studies"]


@dataclass(frozen=True)
class Intake:
    """What was found in the input.

    Attributes
    ----------
    studies
        Sorted by StudyInstanceUID.
    failures
        One error for each file or study that cannot be used; the message names it.
    """

    studies: tuple[Study, ...]
    failures: tuple[UnreadableInput, ...]


def read_studies(paths: Iterable[Path]) -> Intake:
    """Read the headers of files and folders and group them by StudyInstanceUID.

    A file that is named is an error when it is not an image; in a folder, files that are not DICOM and
    objects without an image (reports, presentation states) are passed over.

    Parameters
    ----------
    paths
        Files, or folders that are searched downwards.

    Returns
    -------
    Intake
        Studies and failures.
    """
    instances: dict[str, Instance] = {}
    failures: list[UnreadableInput] = []
    for path, named in _walk(paths):
        try:
            instance = read_instance(path)
        except (NotDicom, NoPixelData) as error:
            if named or not _is_foreign(path, error):
                failures.append(error)
            continue
        except UnreadableInput as error:
            failures.append(error)
            continue
        known = instances.setdefault(instance.sop_instance_uid, instance)
        if known is not instance and _digest(known.path) != _digest(path):
            problem = f"same SOPInstanceUID as {known.path.name} with other content; the first one is used"
            failures.append(UnreadableInput(path.name, problem))
    studies, mixed = group_studies(instances.values())
    return Intake(studies, (*failures, *mixed))


def group_studies(instances: Iterable[Instance]) -> tuple[tuple[Study, ...], tuple[MixedPatients, ...]]:
    """Group instances by study and refuse a study that holds two patients.

    Returns
    -------
    studies, refused
        Each sorted by StudyInstanceUID.
    """
    grouped: dict[str, list[Instance]] = {}
    for instance in instances:
        grouped.setdefault(instance.study_uid, []).append(instance)
    studies, refused = [], []
    for study_uid, members in sorted(grouped.items()):
        if len({member.patient_key for member in members}) > 1:
            names = ", ".join(sorted(member.path.name for member in members)[:4])
            problem = f"images of different patients in one study ({names}); correct it at the sender"
            refused.append(MixedPatients(study_uid, problem))
        else:
            members.sort(key=lambda one: (one.series_uid, one.instance_number or 0, one.sop_instance_uid))
            studies.append(Study(study_uid, tuple(members)))
    return tuple(studies), tuple(refused)


def load_image(instance: Instance, decoder: Decoder) -> SourceImage:
    """Decode the only frame of a grey instance.

    Parameters
    ----------
    instance
        From `read_instance`.
    decoder
        The sandbox.

    Returns
    -------
    SourceImage
        Stored pixels with their look-up.

    Raises
    ------
    UnsupportedImage
        Colour, or several frames.
    UnreadableInput
        What the decoder says.
    """
    path = instance.path
    if instance.frames > 1:
        raise UnsupportedImage(path.name, f"holds {instance.frames} frames; a radiograph has one")
    if not instance.photometric_interpretation.startswith("MONOCHROME"):
        kind = instance.photometric_interpretation
        raise UnsupportedImage(path.name, f"is a colour image ({kind}); a radiograph is grey")
    opened = open_dicom(path, header_only=True)
    with contextlib.closing(opened.stream), quiet_pydicom():
        lookup = _read_lookup(opened)
    decoded = decoder.decode(path)
    return SourceImage(instance, decoded.stored, lookup, decoded.decode_s)


def _read_lookup(opened: OpenedFile) -> GreyLookup:
    shape = check_frame(opened)
    try:
        return read_lookup(opened.header, shape)
    except Exception as error:
        problem = f"its look-up tables cannot be read ({type(error).__name__}); ask the sender"
        raise NotDicom(opened.source, problem) from error


def _walk(paths: Iterable[Path]) -> Iterator[tuple[Path, bool]]:
    for path in paths:
        if path.is_dir():
            yield from ((found, False) for found in sorted(path.rglob("*")) if found.is_file())
        else:
            yield path, True


def _is_foreign(path: Path, error: UnreadableInput) -> bool:
    """Whether a file in a folder was never meant as an image."""
    if isinstance(error, NoPixelData):
        return True
    with path.open("rb") as stream:
        return stream.read(132)[128:] != b"DICM"


def _digest(path: Path) -> str:
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()
