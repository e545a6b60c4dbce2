"""Seeded reports with findings and images: every state, every script, odd characters."""

from __future__ import annotations

import random
from dataclasses import dataclass
from datetime import datetime, timedelta, timezone
from typing import Any

import numpy as np

from pacs_bridge.results import (
    AcceptedFinding,
    Algorithm,
    Code,
    Laterality,
    Observer,
    Presence,
    Region,
    RejectionContent,
    RejectionReason,
    ReportContent,
    ReportState,
    Section,
    Sentence,
    SourceImage,
    SourceInstance,
    SourceStudy,
    Verification,
    derived_uid,
)
from pacs_bridge.results.finding_codes import FINDINGS
from pacs_bridge.results.report_headings import HEADINGS

CR = "1.2.840.10008.5.1.4.1.1.1"
REPORT_SR = "1.2.840.10008.5.1.4.1.1.88.11"
NAMES = (
    "Example^Person",
    "Müller^Jörg^^Dr.^MD",
    "Yamada^Tarou=山田^太郎=やまだ^たろう",
    "ﾔﾏﾀﾞ^ﾀﾛｳ=山田^太郎=やまだ^たろう",
    "Hong^Gildong=洪^吉洞=홍^길동",
    "Wang^XiaoDong=王^小東",
    "Zhang^Wei=张^伟",
    "Люксембург^Роза",
    "Διονύσιος^Ιωάννης",
    "قباني^لنزار",
    "שרון^דבורה",
    "O'Neil^Anne-Marie",
    "",
)
READERS = ("Rita Reader", "Dr. Jörg van der Müller, MD", "Reader^Rita", "山田 太郎", "Иван Петров", "Cher")
TEXTS = (
    "The heart is enlarged.",
    "No pneumothorax; lungs 2 × 3 cm, ≥ 5 °C.",
    "Line one\r\nline two\r\n  indented",
    "HL7 |^~\\& delimiters \\.br\\ and a backslash \\",
    "<script>alert(1)</script> & \"quotes\" 'single' &amp;",
    "Сердце увеличено. Ελληνικά. Łódź.",
    "心影增大，肺部清晰。",
    "심장이 커져 있습니다.",
    "心拡大あり。肺野はｸﾘｱ。",
)
RIGHT_TO_LEFT = ("القلب متضخم 12 مم.", "הלב מוגדל.", "abc \u202edef\u202c")
ZONES = (0, 60, 330, -210)


@dataclass(frozen=True)
class Case:
    """A report with everything that any of the objects needs."""

    content: ReportContent
    images: tuple[SourceImage, ...]
    findings: tuple[AcceptedFinding, ...]
    is_right_to_left: bool

    @property
    def rejection(self) -> RejectionContent:
        """The note that takes the report back."""
        sent = SourceInstance(
            self.content.study.study_uid, self.content.series_uid, REPORT_SR, self.content.sop_instance_uid
        )
        return RejectionContent(
            reason=list(RejectionReason)[len(self.findings) % 4],
            study=self.content.study,
            rejected=(sent, self.images[0].instance),
            observer=self.content.observer or Observer("Rita Reader", "General Hospital"),
            written_at=self.content.written_at,
            series_uid=derived_uid("ko", self.content.series_uid),
            sop_instance_uid=derived_uid("ko", self.content.sop_instance_uid),
            explanation=self.content.sections[0].sentences[0].text,
        )


# a withdrawn report has no document of its own: a rejection note names what it was
DOCUMENTED = [state for state in ReportState if state is not ReportState.WITHDRAWN]


def make_case(seed: int) -> Case:
    """Make the case of a seed."""
    chance = random.Random(seed)
    state = DOCUMENTED[seed % len(DOCUMENTED)]
    study_uid = derived_uid("study", str(seed))
    images = tuple(_image(chance, study_uid, number) for number in range(chance.randint(1, 3)))
    instances = tuple(image.instance for image in images)
    reader = Observer(chance.choice(READERS), chance.choice(("General Hospital", "Klinikum Köln")), "rita")
    written_at = datetime(
        2026, 11, chance.randint(1, 28), 13, 5, 7, tzinfo=timezone(timedelta(minutes=chance.choice(ZONES)))
    )
    signed = state not in {ReportState.DRAFTED, ReportState.PRELIMINARY}
    right_to_left = chance.random() < 0.15
    before = SourceInstance(study_uid, "1.2.3.9", REPORT_SR, derived_uid("before", str(seed)))
    content = ReportContent(
        state=state,
        study=_study(chance, study_uid),
        evidence=instances,
        sections=_sections(chance, instances, right_to_left),
        written_at=written_at,
        series_uid=derived_uid("series", str(seed)),
        sop_instance_uid=derived_uid("report", str(seed)),
        observer=reader if signed or chance.random() < 0.5 else None,
        algorithm=None if chance.random() < 0.2 else _model(chance),
        verifications=(Verification(reader, written_at, "final report, reviewed and approved", "ef" * 32),)
        if signed
        else (),
        predecessors=(before,) if state in {ReportState.ADDENDED, ReportState.CORRECTED} else (),
        procedure=Code("36643-5", "LN", "XR Chest 2 Views") if chance.random() < 0.5 else None,
    )
    return Case(content, images, _findings(chance, images), right_to_left)


def pixels_of(image: SourceImage, seed: int = 0) -> Any:
    """Stored values of an image."""
    return np.random.default_rng(seed).integers(0, 4096, (image.rows, image.columns), dtype=np.uint16)


def _image(chance: random.Random, study_uid: str, number: int) -> SourceImage:
    series = derived_uid("images", study_uid, str(number // 2))
    instance = SourceInstance(study_uid, series, CR, derived_uid("image", study_uid, str(number)))
    return SourceImage(
        instance,
        rows=chance.choice((64, 100)),
        columns=chance.choice((64, 128)),
        photometric="MONOCHROME1" if number == 2 else "MONOCHROME2",
        window=(2048.0, 4096.0) if chance.random() < 0.7 else None,
        pixel_spacing=(0.143, 0.143) if chance.random() < 0.5 else None,
        slope=0.5 if number == 1 else 1.0,
        patient_orientation=("L", "F") if chance.random() < 0.5 else (),
    )


def _study(chance: random.Random, study_uid: str) -> SourceStudy:
    return SourceStudy(
        study_uid,
        patient_id=chance.choice(("P 1", "0815-ÄÖ", "患者-7", "^~|&")),
        issuer_of_patient_id=chance.choice(("", "HOSPITAL")),
        patient_name=chance.choice(NAMES),
        patient_birth_date=chance.choice(("", "19400305")),
        patient_sex=chance.choice(("", "F", "M", "O")),
        study_id=chance.choice(("", "S 7")),
        study_date="20261101",
        study_time=chance.choice(("101500", "101500.25", "")),
        accession_number=chance.choice(("", "A1")),
        study_description=chance.choice(("", "CHEST", "Röntgen Thorax", "胸部X線")),
        referring_physician_name=chance.choice(NAMES),
    )


def _sections(
    chance: random.Random, images: tuple[SourceInstance, ...], right_to_left: bool
) -> tuple[Section, ...]:
    headings = chance.sample(sorted(HEADINGS), chance.randint(1, len(HEADINGS)))
    texts = (*TEXTS, *RIGHT_TO_LEFT) if right_to_left else TEXTS
    sections = []
    for heading in headings:
        words = chance.choices(texts, k=chance.randint(1, 4))
        shown = tuple(Sentence(word, images[: chance.randint(0, 1)]) for word in words)
        is_part = heading in {"addendum", "correction", "replaced text"}
        number = chance.randint(0, 3) if is_part else 0
        sections.append(Section(heading, shown, number, _signature(chance) if is_part else None))
    if right_to_left:
        sections.append(Section("findings", (Sentence(chance.choice(RIGHT_TO_LEFT)),)))
    return tuple(sections)


def _signature(chance: random.Random) -> Verification:
    signer = Observer(chance.choice(READERS), "Klinikum Köln", "ada")
    at = datetime(2026, 11, 28, 9, 0, tzinfo=timezone(timedelta(minutes=chance.choice(ZONES))))
    return Verification(signer, at, "addendum to a final report, reviewed and approved", "fe" * 32)


def _findings(chance: random.Random, images: tuple[SourceImage, ...]) -> tuple[AcceptedFinding, ...]:
    names = chance.sample(
        [*FINDINGS, "Rib notching", "Kerley-B-Linien (unübersichtlich)"], chance.randint(1, 5)
    )
    found = []
    for number, name in enumerate(names):
        regions = tuple(_region(chance, image) for image in images if number == 0 or chance.random() < 0.4)
        found.append(
            AcceptedFinding(
                name,
                chance.choice(list(Presence)),
                probability=round(chance.random(), 4) if regions else None,
                regions=regions,
                images=tuple(region.image for region in regions) or (images[0].instance,),
                laterality=chance.choice((None, *Laterality)),
                key=f"ai-{number}",
            )
        )
    return tuple(found)


def _region(chance: random.Random, image: SourceImage) -> Region:
    x0, y0 = chance.uniform(0, image.columns / 2), chance.uniform(0, image.rows / 2)
    x1, y1 = chance.uniform(x0 + 4, image.columns), chance.uniform(y0 + 4, image.rows)
    return Region(image.instance, (x0, y0, x1, y1))


def _model(chance: random.Random) -> Algorithm:
    return Algorithm(
        "janus-tiny", "0.1.0", "ab" * 32, "cd" * 32, parameters=(f"seed={chance.randint(0, 9)}",)
    )
