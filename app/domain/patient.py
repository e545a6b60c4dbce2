"""How a correction or a merge of the hospital's patient records meets the studies that we hold.

The images are never rewritten: a study keeps the patient that its images name, and gets beside it the patient
that the records name now.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from app.domain.study import Patient


@dataclass(frozen=True)
class PatientMerge:
    """One identifier that was given up in favour of another."""

    surviving: Patient
    former_id: str
    former_issuer: str


def may_share_issuer(one: str, other: str) -> bool:
    """Tell whether two identifiers can be of one authority: an authority that is not named can be any."""
    return not one or not other or one == other


def is_believable(known: Patient, corrected: Patient) -> bool:
    """Tell whether a correction under the same PatientID is about this person.

    With an authority on both sides the identifier decides. Without, a PatientID may have been used for two
    people in two hospitals: then name and birth date must not both be different ones.
    """
    if known.issuer and corrected.issuer:
        return True
    same_birth = not (known.birth_date and corrected.birth_date) or known.birth_date == corrected.birth_date
    return same_birth or _plain(known.name) == _plain(corrected.name)


def correct(known: Patient, corrected: Patient) -> Patient:
    """Return the patient with what the correction says; what it leaves empty stays."""
    given = {name: value for name, value in vars(corrected).items() if value}
    return replace(known, **given)


def _plain(name: str) -> str:
    return name.casefold().rstrip("^ ")
