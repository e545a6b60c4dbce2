"""Misspelt medical words: one slip of the keys is found, and what is well or merely strange is left alone."""

from __future__ import annotations

from hypothesis import assume, given, settings
from hypothesis import strategies as st

from app.domain.spelling import SHORTEST, _words, meant_by, slips_in

LONG = sorted(word for word in _words() if len(word) >= SHORTEST + 2)


def test_no_word_of_the_lists_is_called_misspelt() -> None:
    assert [word for word in _words() if meant_by(word)] == []


def test_each_list_is_long_enough_to_help() -> None:
    assert len(_words()) > 1000


def test_a_slip_is_told_once_with_what_was_meant() -> None:
    text = "Small plueral effusoin. The plueral effusoin is new. Kein Pleuraergus, Verschatung basal."
    assert [(slip.word, slip.meant) for slip in slips_in(text)] == [
        ("plueral", "pleural"),
        ("effusoin", "effusion"),
        ("Verschatung", "verschattung"),
    ]


def test_other_words_of_a_report_are_left_alone() -> None:
    text = (
        "The patient was referred by the department of medicine for confusion. Nodules, nodular opacities, "
        "effusions, thickenings; sclerosing process. Die Aufnahmen wurden im Liegen angefertigt, normaler "
        "Befund, verbreiterte Herzsilhouette, keine Ergüsse. Müller, Schmidt, Lindqvist, Okafor."
    )
    assert list(slips_in(text)) == []


@settings(deadline=None)
@given(st.sampled_from(LONG), st.data())
def test_two_letters_swapped_in_a_long_word_are_found_or_make_another_word(
    word: str, data: st.DataObject
) -> None:
    at = data.draw(st.integers(1, len(word) - 5))
    assume(word[at] != word[at + 1])
    swapped = word[:at] + word[at + 1] + word[at] + word[at + 2 :]
    meant = meant_by(swapped)
    assert meant in {word, ""} or meant in _words()
    if not meant:
        # near more than one word, or a word of its own
        assert any(swapped.startswith(other[:3]) for other in _words() if other != word)


@settings(deadline=None)
@given(st.text(max_size=80))
def test_any_text_can_be_read(text: str) -> None:
    for slip in slips_in(text):
        assert slip.word in text
        assert slip.meant in _words()
