"""What is covered: the index of signed studies: search, removal, durability, and whose embeddings may be
compared.
"""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from janus_med.engine import JanusMed
from janus_med.errors import IndexUnusable
from janus_med.evaluation.retrieval import Shelf, precision_figures, retrieval_section
from janus_med.reading import ModelInfo
from janus_med.retrieval import INDEX, EmbeddingSpace, StudyIndex
from janus_med.training.assemble import open_images

SPACE = EmbeddingSpace("a" * 64, "b" * 64, "c" * 64)


def _unit(rng: np.random.Generator, count: int, width: int = 16) -> np.ndarray:
    vectors = rng.normal(size=(count, width)).astype(np.float32)
    return vectors / np.linalg.norm(vectors, axis=1, keepdims=True)


def _filled(count: int = 50, width: int = 16) -> tuple[StudyIndex, np.ndarray]:
    vectors = _unit(np.random.default_rng(4), count, width)
    index = StudyIndex(SPACE, width)
    for row, vector in enumerate(vectors):
        index.add(f"study-{row:05}", vector)
    return index, vectors


def test_search_returns_the_most_similar_in_order() -> None:
    index, vectors = _filled()
    query = _unit(np.random.default_rng(9), 1)[0]
    found = index.search(query, 5)
    expected = np.argsort(-(vectors @ query))[:5]
    assert [one.key for one in found] == [f"study-{row:05}" for row in expected]
    assert [one.similarity for one in found] == pytest.approx(sorted(vectors @ query)[::-1][:5], abs=1e-6)


def test_a_study_finds_itself_unless_it_is_excluded() -> None:
    index, vectors = _filled()
    assert index.search(vectors[7], 1)[0].key == "study-00007"
    assert index.search(vectors[7], 1, frozenset({"study-00007"}))[0].key != "study-00007"


def test_removed_studies_are_never_found_and_the_others_still_are() -> None:
    index, vectors = _filled(20)
    for row in (0, 19, 7):  # the first, the last and one between
        index.remove(f"study-{row:05}")
    assert len(index) == 17
    for row, vector in enumerate(vectors):
        found = index.search(vector, 17)
        assert (found[0].key == f"study-{row:05}") == (row not in (0, 7, 19))
        assert len({one.key for one in found}) == 17
    with pytest.raises(KeyError):
        index.remove("study-00007")


def test_adding_a_key_again_replaces_its_embedding() -> None:
    index, vectors = _filled(5)
    index.add("study-00002", vectors[0])
    assert len(index) == 5
    assert {one.key for one in index.search(vectors[0], 2)} == {"study-00000", "study-00002"}


def test_equally_similar_studies_come_in_the_order_of_their_keys() -> None:
    index = StudyIndex(SPACE, 4)
    vector = np.array([1, 0, 0, 0], dtype=np.float32)
    for key in ("study-cc", "study-aa", "study-bb"):
        index.add(key, vector)
    assert [one.key for one in index.search(vector, 2)] == ["study-aa", "study-bb"]


def test_an_empty_index_finds_nothing() -> None:
    assert StudyIndex(SPACE, 4).search(np.array([1, 0, 0, 0], dtype=np.float32), 3) == ()


@pytest.mark.parametrize(
    "key", ["1.2.840.10008.5", "DOE^JOHN", "John Doe 1960", "short", "x" * 65, "näme-12345"]
)
def test_a_key_that_could_be_a_uid_or_a_name_is_refused(key: str) -> None:
    with pytest.raises(ValueError, match="no UID, no name"):
        StudyIndex(SPACE, 4).add(key, np.array([1, 0, 0, 0], dtype=np.float32))


@pytest.mark.parametrize("vector", [[2, 0, 0, 0], [0, 0, 0, 0], [np.nan, 0, 0, 1], [1, 0, 0]])
def test_only_unit_vectors_of_the_width_are_taken(vector: list[float]) -> None:
    with pytest.raises(ValueError, match="unit vector"):
        StudyIndex(SPACE, 4).add("study-00001", np.array(vector, dtype=np.float32))


def test_a_saved_index_reads_back_the_same_and_holds_no_more_than_keys_and_vectors(tmp_path: Path) -> None:
    index, vectors = _filled()
    index.remove("study-00003")
    index.save(tmp_path)
    loaded = StudyIndex.load(tmp_path, SPACE)
    assert [loaded.search(vector, 4) for vector in vectors] == [index.search(vector, 4) for vector in vectors]
    loaded.add("study-99999", vectors[3])  # and it goes on growing
    assert loaded.search(vectors[3], 1)[0].key == "study-99999"
    assert set(json.loads((tmp_path / INDEX).read_text())) == {
        "format",
        "space",
        "width",
        "embeddings",
        "keys",
    }


def test_an_index_of_another_model_is_refused_with_what_to_do(tmp_path: Path) -> None:
    index, _ = _filled()
    index.save(tmp_path)
    for other in (
        replace(SPACE, adapters_sha256="d" * 64),
        replace(SPACE, weights_sha256="d" * 64),
        replace(SPACE, preprocessing_sha256="d" * 64),
    ):
        with pytest.raises(IndexUnusable, match="rebuild it"):
            StudyIndex.load(tmp_path, other)
        with pytest.raises(IndexUnusable, match="rebuild it"):
            index.require(other)


def _break_digest(folder: Path) -> None:
    path = next(folder.glob("*.safetensors"))
    content = bytearray(path.read_bytes())
    content[-1] ^= 1
    path.write_bytes(content)


def _drop_vectors(folder: Path) -> None:
    next(folder.glob("*.safetensors")).unlink()


def _cut_description(folder: Path) -> None:
    path = folder / INDEX
    path.write_text(path.read_text()[:-20])


def _point_elsewhere(folder: Path) -> None:
    content = json.loads((folder / INDEX).read_text())
    content["embeddings"]["file"] = "../outside.safetensors"
    (folder / INDEX).write_text(json.dumps(content))


def _lose_a_key(folder: Path) -> None:
    content = json.loads((folder / INDEX).read_text())
    content["keys"].pop()
    (folder / INDEX).write_text(json.dumps(content))


def _not_an_object(folder: Path) -> None:
    (folder / INDEX).write_text("[]")


@pytest.mark.parametrize(
    "damage",
    [_break_digest, _drop_vectors, _cut_description, _point_elsewhere, _lose_a_key, _not_an_object],
)
def test_a_damaged_index_is_refused(tmp_path: Path, damage) -> None:
    _filled()[0].save(tmp_path)
    damage(tmp_path)
    with pytest.raises(IndexUnusable, match="rebuild it"):
        StudyIndex.load(tmp_path, SPACE)


def test_a_crash_while_saving_leaves_the_old_index(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    index, vectors = _filled()
    index.save(tmp_path)
    index.remove("study-00000")
    real = Path.replace

    def crash(self: Path, target: Path) -> Path:
        if target.name == INDEX:
            raise OSError("power lost")
        return real(self, target)

    monkeypatch.setattr(Path, "replace", crash)
    with pytest.raises(OSError, match="power lost"):
        index.save(tmp_path)
    assert StudyIndex.load(tmp_path, SPACE).search(vectors[0], 1)[0].key == "study-00000"
    monkeypatch.undo()
    index.save(tmp_path)
    assert "study-00000" not in StudyIndex.load(tmp_path, SPACE)
    assert len(list(tmp_path.glob("embeddings-*"))) == 1


def test_each_of_a_hundred_thousand_studies_finds_itself_first() -> None:
    index, width = StudyIndex(SPACE, 128), 128
    vectors = _unit(np.random.default_rng(2), 100_000, width)
    for row, vector in enumerate(vectors):
        index.add(f"study-{row:06}", vector)
    for row in range(0, 100_000, 9_973):
        assert index.search(vectors[row], 5)[0].key == f"study-{row:06}"


def test_precision_counts_shared_findings_and_leaves_out_the_same_person() -> None:
    labels = np.zeros((4, 14), dtype=np.float32)
    labels[:2, 10] = labels[2:, 3] = 1
    vectors = np.eye(4, dtype=np.float32)[[0, 0, 1, 1]]
    pixels = np.eye(4, dtype=np.float32)
    shelf = Shelf(vectors, pixels, labels, ("p1", "p2", "p3", "p4"))
    rows = precision_figures(shelf, 1, np.random.default_rng(0))
    assert rows["embedding"].value == 1.0
    assert rows["random"].value == pytest.approx(1 / 3)
    same_person = Shelf(vectors, pixels, labels, ("p1", "p1", "p3", "p3"))
    assert precision_figures(same_person, 1, np.random.default_rng(0))["embedding"].value == 0.0


def test_the_section_has_both_rivals_beside_the_embedding(
    nano, nano_tokenizer, film_folder, tmp_path
) -> None:
    engine = JanusMed(nano, nano_tokenizer, ModelInfo("nano-test", "nano", "a", "b", "c", 64))
    text = retrieval_section(engine, open_images(film_folder, 64, tmp_path, None), 0)
    assert "all films (n = 12)" in text
    assert all(f"| {name} | " in text for name in ("embedding", "pixel distance", "random"))
