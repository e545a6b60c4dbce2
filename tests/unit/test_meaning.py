"""Whether an edit turned what a sentence says, by rules.

Covered: negation, normality, side, slips of the pen, what is no turn. Not covered, because the rules do not
try: other languages, sizes, degrees, likelihood.
"""

from __future__ import annotations

import pytest

from app.domain.meaning import Turn, absences, sides_of, turn_of


@pytest.mark.covers("R3")
@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("No pneumothorax is seen.", "Pneumothorax is seen."),
        ("No pneumothrax.", "Small pneumothorax."),
        ("The heart is not enlarged.", "The heart is enlarged."),
        ("The heart is normal in size.", "The heart is enlarged."),
        ("The lungs are clear.", "The lungs are not clear."),
        ("Edema has resolved.", "Edema."),
        ("No effusion, consolidation or pneumothorax.", "No effusion, small pneumothorax."),
        ("No effusion or pneumothorax.", "No effusion but a small pneumothorax."),
        ("Free of consolidation.", "Consolidation."),
    ],
)
def test_what_was_absent_is_present_or_the_other_way_round(before: str, after: str) -> None:
    assert turn_of(before, after) is Turn.NEGATION
    assert turn_of(after, before) is Turn.NEGATION


@pytest.mark.covers("R3")
@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("Nodule in the left lung.", "Nodule in the right lung."),
        ("Bilateral effusions.", "Left effusion."),
        ("Right-sided effusion.", "Left-sided effusion."),
    ],
)
def test_the_other_side_is_a_turn(before: str, after: str) -> None:
    assert turn_of(before, after) is Turn.SIDE


@pytest.mark.covers("R3")
@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("No pneumothrax.", "No pneumothorax."),
        ("The heart is not enlarged.", "The heart is normal in size."),
        ("Nodule in the lung.", "Nodule in the left lung."),
        ("No effusion or pneumothorax.", "No effusion."),
        (
            "No effusion, consolidation or pneumothorax.",
            "No effusion, pneumothorax or consolidation is seen.",
        ),
        ("Effusion, no pneumothorax.", "Effusion; no pneumothorax."),
        ("Free of consolidation.", "Without consolidation."),
        ("Bilateral effusions.", "Effusions on both sides, left and right."),
        ("Nodule of 3 cm.", "Large nodule of 4 cm."),
        ("", "Nodule."),
    ],
)
def test_a_slip_of_the_pen_or_other_words_for_the_same_are_none(before: str, after: str) -> None:
    assert turn_of(before, after) is None


def test_sides_and_absences_as_the_rules_see_them() -> None:
    assert sides_of("Bilateral, left more than right.") == {"left", "right"}
    assert absences("No effusion, small nodule.") == {"effusion": True, "small": False, "nodule": False}
