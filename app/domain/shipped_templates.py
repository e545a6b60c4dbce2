"""The templates that an installation begins with: a department edits them, or writes its own."""

from __future__ import annotations

from app.domain.report import Section
from app.domain.template import TemplateContent

_I, _C, _T, _F, _M = Section


def _template(
    name: str,
    modality: str,
    body_part: str,
    technique: tuple[str, ...],
    findings: tuple[str, ...],
    *,
    language: str = "en",
) -> TemplateContent:
    compared = {"en": "Compared with {prior}.", "de": "Verglichen mit {prior}."}[language]
    conclusion = {"en": "[impression].", "de": "[Beurteilung]."}[language]
    return TemplateContent(
        name=name,
        language=language,
        modality=modality,
        body_part=body_part,
        sections={
            _I: ("{indication}.",),
            _C: (compared,),
            _T: technique,
            **({_F: findings, _M: (conclusion,)} if findings else {}),
        },
        # one language is in use at first: the department switches
        is_active=language == "en",
    )


SHIPPED: tuple[TemplateContent, ...] = (
    _template("Any examination", "", "", ("{modality}, {description}. Images: {images}.",), ()),
    _template(
        "Radiograph of the chest",
        "DX",
        "CHEST",
        ("Radiograph of the chest, images: {images}.",),
        (
            "The lungs are clear.",
            "No pleural effusion and no pneumothorax.",
            "The heart is not enlarged.",
            "Mediastinum and hila are unremarkable.",
            "No acute bony abnormality.",
        ),
    ),
    _template(
        "CT of the chest",
        "CT",
        "CHEST",
        ("CT of the chest [without|with] intravenous contrast medium.",),
        (
            "Lungs: no nodule, no consolidation.",
            "Pleura: no effusion, no pneumothorax.",
            "Mediastinum and hila: no enlarged lymph nodes.",
            "Heart and great vessels: [normal|enlarged heart|coronary calcification|aneurysm].",
            "Upper abdomen as far as shown: unremarkable.",
            "Bones: no suspicious lesion.",
        ),
    ),
    _template(
        "CT of the head",
        "CT",
        "HEAD",
        ("CT of the head [without|with] intravenous contrast medium.",),
        (
            "No intracranial haemorrhage.",
            "No territorial infarct; grey and white matter are well told apart.",
            "No midline shift, no mass effect.",
            "Ventricles and cisterns are [normal|wide for the age|narrow].",
            "Skull: no fracture.",
            "Paranasal sinuses and mastoids are clear.",
        ),
    ),
    _template(
        "CT of the abdomen",
        "CT",
        "ABDOMEN",
        ("CT of the abdomen and pelvis [without|with] intravenous contrast medium.",),
        (
            "Liver: normal size, no focal lesion.",
            "Gallbladder and bile ducts: no stone, not dilated.",
            "Pancreas, spleen and adrenals: unremarkable.",
            "Kidneys: no stone, no hydronephrosis.",
            "Bowel: no obstruction, no wall thickening.",
            "No free fluid, no free air, no enlarged lymph nodes.",
            "Bones: no suspicious lesion.",
        ),
    ),
    _template(
        "Ultrasound of the abdomen",
        "US",
        "ABDOMEN",
        ("Ultrasound of the abdomen.",),
        (
            "Liver: [normal|increased|coarse] echotexture, span [cm] cm, no focal lesion.",
            "Gallbladder: no stones, the wall is not thickened; common bile duct [mm] mm.",
            "Pancreas: unremarkable as far as seen.",
            "Spleen: [cm] cm, homogeneous.",
            "Kidneys: right [cm] cm, left [cm] cm, no hydronephrosis.",
            "Aorta: not dilated; no free fluid.",
        ),
    ),
    _template(
        "Radiograph of the knee",
        "DX",
        "KNEE",
        ("Radiograph of the [right|left] knee, images: {images}.",),
        (
            "No fracture, no dislocation.",
            "Joint space: [preserved|narrowed medially|narrowed laterally].",
            "No joint effusion.",
            "Soft tissues are unremarkable.",
        ),
    ),
    _template(
        "MR of the brain",
        "MR",
        "BRAIN",
        ("MR of the brain [without|with] intravenous contrast medium.",),
        (
            "No restricted diffusion.",
            "No haemorrhage, no mass.",
            "White matter: [no lesions|few nonspecific lesions|confluent lesions].",
            "Ventricles and outer spaces are [normal|wide for the age].",
            "The large vessels have normal flow voids.",
        ),
    ),
    _template(
        "Röntgen Thorax",
        "DX",
        "CHEST",
        ("Röntgenaufnahme des Thorax, Bilder: {images}.",),
        (
            "Die Lunge ist frei von Verschattungen.",
            "Kein Pleuraerguss, kein Pneumothorax.",
            "Das Herz ist nicht vergrößert.",
            "Mediastinum und Hili sind unauffällig.",
            "Kein akuter knöcherner Befund.",
        ),
        language="de",
    ),
    _template(
        "CT Schädel",
        "CT",
        "HEAD",
        ("CT des Schädels [ohne|mit] Kontrastmittel intravenös.",),
        (
            "Keine intrakranielle Blutung.",
            "Kein Territorialinfarkt, Mark und Rinde sind gut abgrenzbar.",
            "Keine Mittellinienverlagerung, keine Raumforderung.",
            "Die Liquorräume sind [normal weit|altersentsprechend weit|eng].",
            "Keine Fraktur.",
        ),
        language="de",
    ),
    _template(
        "Sonographie Abdomen",
        "US",
        "ABDOMEN",
        ("Sonographie des Abdomens.",),
        (
            "Leber: Binnenstruktur [normal|verdichtet|inhomogen], [cm] cm, kein Herdbefund.",
            "Gallenblase: keine Steine, Wand nicht verdickt; DHC [mm] mm.",
            "Milz: [cm] cm, homogen.",
            "Nieren: rechts [cm] cm, links [cm] cm, kein Harnstau.",
            "Aorta nicht erweitert, keine freie Flüssigkeit.",
        ),
        language="de",
    ),
)
