"""The side that the images name, against the report and against the words about the study.

Covered: one side, both, none and unknown; parts of which there is one; what of a header counts as a side.
Not covered here: how the side gets from the header into the database (`tests/unit/services/test_checks.py`).
"""

from __future__ import annotations

import pytest

from app.domain.checks import Severity
from app.domain.checks_report import check_addendum, check_passages
from app.domain.intake import named_side
from app.domain.statements import Passage, Side
from tests.unit.checks.faults import subject

L, R, BOTH, NONE = Side.LEFT, Side.RIGHT, Side.BOTH, Side.NONE
LEFT_KNEE = "Fracture of the left knee."


def _codes(text: str, part: str, *sides: Side) -> list[str]:
    about = subject(part=part, sides_of_images=frozenset(sides))
    checks = check_passages((Passage("findings", "f", text), Passage("impression", "i", text)), about)
    assert all(check.severity is Severity.WARNING for check in checks)
    return [check.code.value for check in checks]


@pytest.mark.covers("U8")
@pytest.mark.parametrize(
    ("part", "sides", "codes"),
    [
        # the images alone tell the side
        ("knee", (R,), ["side of study"]),
        ("", (R,), ["side of study"]),
        ("EXTREMITY", (R,), ["side of study"]),
        ("knee", (L,), []),
        # an image that names none, or is too old to tell, may show the other side
        ("knee", (R, NONE), []),
        ("knee", (NONE,), []),
        ("knee", (), []),
        # a study with both sides
        ("knee", (L, R), []),
        ("knee", (BOTH,), []),
        ("knee", (R, BOTH), []),
        ("right knee", (L, R), []),
        ("both knees", (R,), []),
        # one image is enough to contradict what the study is called; the report is on either side of it
        ("right knee", (L,), ["side of study", "side of images"]),
        ("right knee", (L, NONE), ["side of study", "side of images"]),
        ("left knee", (R,), ["side of images"]),
        ("linkes Kniegelenk", (R,), ["side of images"]),
        ("left knee", (L,), []),
        # a chest film is marked for its projection, not for a side of the body
        ("CHEST left lateral chest", (R,), []),
        ("CHEST", (R,), []),
    ],
)
def test_report_of_the_left_knee(part: str, sides: tuple[Side, ...], codes: list[str]) -> None:
    assert _codes(LEFT_KNEE, part, *sides) == codes


def test_comparison_with_the_other_side_is_no_slip() -> None:
    assert _codes("Compared with the left knee, more effusion in the joint.", "knee", R) == []


def test_the_text_says_both_sides() -> None:
    passages = (Passage("findings", "f", LEFT_KNEE), Passage("impression", "i", LEFT_KNEE))
    (check,) = check_passages(passages, subject(part="knee", sides_of_images=frozenset({R})))
    assert check.message == f"every image is marked right, the report says left: {LEFT_KNEE}"
    assert check.key == "f"
    (check,) = check_passages(passages, subject(part="left knee", sides_of_images=frozenset({R})))
    assert check.message == "images are marked right, the study is described as left"


def test_an_addendum_is_held_against_the_images_and_not_the_images_against_the_study() -> None:
    about = subject(part="left knee", sides_of_images=frozenset({R}))
    assert check_addendum("No fracture.", about) == ()
    about = subject(part="knee", sides_of_images=frozenset({R}))
    assert [check.code.value for check in check_addendum(LEFT_KNEE, about)] == ["side of study"]


@pytest.mark.parametrize(
    ("image", "series", "side"),
    [
        ("L", "", "L"),
        ("", "R", "R"),
        ("r ", "R", "R"),
        ("B", "", "B"),
        ("U", "", "U"),
        ("", "", ""),
        ("left", "", ""),
        # two that contradict each other
        ("L", "R", ""),
        ("U", "L", ""),
        ("L", "nonsense", "L"),
    ],
)
def test_side_of_an_image_is_a_defined_term_or_nothing(image: str, series: str, side: str) -> None:
    assert named_side(image, series) == side
