"""Folders of a trained speech encoder: safetensors whose digest is checked first, and JSON; no code."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from janus_med.checkpoint import digest_file
from janus_med.errors import ModelUnavailable
from janus_med.modalities.speech import SpeechReader
from janus_med.modalities.speech_ctc import MARKS
from janus_med.modalities.speech_encoder import SpeechEncoder, SpeechShape

if TYPE_CHECKING:
    from pathlib import Path

WEIGHTS, MANIFEST = "speech.safetensors", "speech.json"
FORMAT = 1


def save_reader(folder: Path, reader: SpeechReader, training: dict[str, Any]) -> None:
    """Write a reader into a folder.

    Parameters
    ----------
    folder
        Made when missing; files of the same names are replaced.
    reader
        Its weights are stored as float32.
    training
        Facts about its training, kept in the manifest: seed, steps, synthesiser.
    """
    from dataclasses import asdict

    from safetensors.torch import save_file

    folder.mkdir(parents=True, exist_ok=True)
    state = {name: value.contiguous() for name, value in reader.encoder.state_dict().items()}
    save_file(state, folder / WEIGHTS)
    content = {
        "format": FORMAT,
        "what": "closed vocabulary, trained on synthesised speech alone; not for clinical dictation",
        "sha256": digest_file(folder / WEIGHTS),
        "shape": asdict(reader.encoder.shape),
        "least_confidence": reader.least_confidence,
        "vocabulary": list(reader.vocabulary),
        "training": training,
    }
    (folder / MANIFEST).write_text(json.dumps(content, indent=1) + "\n", encoding="utf-8")


def load_reader(folder: Path) -> SpeechReader:
    """Load a reader.

    Raises
    ------
    ModelUnavailable
        If a file is missing, the digest differs, or the tensors do not fit the manifest.
    """
    from safetensors.torch import load_file

    if not (folder / MANIFEST).is_file() or not (folder / WEIGHTS).is_file():
        raise ModelUnavailable(f"{folder}: no {MANIFEST} or {WEIGHTS}; make them: janus-med model fit-speech")
    try:
        content = json.loads((folder / MANIFEST).read_text(encoding="utf-8"))
        if content["format"] != FORMAT or content["sha256"] != digest_file(folder / WEIGHTS):
            raise ModelUnavailable(f"{folder}: {WEIGHTS} is not the file its manifest names: replace it")
        vocabulary = tuple(str(word) for word in content["vocabulary"])
        encoder = SpeechEncoder(SpeechShape(**content["shape"]), len(MARKS) + len(vocabulary))
        encoder.load_state_dict(load_file(folder / WEIGHTS))
        least = float(content["least_confidence"])
    except (ValueError, KeyError, TypeError, RuntimeError) as error:
        raise ModelUnavailable(f"{folder}: not a speech encoder ({type(error).__name__})") from error
    return SpeechReader(encoder.eval().requires_grad_(False), vocabulary, least)
