"""Report pairs for the checks: clean ones of chest and limbs, and each of them with one planted fault."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from datetime import date

from app.domain.checks import CheckCode, Subject
from app.domain.statements import Passage, Side

TODAY = date(2026, 11, 27)


@dataclass(frozen=True)
class Written:
    """One report with what is known of its study."""

    language: str
    findings: str
    impression: str
    subject: Subject

    @property
    def passages(self) -> tuple[Passage, ...]:
        return (Passage("findings", "f1", self.findings), Passage("impression", "i1", self.impression))


@dataclass(frozen=True)
class Planted:
    """A report with one fault, and the check that has to name it."""

    report: Written
    code: CheckCode


def subject(**changes: object) -> Subject:
    """A woman of 68 with a chest radiograph, an earlier one known and not here."""
    known = Subject(
        today=TODAY,
        sex="F",
        birth_date=date(1958, 3, 12),
        study_date=date(2026, 11, 27),
        names=("Muster^Erika",),
        people=("House^Gregory",),
        accession_number="A-20471",
        part="CHEST chest radiograph",
        priors_known=1,
    )
    return replace(known, **changes)  # type: ignore[arg-type]


_SIDES = {"en": ("left", "right"), "de": ("links", "rechts")}
_LIMBS = {
    "en": ("knee", "shoulder", "ankle", "wrist", "hip"),
    "de": ("Kniegelenk", "Schultergelenk", "Sprunggelenk", "Handgelenk", "Hüftgelenk"),
}
_CHEST = {
    "en": [
        ("Small {s} pleural effusion. No pneumothorax.", "Small {s} pleural effusion."),
        (
            "A 12 mm nodule in the {s} upper lobe. No pleural effusion.",
            "Nodule in the {s} upper lobe, 12 mm. CT is recommended.",
        ),
        (
            "Consolidation in the {s} lower zone. No effusion or pneumothorax.",
            "Pneumonia in the {s} lower lobe.",
        ),
        (
            "Displaced fracture of the {s} seventh rib. No pneumothorax or effusion.",
            "Rib fracture on the {s}. No pneumothorax.",
        ),
        (
            "Lungs are clear. The heart is of normal size. No effusion, no pneumothorax.",
            "No acute cardiopulmonary abnormality.",
        ),
        ("Plate-like atelectasis at the {s} base. Heart size is normal.", "Atelectasis at the {s} base."),
        (
            "The {s} hemidiaphragm is raised. Small hiatal hernia. Lungs clear.",
            "Hiatal hernia. Raised {s} hemidiaphragm.",
        ),
        (
            "Emphysema. No focal consolidation. No pleural effusion or pneumothorax.",
            "Emphysema without acute change of the lungs.",
        ),
    ],
    "de": [
        ("Kleiner Pleuraerguss {s}. Kein Pneumothorax.", "Kleiner Pleuraerguss {s}."),
        (
            "Rundherd im {s}en Oberlappen, 12 mm. Kein Pleuraerguss.",
            "Rundherd im {s}en Oberlappen, 12 mm. CT empfohlen.",
        ),
        ("Konsolidierung {s} basal. Kein Erguss, kein Pneumothorax.", "Pneumonie {s} basal."),
        (
            "Dislozierte Fraktur der siebten Rippe {s}. Kein Pneumothorax.",
            "Rippenfraktur {s}. Kein Pneumothorax.",
        ),
        (
            "Lungen frei belüftet. Herz normal groß. Kein Erguss, kein Pneumothorax, kein Infiltrat.",
            "Kein Nachweis eines akuten Prozesses der Lunge.",
        ),
        ("Plattenatelektase {s} basal. Herzgröße normal.", "Plattenatelektase {s} basal."),
        (
            "Zwerchfellhochstand {s}. Kleine Hiatushernie. Lungen frei.",
            "Hiatushernie. Zwerchfellhochstand {s}.",
        ),
        (
            "Lungenemphysem. Ein Pneumothorax ist nicht abgrenzbar. Kein Pleuraerguss.",
            "Lungenemphysem ohne akuten Befund der Lunge.",
        ),
    ],
}
_LIMB = {
    "en": ("Fracture at the {s} {limb}. No dislocation.", "Fracture at the {s} {limb}."),
    "de": ("Fraktur am {s}en {limb}. Keine Luxation.", "Fraktur am {s}en {limb}."),
}
_MARK = {"left": Side.LEFT, "links": Side.LEFT, "right": Side.RIGHT, "rechts": Side.RIGHT}
_STEM = {"links": "link", "rechts": "recht"}


def clean_reports() -> Iterator[Written]:
    """Every clean report: each text on each side, of a man and of a woman, and every limb."""
    for language, pairs in _CHEST.items():
        for side in _SIDES[language]:
            for findings, impression in pairs:
                for sex in ("F", "M"):
                    texts = (_on(findings, side), _on(impression, side))
                    # men's films bear the mark of a lateral projection, which says nothing of a chest
                    marks = frozenset({Side.LEFT} if sex == "M" else ())
                    yield Written(language, *texts, subject(sex=sex, sides_of_images=marks))
    for language, limbs in _LIMBS.items():
        for side in _SIDES[language]:
            for limb in limbs:
                findings, impression = (_on(text, side).replace("{limb}", limb) for text in _LIMB[language])
                part = _on(f"{{s}}{'' if language == 'en' else 'es'} {limb}", side)
                marks = frozenset({_MARK[side]})
                about = subject(part=part, sides_of_images=marks)
                yield Written(language, findings, impression, about)


def _on(text: str, side: str) -> str:
    return text.replace("{s}e", f"{_STEM.get(side, side)}e").replace("{s}", side)


def planted_faults() -> Iterator[Planted]:
    """Every clean report with each fault that can be planted into it."""
    for report in clean_reports():
        for code, plant in _FAULTS.items():
            for changed in plant(report):
                yield Planted(changed, code)


def _add(report: Written, english: str, german: str) -> Iterator[Written]:
    text = english if report.language == "en" else german
    yield replace(report, findings=f"{report.findings} {text}")


def _swap(text: str) -> str:
    pairs = (("left", "right"), ("links", "rechts"), ("linken", "rechten"))
    for one, other in pairs:
        if f" {one} " in f" {text.replace('.', ' ').replace(',', ' ')} ":
            return text.replace(one, other)
        if f" {other} " in f" {text.replace('.', ' ').replace(',', ' ')} ":
            return text.replace(other, one)
    return text


def _side(report: Written) -> Iterator[Written]:
    swapped = _swap(report.impression)
    # an impression that names no abnormality with its side has none to contradict
    if swapped != report.impression and "hemidiaphragm" not in swapped and "Zwerchfell" not in swapped:
        yield replace(report, impression=swapped)


def _doubtful(report: Written) -> Iterator[Written]:
    for swapped in _side(report):
        if report.language == "en":
            yield replace(
                swapped, impression=f"Possible {swapped.impression[:1].lower()}{swapped.impression[1:]}"
            )
        else:
            yield replace(swapped, impression=f"V.a. {swapped.impression}")


def _side_of_study(report: Written) -> Iterator[Written]:
    if "CHEST" not in report.subject.part:
        swapped = replace(
            report.subject, part=_swap_stem(report.subject.part), sides_of_images=_other_marks(report)
        )
        yield replace(report, subject=swapped)
        # nothing but the images tells the side
        yield replace(report, subject=replace(swapped, part=report.subject.part.split()[-1]))


def _side_of_images(report: Written) -> Iterator[Written]:
    if "CHEST" not in report.subject.part:
        yield replace(report, subject=replace(report.subject, sides_of_images=_other_marks(report)))


def _other_marks(report: Written) -> frozenset[Side]:
    return frozenset({Side.LEFT, Side.RIGHT}) - report.subject.sides_of_images


def _swap_stem(part: str) -> str:
    for one, other in (("left", "right"), ("link", "recht"), ("recht", "link"), ("right", "left")):
        if part.startswith(one):
            return other + part[len(one) :]
    return part


def _sex(report: Written) -> Iterator[Written]:
    if report.subject.sex == "F":
        yield from _add(report, "The prostate is enlarged.", "Die Prostata ist vergrößert.")
    else:
        yield from _add(report, "Gravid uterus.", "Der Uterus ist unauffällig.")


def _denied(report: Written) -> Iterator[Written]:
    for denial, statement in (
        ("No pneumothorax", "Small pneumothorax."),
        ("Kein Pneumothorax", "Kleiner Pneumothorax."),
        ("kein Pneumothorax", "Kleiner Pneumothorax."),
        ("no pneumothorax", "Small pneumothorax."),
    ):
        if denial in report.findings and "neumothorax" not in report.impression:
            yield replace(report, impression=f"{report.impression} {statement}")


def _contradiction(report: Written) -> Iterator[Written]:
    if "neumothorax" not in report.findings and "neumothorax" not in report.impression:
        yield from _add(
            report,
            "Small apical pneumothorax. No pneumothorax is seen.",
            "Kleiner apikaler Pneumothorax. Kein Pneumothorax.",
        )


def _unnamed(report: Written) -> Iterator[Written]:
    text = "Subdural hematoma." if report.language == "en" else "Subduralhämatom."
    yield replace(report, impression=f"{report.impression} {text}")


def _lost(report: Written) -> Iterator[Written]:
    yield from _add(report, "Free air under the diaphragm.", "Freie Luft unter dem Zwerchfell.")


def _compared(report: Written) -> Iterator[Written]:
    alone = replace(report, subject=replace(report.subject, priors_known=0))
    yield from _add(
        alone, "Unchanged compared with the prior study.", "Unverändert im Vergleich zur Voraufnahme."
    )


def _not_compared(report: Written) -> Iterator[Written]:
    yield replace(report, subject=replace(report.subject, priors_here=1))


def _elsewhere(report: Written) -> Iterator[Written]:
    if "CHEST" not in report.subject.part:
        return
    texts = {
        "en": ("The menisci and the cruciate ligaments are intact.", "Normal knee."),
        "de": ("Menisken und Kreuzbänder intakt. Patella regelrecht.", "Unauffälliges Knie."),
    }[report.language]
    yield replace(report, findings=texts[0], impression=texts[1])


_FAULTS: dict[CheckCode, Callable[[Written], Iterator[Written]]] = {
    CheckCode.SIDE: _side,
    CheckCode.SIDE_DOUBTFUL: _doubtful,
    CheckCode.SIDE_OF_STUDY: _side_of_study,
    CheckCode.SIDE_OF_IMAGES: _side_of_images,
    CheckCode.SEX: _sex,
    CheckCode.DENIED_IN_FINDINGS: _denied,
    CheckCode.CONTRADICTION: _contradiction,
    CheckCode.NOT_IN_FINDINGS: _unnamed,
    CheckCode.CRITICAL_NOT_IN_IMPRESSION: _lost,
    CheckCode.CRITICAL_NOT_TOLD: _lost,
    CheckCode.NO_PRIOR: _compared,
    CheckCode.NOT_COMPARED: _not_compared,
    CheckCode.PLACEHOLDER: lambda r: _add(r, "Measures [size] mm.", "Misst ___ mm."),
    CheckCode.PLACEHOLDER_WORD: lambda r: _add(r, "Trachea TBD.", "Trachea: bitte ergänzen."),
    CheckCode.UNIT: lambda r: _add(r, "The nodule measures 14.", "Der Rundherd misst 14."),
    CheckCode.LENGTH: lambda r: _add(r, "A 30 cm nodule.", "Ein Rundherd von 30 cm."),
    CheckCode.DECIMAL: lambda r: _add(
        r, "One of 1.2 cm, one of 1,4 cm.", "Einer von 1,2 cm, einer von 1.4 cm."
    ),
    CheckCode.AGE: lambda r: _add(r, "This 45-year-old patient coughs.", "45-jährige Person mit Husten."),
    CheckCode.NAME: lambda r: _add(r, "Seen by Mrs. Miller.", "Frau Müller hustet."),
    CheckCode.ACCESSION: lambda r: _add(r, "Accession number: B-99120.", "Untersuchungsnummer: B-99120."),
    CheckCode.FUTURE: lambda r: _add(
        r, "The film of 2027-03-04 shows it.", "Die Aufnahme vom 04.03.2027 zeigt ihn."
    ),
    CheckCode.BODY_PART: _elsewhere,
    CheckCode.SPELLING: lambda r: _add(r, "The mediatsinum is normal.", "Mediastnium regelrecht."),
}
