"""What is covered: the shared attention asked in words, from the drawn sentence to the map of the engine."""

from __future__ import annotations

from pathlib import Path
from random import Random

import numpy as np
import pytest
import torch

from janus_med.adapters.text_queries import LONGEST
from janus_med.checkpoint import load_model, new_adapters, save_model, verify_folder
from janus_med.engine import JanusMed
from janus_med.errors import ModelUnavailable, PhraseRefused
from janus_med.evaluation import phrases
from janus_med.evaluation.films import FilmSet
from janus_med.evaluation.measure import Said
from janus_med.evaluation.report import Request, open_exam
from janus_med.expert import ExpertFact, describe_location
from janus_med.facts import label_sentence
from janus_med.model import MedicalJanus
from janus_med.phrase_tokens import encode_sentences
from janus_med.reading import FINDINGS
from janus_med.training.losses import evidence_loss
from janus_med.training.phrases import draw_phrase, keep_side, word_phrase

EFFUSION = FINDINGS.index("Pleural Effusion")


def draw_effusion(column: int) -> tuple[torch.Tensor, torch.Tensor]:
    """Labels and masks of a film with an effusion in one column of a 4 x 4 grid, and nothing else."""
    labels, masks = torch.zeros(14), torch.zeros(14, 4, 4)
    labels[EFFUSION] = 1.0
    masks[EFFUSION, 2:, column] = 1.0
    return labels, masks


def test_a_drawn_sentence_says_a_finding_and_its_mask_never_leaves_the_side_it_names() -> None:
    rng, seen = Random(0), set()
    for _ in range(300):
        labels, masks = draw_effusion(rng.choice((0, 3)))
        phrase = draw_phrase(labels, masks, rng)
        assert phrase is not None
        facts = {name: fact for name, fact in label_sentence(phrase.text).items() if name != "No Finding"}
        assert facts
        fact = facts.get("Pleural Effusion")
        shown = phrase.mask.any(axis=0)
        if fact is None:
            assert not shown.any()  # another finding, which this film does not show
        elif fact.side in ("left", "right"):
            assert not shown[:2].any() if fact.side == "left" else not shown[2:].any()
        seen.add((fact is not None, bool(shown.any())))
    assert seen == {(True, True), (True, False), (False, False)}


def test_the_other_side_of_a_lesion_on_both_sides_keeps_half_of_it() -> None:
    _, masks = draw_effusion(0)
    masks[EFFUSION, 2:, 3] = 1.0
    fact = describe_location("Pleural Effusion", masks[EFFUSION].numpy())
    assert fact.side == "bilateral"
    phrase = word_phrase(fact, masks[EFFUSION].numpy(), "other side", Random(1))
    assert phrase.mask.sum() == 2
    assert label_sentence(phrase.text)["Pleural Effusion"].side in ("left", "right")


def test_the_left_of_the_image_is_the_right_of_the_patient() -> None:
    mask = np.ones((2, 5), dtype=np.float32)
    assert keep_side(mask, "right")[0].tolist() == [1, 1, 0, 0, 0]
    assert keep_side(mask, "left")[0].tolist() == [0, 0, 0, 1, 1]


def test_a_film_of_which_nothing_is_known_gives_no_sentence() -> None:
    unknown = torch.full((14,), torch.nan)
    assert draw_phrase(unknown, torch.full((14, 4, 4), torch.nan), Random(0)) is None


@pytest.mark.timeout(120)
def test_sentences_learn_sides_and_change_nothing_else(nano: MedicalJanus, nano_tokenizer) -> None:
    torch.manual_seed(0)
    tokens = torch.randn(16, 16, nano.preset.vision_width)
    before = {name: tensor.clone() for name, tensor in nano.state_dict().items()}
    queries = nano.add_text_queries()
    optimiser = torch.optim.Adam(queries.parameters(), 5e-3)
    masks = torch.zeros(2, 16, 4, 4)
    masks[0, :, 2:, :2] = 1.0  # "right": the left of the image
    masks[1, :, 2:, 2:] = 1.0
    texts = ["There is a right pleural effusion.", "There is a left pleural effusion."]
    for _ in range(60):
        optimiser.zero_grad()
        for mask, text in zip(masks, texts, strict=True):
            ids, words = encode_sentences(nano_tokenizer, [text] * 16)
            evidence_loss(nano.locate(tokens, ids, words), mask.flatten(1)).backward()
        optimiser.step()
    unseen = torch.randn(8, 16, nano.preset.vision_width)
    for mask, text in zip(masks, texts, strict=True):
        ids, words = encode_sentences(nano_tokenizer, [text] * 8)
        hottest = nano.locate(unseen, ids, words).argmax(dim=1)
        assert mask[0].flatten()[hottest].mean() > 0.8
    after = nano.state_dict()
    assert all(torch.equal(before[name], after[name]) for name in before)


def test_padding_does_not_change_what_a_sentence_asks(nano: MedicalJanus, nano_tokenizer) -> None:
    torch.manual_seed(0)
    nano.add_text_queries().requires_grad_(False)
    tokens = torch.randn(1, 16, nano.preset.vision_width)
    short, long = "Edema.", "A nodule projecting over the right upper zone."
    alone = nano.locate(tokens, *encode_sentences(nano_tokenizer, [short]))
    beside = nano.locate(tokens.expand(2, -1, -1), *encode_sentences(nano_tokenizer, [short, long]))
    torch.testing.assert_close(alone[0], beside[0], atol=1e-5, rtol=1e-5)
    assert not torch.allclose(beside[0], beside[1])


def test_a_sentence_of_too_many_tokens_is_refused_with_its_length(nano_tokenizer) -> None:
    with pytest.raises(PhraseRefused, match=f"1 to {LONGEST} can be shown"):
        encode_sentences(nano_tokenizer, ["pleural effusion " * 60])


@pytest.fixture
def nano_engine(nano_tokenizer, nano: MedicalJanus, tmp_path: Path) -> JanusMed:
    """A nano folder with unfitted text queries, loaded again."""
    model = new_adapters(nano.janus, "nano", 0)
    model.add_text_queries()
    save_model(tmp_path, model, nano_tokenizer, "nano-text")
    return JanusMed.load(tmp_path, "cpu")


def test_a_folder_keeps_its_text_queries_and_shows_a_map(nano_engine: JanusMed, nano_pixels) -> None:
    shown = nano_engine.locate(nano_pixels[:1], "Possible left pleural effusion.")
    assert shown.findings == ("Pleural Effusion",)
    assert shown.attention.shape == (4, 4)
    assert shown.attention.dtype == np.float32
    assert 0 <= shown.attention.min() < shown.strongest <= 1


@pytest.mark.parametrize(
    "text", ["No pleural effusion.", "The lungs are clear.", "Please call the ward.", ""]
)
def test_what_denies_or_names_no_finding_has_no_region(nano_engine: JanusMed, nano_pixels, text: str) -> None:
    with pytest.raises(PhraseRefused, match="nothing can be shown"):
        nano_engine.locate(nano_pixels[:1], text)


def test_a_folder_without_text_queries_says_so(nano: MedicalJanus, nano_tokenizer, tmp_path: Path) -> None:
    save_model(tmp_path, new_adapters(nano.janus, "nano", 0), nano_tokenizer, "nano-plain")
    model, _ = load_model(tmp_path, verify_folder(tmp_path))
    assert model.text_queries is None
    ids, mask = encode_sentences(nano_tokenizer, ["Edema."])
    with pytest.raises(ModelUnavailable, match="no text queries"):
        model.locate(torch.zeros(1, 16, 32), ids, mask)


def test_a_plain_sentence_names_no_side() -> None:
    fact = ExpertFact("Pleural Effusion", True, "left")
    mask = np.ones((4, 4), dtype=np.float32)
    drawn = [word_phrase(fact, mask, "plain", Random(seed)) for seed in range(20)]
    assert {label_sentence(one.text)["Pleural Effusion"].side for one in drawn} == {None}
    assert all(one.mask.all() for one in drawn)


@pytest.mark.parametrize(("turned", "right"), [(False, 1.0), (True, 0.0)])
def test_evaluation_tells_maps_that_follow_the_side_from_maps_on_the_other(
    film_folder: Path, tmp_path: Path, nano, nano_tokenizer, monkeypatch, turned: bool, right: float
) -> None:
    model = new_adapters(nano.janus, "nano", 0)
    model.add_text_queries()
    save_model(tmp_path, model, nano_tokenizer, "nano-text")
    exam = open_exam(Request(tmp_path, film_folder, tmp_path / "exam", quick=True), tmp_path)

    def planted(_exam, said, rows, sentences: list[str]) -> np.ndarray:
        masks = np.nan_to_num(said.masks[rows]).max(axis=1)
        sides = [next(iter(label_sentence(text).values())).side for text in sentences]
        if turned:
            sides = [{"left": "right", "right": "left"}.get(side, side) for side in sides]
        return np.stack(
            [keep_side(m, s) if s in ("left", "right") else m for m, s in zip(masks, sides, strict=True)]
        )

    monkeypatch.setattr(phrases, "phrase_maps", planted)
    single = [row for row, one in enumerate(exam.trained.labels) if np.nansum(one[1:]) == 1]
    rows = phrases.measure_phrases(exam, _only(exam.trained, single))
    judged = [row["right side"].value for row in rows.values() if "right side" in row]
    assert judged
    assert np.mean(judged) == pytest.approx(right, abs=0.2)  # a lesion may reach over the middle


def _only(said, rows: list[int]):
    films = FilmSet(
        [said.films.samples[row] for row in rows],
        [said.films.persons[row] for row in rows],
        [said.films.subsets[row] for row in rows],
    )
    return Said(
        films,
        said.probabilities[rows],
        said.maps[rows],
        said.labels[rows],
        said.masks[rows],
        said.weights[:, rows],
    )
