"""The language model of the dictation: sentences in, trigrams and pronunciations out.

Not here: how well speech is recognised with it (`python -m bench.dictation`).
"""

from __future__ import annotations

import math
import re

import pytest

from app.domain.ngrams import BEGIN, END, learn_words, write_arpa
from app.domain.pronunciation import align, learn_sounds, read_dictionary
from app.domain.said_sentences import (
    MOST_FORMS,
    capitals_in,
    medical_words,
    say,
    say_lines,
    shipped_phrases,
    spread,
)

SENTENCES = [("no", "effusion"), ("no", "pleural", "effusion"), ("small", "pleural", "effusion")]


@pytest.mark.parametrize("history", [(), (BEGIN,), ("no",), (BEGIN, "no"), ("never", "pleural"), ("x", "y")])
def test_probabilities_after_any_history_sum_to_one(history: tuple[str, ...]) -> None:
    model = learn_words(SENTENCES, words=["mass"], general={"house": 0.7, "no": 0.3}, general_share=0.2)
    assert model.words == {"no", "effusion", "pleural", "small", "mass", "house"}
    total = sum(model.chance(word, history) for word in (*model.words, END))
    assert total == pytest.approx(1.0)


def test_what_was_said_is_likelier_than_what_was_not() -> None:
    model = learn_words(SENTENCES, general={"house": 1.0}, general_share=0.1)
    assert model.chance("effusion", ("no", "pleural")) > model.chance("small", ("no", "pleural"))
    assert model.chance("house", ("no", "pleural")) > 0
    assert model.chance("unheard", ("no", "pleural")) == 0


@pytest.mark.parametrize(("sentences", "share"), [([], 0.1), (SENTENCES, 1.0), (SENTENCES, -0.1)])
def test_model_of_nothing_is_refused(sentences: list[tuple[str, ...]], share: float) -> None:
    with pytest.raises(ValueError, match="no words"):
        learn_words(sentences, general={"a": 1.0}, general_share=share)


def test_arpa_file_says_the_same_as_the_model() -> None:
    model = learn_words(SENTENCES)
    text = "".join(write_arpa(model))
    counts = [int(count) for count in re.findall(r"ngram \d=(\d+)", text)]
    parts = re.split(r"\\\d-grams:\n", text)[1:]
    grams = [part.split("\n\n")[0].strip().splitlines() for part in parts]
    assert [len(lines) for lines in grams] == counts
    [line] = [line for line in grams[2] if line.endswith("no pleural effusion")]
    assert 10 ** float(line.split()[0]) == pytest.approx(
        model.chance("effusion", ("no", "pleural")), rel=1e-3
    )
    [begin] = [line for line in grams[0] if BEGIN in line]
    assert begin.startswith("-99")
    assert 10 ** float(begin.split()[2]) == pytest.approx(model.left[(BEGIN,)], rel=1e-3)
    assert all(math.isfinite(float(line.split()[0])) for lines in grams for line in lines)


def test_line_of_a_template_is_said_in_all_its_forms() -> None:
    said = list(say_lines(["Ventricles are [normal|wide], span [cm] cm. {prior}"]))
    assert said == [
        ("ventricles", "are", "normal", "comma", "span", "centimeters", "period"),
        ("ventricles", "are", "normal", "span", "centimeters"),
        ("ventricles", "are", "wide", "comma", "span", "centimeters", "period"),
        ("ventricles", "are", "wide", "span", "centimeters"),
    ]


def test_forms_of_a_long_line_are_drawn_the_same_each_time() -> None:
    line = "[a|b|c|d] [e|f|g|h] [i|j|k|l|m] # mm"
    forms = list(spread(line))
    assert len(forms) == MOST_FORMS
    assert forms == list(spread(line))
    assert all(re.fullmatch(r"[a-d] [e-h] [i-m] (\d|1[0-2]) mm", form) for form in forms)
    assert {letter for form in forms for letter in form[:5:2]} == set("abcdefghijklm")


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (
            "A 2.5 x 3 cm mass: stable?",
            "a two point five by three centimeters mass colon stable question mark",
        ),
        ("1 mm", "one millimeter"),
        ("At L4-L5.", "at l four l five period"),
        ("Year 2026", "year"),
        ("Größe normal", "normal"),
    ],
)
def test_written_text_is_said_in_words(text: str, said: str) -> None:
    assert " ".join(say(text)) == said


def test_abbreviations_are_found_in_the_texts() -> None:
    assert capitals_in(["CT of the chest", "No A", "PICC line"]) == {"ct": "CT", "picc": "PICC"}


def test_shipped_phrases_hold_no_open_bracket_and_many_words() -> None:
    lines = shipped_phrases()
    assert all(not re.search(r"[\[\]#|]", form) for line in lines for form in spread(line))
    words = {word for said in say_lines(lines) for word in said}
    assert {"effusion", "pneumothorax", "no", "period", "millimeters"} <= words
    assert "pneumomediastinum" in medical_words()


def test_dictionary_is_read_with_its_other_pronunciations() -> None:
    known = read_dictionary(["read R IY D", "read(2) R EH D", "no N OW"])
    assert known == {"read": [("R", "IY", "D"), ("R", "EH", "D")], "no": [("N", "OW")]}


def test_letters_are_aligned_with_their_sounds() -> None:
    assert align("phase", ("F", "EY", "Z")) == [("F",), (), ("EY",), ("Z",), ()]
    assert align("box", ("B", "AA", "K", "S")) == [("B",), ("AA",), ("K", "S")]
    assert align("a", ("EY", "B", "IY", "S")) == [()], "an abbreviation teaches nothing"


def test_unknown_word_is_said_as_its_parts_are_said_elsewhere() -> None:
    known = [
        ("pneumonia", "N UH M OW N Y AH"),
        ("thorax", "TH AO R AE K S"),
        ("media", "M IY D IY AH"),
        ("pneumatic", "N UH M AE T IH K"),
        ("thoracic", "TH AO R AE S IH K"),
        ("motor", "M OW T ER"),
    ]
    reader = learn_sounds((word, tuple(sounds.split())) for word, sounds in known)
    assert " ".join(reader.say("pneumothorax")) == "N UH M OW TH AO R AE K S"
    assert reader.say("ct-2") == ()
    assert reader.say("") == ()
