"""Fixtures of the model tests: generated films with a manifest, and a nano model folder trained on them."""

from __future__ import annotations

import csv
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from janus_med.model import MedicalJanus
from janus_med.presets import build_janus, find_preset
from janus_med.tokenizer import token_ids
from janus_med.training.assemble import new_tokenizer
from janus_med.training.samples import to_pixels

COLUMNS = ("image", "source", "subset", "split", "view", "labels", "patient_or_study_id", "use")


def draw_chest(rng: np.random.Generator, size: int = 96) -> np.ndarray:
    """A body with two dark lungs, a spine and ribs: enough anatomy for lesions to be put into."""
    rows, columns = np.mgrid[:size, :size].astype(np.float32) / size
    film = 0.55 + 0.05 * np.sin(rows * 40 + rng.uniform(0, 6))
    for centre in (0.3, 0.7):
        film -= 0.35 * (((rows - 0.45) / 0.33) ** 2 + ((columns - centre) / 0.15) ** 2 < 1)
    film += 0.25 * np.exp(-(((columns - 0.5) / 0.06) ** 2))
    return film + rng.normal(0, 0.02, film.shape)


def write_film(path: Path, film: np.ndarray) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    scaled = (255 * (film - film.min()) / (film.max() - film.min())).astype(np.uint8)
    Image.fromarray(scaled).save(path)


@pytest.fixture(scope="session")
def film_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A data folder of 48 generated films of 48 persons, half of them labelled, one of them not allowed."""
    folder = tmp_path_factory.mktemp("films")
    rng = np.random.default_rng(5)
    with (folder / "manifest.csv").open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, COLUMNS)
        writer.writeheader()
        for index in range(48):
            labels = ("No Finding", "Effusion", "Pneumonia;Infiltration", "Nodule")[
                index % 4 if index % 3 else 0
            ]
            name = f"images/{index:03}.png"
            write_film(folder / name, draw_chest(rng))
            writer.writerow(
                {
                    "image": name,
                    "source": "generated",
                    "subset": "",
                    "split": "val" if index >= 36 else "train",
                    "view": "frontal",
                    "labels": labels,
                    "patient_or_study_id": f"person-{index}",
                    "use": "noncommercial" if index == 7 else "ok",
                }
            )
    return folder


@pytest.fixture(scope="session")
def nano_tokenizer():
    """The tokenizer of the nano preset."""
    return new_tokenizer("nano", 0)


@pytest.fixture
def nano(nano_tokenizer) -> MedicalJanus:
    """A nano model with random weights and no generation adapter."""
    preset = find_preset("nano")
    torch.manual_seed(3)
    return MedicalJanus(build_janus(preset, token_ids(nano_tokenizer)), preset).eval()


@pytest.fixture
def nano_pixels() -> torch.Tensor:
    """(2, 3, 64, 64) pixels."""
    rng = np.random.default_rng(1)
    return to_pixels(np.stack([draw_chest(rng, 64).clip(0, 1) for _ in range(2)]).astype(np.float32))
