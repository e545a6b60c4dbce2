"""Poisoned model folders: refused before anything of them runs, with an alert that the operations view shows.

Each folder is the bundled model with one poison in it, and a manifest whose digests agree with the poison
unless the digest is the poison: what refuses it is the check of that poison.
"""

from __future__ import annotations

import json
import os
import pickle
import shutil
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from app.domain.alert import AlertKind
from app.services.alerts import open_alerts
from app.store.engine import Store
from app.workers.draft import ModelOnDemand, NamedModels
from app.workers.model_alert import tell_model
from janus_med.checkpoint import ADAPTERS, CONFIG, MANIFEST, WEIGHTS, bundled_folder, digest_file

CANARY = "canary-file"


class Poison:
    """Writes the canary when it is unpickled."""

    def __init__(self, canary: Path) -> None:
        self.canary = canary

    def __reduce__(self) -> tuple[Any, tuple[Any, ...]]:
        return os.open, (str(self.canary), os.O_CREAT | os.O_WRONLY)


def code(canary: Path) -> str:
    return f"open({str(canary)!r}, 'w')\n"


def edit(path: Path, change: Callable[[dict[str, Any]], object]) -> None:
    content = json.loads(path.read_text())
    change(content)
    path.write_text(json.dumps(content))


def pickle_as_weights(folder: Path, canary: Path) -> None:
    (folder / WEIGHTS).write_bytes(pickle.dumps(Poison(canary)))


def pickle_as_adapters(folder: Path, canary: Path) -> None:
    (folder / ADAPTERS).write_bytes(pickle.dumps(Poison(canary)))


def torch_archive_as_weights(folder: Path, canary: Path) -> None:
    with zipfile.ZipFile(folder / WEIGHTS, "w") as archive:
        archive.writestr("archive/data.pkl", pickle.dumps(Poison(canary)))


def auto_map(folder: Path, canary: Path) -> None:
    edit(folder / CONFIG, lambda c: c.update(auto_map={"AutoModel": "poison.Model"}))


def attention_by_name(folder: Path, canary: Path) -> None:
    edit(folder / CONFIG, lambda c: c["text_config"].update(_attn_implementation_internal="poison/kernel"))


def tokenizer_with_code(folder: Path, canary: Path) -> None:
    poison = {"auto_map": {"AutoTokenizer": ["tokenization_poison.Poison", None]}}
    (folder / "tokenizer_config.json").write_text(json.dumps(poison))


def python_file(folder: Path, canary: Path) -> None:
    (folder / "tokenization_poison.py").write_text(code(canary))


def start_up_code(folder: Path, canary: Path) -> None:
    (folder / "model.pth").write_text(f"import os; {code(canary)}")


def link_out_of_the_folder(folder: Path, canary: Path) -> None:
    outside = folder.parent / "outside.safetensors"
    shutil.move(folder / WEIGHTS, outside)
    (folder / WEIGHTS).symlink_to(outside)


POISONS = (
    (pickle_as_weights, "safetensors"),
    (pickle_as_adapters, ADAPTERS),
    (torch_archive_as_weights, "safetensors"),
    (auto_map, "auto_map"),
    (attention_by_name, "_attn_implementation_internal"),
    (tokenizer_with_code, "tokenizer_config.json contains auto_map"),
    (python_file, "is code"),
    (start_up_code, "is code"),
    (link_out_of_the_folder, "leads out of the folder"),
)


def poisoned(folder: Path, poison: Callable[[Path, Path], None], *, agree: bool = True) -> Path:
    """Copy the bundled model, poison it, and let the manifest agree."""
    shutil.copytree(bundled_folder(), folder)
    poison(folder, folder.parent / CANARY)

    def renew(manifest: dict[str, Any]) -> None:
        for name, entry in manifest["files"].items():
            if (folder / name).is_file():
                entry["sha256"] = digest_file(folder / name)

    if agree:
        edit(folder / MANIFEST, renew)
    return folder


def load(store: Store, folder: Path) -> ModelOnDemand:
    """Load a model as the drafting worker does; it must not be there."""
    model = ModelOnDemand(folder, "cpu", tell=lambda where, why: tell_model(store, where, why))
    assert model.load() is None
    return model


def alerts(store: Store) -> list[tuple[str, str]]:
    return [(a.subject, a.reason) for a in open_alerts(store) if a.kind is AlertKind.MODEL_UNUSABLE]


@pytest.mark.covers("T23")
@pytest.mark.parametrize(("poison", "named"), POISONS, ids=[poison.__name__ for poison, _ in POISONS])
def test_poisoned_model_is_refused_with_an_alert_and_runs_nothing(
    poison: Callable[[Path, Path], None], named: str, store: Store, tmp_path: Path
) -> None:
    model = load(store, poisoned(tmp_path / "model", poison))
    assert named in model.problem
    [(subject, reason)] = alerts(store)
    assert subject == "model"
    assert reason
    assert not (tmp_path / CANARY).exists(), "code was executed"


@pytest.mark.covers("T23")
def test_weights_of_another_digest_are_not_opened(store: Store, tmp_path: Path) -> None:
    model = load(store, poisoned(tmp_path / "model", pickle_as_weights, agree=False))
    assert "SHA-256" in model.problem
    assert [subject for subject, _ in alerts(store)] == ["model"]
    assert not (tmp_path / CANARY).exists()


@pytest.mark.covers("T23")
def test_archive_in_the_place_of_a_folder_is_not_unpacked(store: Store, tmp_path: Path) -> None:
    archive = tmp_path / "model.zip"
    with zipfile.ZipFile(archive, "w") as file:
        file.writestr(f"../{CANARY}", "x")
        file.writestr(MANIFEST, "{}")
    model = load(store, archive)
    assert MANIFEST in model.problem
    assert sorted(path.name for path in tmp_path.iterdir()) == ["model.zip"]
    assert not (tmp_path.parent / CANARY).exists()


@pytest.mark.covers("T23")
def test_manifest_that_names_a_file_outside_is_refused(store: Store, tmp_path: Path) -> None:
    def slip(folder: Path, canary: Path) -> None:
        edit(folder / MANIFEST, lambda m: m["files"].update({"../evil.safetensors": {"sha256": "0" * 64}}))

    assert "outside the folder" in load(store, poisoned(tmp_path / "model", slip)).problem


@pytest.mark.covers("T23")
def test_alert_goes_when_the_model_is_mended_and_rules_name_models_likewise(
    store: Store, tmp_path: Path
) -> None:
    named = NamedModels(tmp_path, "cpu", tell=lambda where, why: tell_model(store, where, why))
    folder = poisoned(tmp_path / "lungs", python_file)
    assert named.find("lungs").load() is None
    assert [subject for subject, _ in alerts(store)] == ["lungs"]
    (folder / "tokenization_poison.py").unlink()
    mended = ModelOnDemand(folder, "cpu", tell=lambda where, why: tell_model(store, where, why))
    assert mended.load() is not None
    assert alerts(store) == []


def test_poison_would_run_where_it_is_opened(tmp_path: Path) -> None:
    """The canary is one: the tests above would find a pickle that was opened."""
    os.close(pickle.loads(pickle.dumps(Poison(tmp_path / CANARY))))
    assert (tmp_path / CANARY).exists()
