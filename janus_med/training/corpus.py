"""Our own report grammar: a plan of facts becomes a report, so text and truth always agree.

The sentences are written for this project; no hospital's reports were used.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, get_args

from janus_med.expert import SIDED, ZONED, Count, ExpertFact, ExpertPlan, Side, Zone, order_findings
from janus_med.reading import FINDINGS

if TYPE_CHECKING:
    from random import Random

_STATED: dict[str, tuple[str, ...]] = {
    "Enlarged Cardiomediastinum": ("The mediastinum is widened.", "Widened mediastinal contour."),
    "Cardiomegaly": (
        "The heart is enlarged.",
        "There is cardiomegaly.",
        "The cardiac silhouette is enlarged.",
    ),
    "Lung Opacity": ("There is {an_area} opacity.", "Opacity is seen {place}."),
    "Lung Lesion": ("{nodule} {place}.", "{nodule} projecting {over}."),
    "Edema": ("There is pulmonary edema.", "Perihilar haze with pulmonary edema."),
    "Consolidation": ("There is {an_area} consolidation.", "Consolidation is seen {place}."),
    "Pneumonia": ("Findings of pneumonia {place}.", "There is {an_area} pneumonia."),
    "Atelectasis": ("There is {side} basal atelectasis.", "Linear atelectasis at the {base}."),
    "Pneumothorax": ("There is a {side} pneumothorax.", "A {side} apical pneumothorax is present."),
    "Pleural Effusion": ("There is a {side} pleural effusion.", "A {side} pleural effusion is present."),
    "Pleural Other": ("There is {side} pleural thickening.", "{Side} pleural thickening is seen."),
    "Fracture": ("There is a {side} rib fracture.", "A {side} rib fracture is seen."),
    "Support Devices": (
        "Support devices are in place.",
        "A catheter is in place.",
        "Support devices are seen.",
    ),
}
_RAISED: dict[str, tuple[str, ...]] = {
    "Enlarged Cardiomediastinum": ("The mediastinum is possibly widened.",),
    "Cardiomegaly": ("The heart is possibly enlarged.", "Cardiomegaly cannot be excluded."),
    "Lung Opacity": (
        "Possible {side} {zone_word} opacity.",
        "A faint {side} {zone_word} opacity is suspected.",
    ),
    "Lung Lesion": ("Possible {side} {zone_word} {lesion}.", "Suspected {side} {zone_word} {lesion}."),
    "Edema": ("Possible pulmonary edema.", "Pulmonary edema cannot be excluded."),
    "Consolidation": (
        "Possible {side} {zone_word} consolidation.",
        "A {side} consolidation cannot be excluded.",
    ),
    "Pneumonia": ("Possible {side} pneumonia.", "A {side} pneumonia cannot be excluded."),
    "Atelectasis": ("Possible {side} basal atelectasis.", "{Side} atelectasis is suspected."),
    "Pneumothorax": ("Possible {side} pneumothorax.", "A {side} pneumothorax cannot be excluded."),
    "Pleural Effusion": (
        "Possible {side} pleural effusion.",
        "A {side} pleural effusion cannot be excluded.",
    ),
    "Pleural Other": ("Possible {side} pleural thickening.",),
    "Fracture": ("Possible {side} rib fracture.", "A {side} rib fracture cannot be excluded."),
    "Support Devices": ("A support device is possibly present.",),
}
_DENIED: dict[str, tuple[str, ...]] = {
    "Enlarged Cardiomediastinum": ("The mediastinum is not widened.",),
    "Cardiomegaly": ("The heart is not enlarged.", "No cardiomegaly."),
    "Lung Opacity": ("No lung opacity.",),
    "Lung Lesion": ("No nodule or mass.", "No lung nodule."),
    "Edema": ("No pulmonary edema.",),
    "Consolidation": ("No consolidation.", "No focal consolidation."),
    "Pneumonia": ("No evidence of pneumonia.",),
    "Atelectasis": ("No atelectasis.",),
    "Pneumothorax": ("No pneumothorax.", "There is no pneumothorax."),
    "Pleural Effusion": ("No pleural effusion.", "There is no pleural effusion."),
    "Pleural Other": ("No pleural thickening.",),
    "Fracture": ("No fracture.", "No displaced fracture."),
    "Support Devices": ("No support device.",),
}
_NORMAL_FINDINGS = ("The lungs are clear.", "Normal chest radiograph.")
_NORMAL_IMPRESSION = ("No acute cardiopulmonary abnormality.", "Normal chest radiograph.")
_OPEN_IMPRESSION = (
    "No definite abnormality stated; the remaining assessment is left to the reader.",
    "No definite abnormality stated; please review the film.",
)
_COMPARED = (
    "{Name} is unchanged compared with the prior film.",
    "{Name} has increased since the previous radiograph.",
    "{Name} is new since the prior radiograph.",
    "Interval improvement of {name}.",
)


def write_report(plan: ExpertPlan, rng: Random) -> str:
    """Write a report that says exactly the plan.

    Parameters
    ----------
    plan
        The facts.
    rng
        Chooses among equivalent wordings.

    Returns
    -------
    str
        ``FINDINGS: ... IMPRESSION: ...`` on two lines.
    """
    findings = [state_fact(fact, rng) for fact in plan.facts]
    if plan.normal:
        findings.append(rng.choice(_NORMAL_FINDINGS))
    findings += [rng.choice(_DENIED[name]) for name in plan.absent]
    if plan.prior and plan.facts:
        findings.append(_compare(plan.facts[0], rng))
    if not findings:
        findings = ["No finding is stated."]
    return f"FINDINGS: {' '.join(findings)}\nIMPRESSION: {_impression(plan, rng)}"


def state_fact(fact: ExpertFact, rng: Random) -> str:
    """Write the sentence of the findings that says a fact."""
    table = _STATED if fact.certain else _RAISED
    return _fill(rng.choice(table[fact.finding]), fact)


def _impression(plan: ExpertPlan, rng: Random) -> str:
    if plan.normal:
        return rng.choice(_NORMAL_IMPRESSION)
    if not plan.facts:
        return rng.choice(_OPEN_IMPRESSION)
    return " ".join(conclude_fact(fact) for fact in plan.facts)


def conclude_fact(fact: ExpertFact) -> str:
    """Write the sentence of the impression that says a fact."""
    name = _noun(fact)
    lead = "" if fact.certain else "possible "
    side = f"{fact.side} " if fact.side else ""
    text = f"{lead}{side}{name}."
    return text[0].upper() + text[1:]


def _compare(fact: ExpertFact, rng: Random) -> str:
    name = _noun(fact)
    return rng.choice(_COMPARED).format(name=name, Name=name[0].upper() + name[1:])


def _noun(fact: ExpertFact) -> str:
    if fact.finding == "Lung Lesion":
        return "lung nodules" if fact.count == "multiple" else "lung nodule"
    named = {
        "Enlarged Cardiomediastinum": "mediastinal widening",
        "Edema": "pulmonary edema",
        "Pleural Other": "pleural thickening",
        "Fracture": "rib fracture",
    }
    return named.get(fact.finding, fact.finding.lower())


def _fill(template: str, fact: ExpertFact) -> str:
    side, zone = fact.side, f"{fact.zone} zone" if fact.zone else ""
    where = " ".join(part for part in (side, zone) if part)
    both = "both lungs"
    place = (
        f"in {both}"
        if side == "bilateral"
        else f"in the {where or 'lung'}" + ("" if zone or not side else " lung")
    )
    many = fact.count == "multiple"
    text = template.format(
        side=side,
        Side=side.capitalize(),
        zone_word=zone,
        an_area=where if zone else f"{side} lung".strip(),
        place=place,
        over=f"over {both}"
        if side == "bilateral"
        else f"over the {where or 'chest'}" + ("" if zone or not side else " lung"),
        base="lung bases" if side == "bilateral" else f"{side} lung base".strip(),
        nodule="Multiple nodules" if many else "A nodule",
        lesion="nodules" if many else "nodule",
    )
    words = " ".join(text.split())
    return words[0].upper() + words[1:]


def random_plan(rng: Random) -> ExpertPlan:
    """Draw a plan as broad as reading may need it: none to five findings, certain or not, and denials."""
    names = [name for name in FINDINGS if name != "No Finding"]
    kind = rng.random()
    if kind < 0.2:
        return ExpertPlan(
            (), order_findings(rng.sample(names, rng.randint(0, 6))), normal=True, prior=rng.random() < 0.1
        )
    chosen = order_findings(rng.sample(names, rng.choice((0, 1, 1, 1, 2, 2, 2, 3, 3, 4, 5))))
    facts = tuple(random_fact(name, rng) for name in chosen)
    rest = [name for name in names if name not in chosen]
    absent = order_findings(rng.sample(rest, rng.randint(0, min(5, len(rest)))))
    return ExpertPlan(facts, absent, normal=False, prior=rng.random() < 0.2)


def random_fact(name: str, rng: Random) -> ExpertFact:
    """Draw certainty and location for one finding."""
    side: Side = rng.choice(get_args(Side)[1:]) if name in SIDED else ""
    zone: Zone = rng.choice(get_args(Zone)) if name in ZONED and side != "bilateral" else ""
    count: Count = rng.choice(("single", "multiple")) if name == "Lung Lesion" else ""
    fact = ExpertFact(name, rng.random() < 0.65, side, zone, count)
    return replace(fact, count="multiple") if side == "bilateral" and name == "Lung Lesion" else fact
