"""The images of a study revision as the model package reads them, from the spool."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from app.domain.study import Instance

if TYPE_CHECKING:
    from janus_med.study import Study


def object_path(objects: Path, sha256: str) -> Path:
    """Return where the spool keeps the object with this digest."""
    return objects / sha256[:2] / f"{sha256}.dcm"


def read_images(objects: Path, study_uid: str, instances: Sequence[Instance]) -> tuple[Study | None, str]:
    """Read the headers of a study's objects; the second value says why there is no image."""
    from janus_med.dicom_input import group_studies, read_instance
    from janus_med.errors import UnreadableInput

    found, problems = [], []
    for instance in instances:
        try:
            found.append(read_instance(object_path(objects, instance.sha256)))
        except UnreadableInput as error:
            problems.append(error.problem)
    studies, mixed = group_studies(found)
    problems += [error.problem for error in mixed]
    for study in studies:
        if study.study_uid == study_uid:
            return study, ""
    return None, problems[0] if problems else "the study has no image"
