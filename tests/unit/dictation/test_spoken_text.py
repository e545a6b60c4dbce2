"""From spoken words to written text: signs, numbers, units, capitals. Not here: what is heard at all."""

from __future__ import annotations

import pytest

from app.domain.spoken_text import HeardWord, join_pieces, spell_number, write_out


def written(said: str, **spelt: str) -> str:
    return join_pieces(write_out([HeardWord(word, 1.0) for word in said.split()], spelt))


@pytest.mark.covers("U5")
@pytest.mark.parametrize(
    ("said", "text"),
    [
        ("no pleural effusion period no pneumothorax period", "no pleural effusion. No pneumothorax."),
        ("clear comma no effusion full stop", "clear, no effusion."),
        ("liver colon normal size semicolon no stone", "liver: normal size; no stone"),
        ("clear period new line no fracture", "clear.\nNo fracture"),
        ("is it new question mark yes", "is it new? Yes"),
        ("nodule open parenthesis stable close parenthesis", "nodule (stable)"),
        ("period", "."),
        ("new york line", "new york line"),
    ],
)
def test_signs_are_written_as_signs(said: str, text: str) -> None:
    assert written(said) == text


@pytest.mark.parametrize(
    "said", ["the colon is normal", "diverticulosis of the sigmoid colon", "colon cancer"]
)
def test_bowel_is_no_sign(said: str) -> None:
    assert written(said) == said


@pytest.mark.covers("U5")
@pytest.mark.parametrize(
    ("said", "text"),
    [
        ("a three millimeters nodule", "a 3 mm nodule"),
        ("one millimeter", "1 mm"),
        ("two point five centimeters", "2.5 cm"),
        ("point five centimeters", "0.5 cm"),
        ("two point zero five cm", "2.05 cm"),
        ("three by four by twelve millimeters", "3 x 4 x 12 mm"),
        ("one hundred and twenty milliliters", "120 ml"),
        ("three hundred milliliters", "300 ml"),
        ("twenty five percent", "25 %"),
        ("twelve images", "12 images"),
        ("at l four and t twelve", "at L4 and T12"),
    ],
)
def test_measures_are_written_in_digits(said: str, text: str) -> None:
    assert written(said) == text


@pytest.mark.parametrize(
    "said",
    [
        "two nodules",
        "one of them",
        "two three nodules",
        "t nineteen",
        "by hundred",
        "point of maximum",
        "twenty twenty six images",
    ],
)
def test_what_is_not_surely_a_measure_stays_as_it_was_said(said: str) -> None:
    expected = {"t nineteen": "t 19", "twenty twenty six images": "twenty 26 images"}
    assert written(said) == expected.get(said, said)


def test_piece_is_as_sure_as_its_least_sure_word() -> None:
    heard = [HeardWord("no", 0.9), HeardWord("three", 0.2), HeardWord("millimeters", 0.8)]
    assert write_out(heard, {}) == (HeardWord("no", 0.9), HeardWord("3 mm", 0.2))


def test_abbreviations_keep_their_capitals() -> None:
    assert written("ct of the chest period ct", ct="CT") == "CT of the chest. CT"


def test_no_word_is_lost_whatever_is_said() -> None:
    said = "no not without five by point hundred colon period new"
    assert written(said) == "no not without five by point hundred:. New"


def test_every_number_is_read_as_it_is_said() -> None:
    read = [written(f"{spell_number(value)} millimeters") for value in range(1000)]
    assert read == [f"{value} mm" for value in range(1000)]


@pytest.mark.parametrize("value", [-1, 1000])
def test_other_numbers_are_not_said(value: int) -> None:
    with pytest.raises(ValueError, match="not said"):
        spell_number(value)
