"""Compression of a model folder: structured pruning, recovery, int8; the result is a model folder like any.

A pruned folder is opened by plain Hugging Face too; an int8 one by `janus_med` alone, which its manifest says
(format 2), so that nothing takes the integers for weights.
"""

from __future__ import annotations

import json
import tempfile
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch

from janus_med.checkpoint import (
    ADAPTERS,
    INT8_FORMAT,
    MANIFEST,
    WEIGHTS,
    Manifest,
    digest_file,
    load_model,
    save_model,
    verify_folder,
)
from janus_med.compress_importance import measure_importance
from janus_med.compress_int8 import holds_int8, save_int8
from janus_med.compress_prune import plan_pruning, prune_adapters, prune_base, prune_config
from janus_med.compress_recover import Lesson, recover
from janus_med.errors import Fatal
from janus_med.model import MedicalJanus
from janus_med.training.data import ImageStore, read_cases
from janus_med.training.samples import Sampler, generator, to_pixels

if TYPE_CHECKING:
    from collections.abc import Callable

    from torch import Tensor
    from transformers import JanusConfig, PreTrainedTokenizerFast

MANIFEST_OF_FILMS = "manifest.csv"
SAMPLES = 64
"""Images drawn from the films to measure importance on."""

STEP = 16
"""Films of one batch when importance is measured."""


@dataclass(frozen=True)
class Compression:
    """What is done to a folder.

    Attributes
    ----------
    int8
        Store weights as int8, one scale an output channel.
    prune
        Share of the weights in the layers of either tower that goes; 0 for none.
    vision_layers, text_layers
        Layers of either tower that stay when it is pruned; None for all.
    recover_steps
        Steps of recovery after pruning.
    films
        Most films of the data folder that pruning and recovery look at.
    seed
        Decides the films drawn and the reports.
    """

    int8: bool = False
    prune: float = 0.0
    vision_layers: int | None = None
    text_layers: int | None = None
    recover_steps: int = 0
    films: int = 256
    seed: int = 0


def compress_folder(
    source: Path,
    out: Path,
    options: Compression,
    data: Path | None = None,
    progress: Callable[[int, int, float], None] | None = None,
) -> dict[str, Any]:
    """Write a compressed copy of a model folder.

    Parameters
    ----------
    source
        A model folder that is not int8 yet; it is only read.
    out
        The new folder; must not exist or be empty.
    options
        What to do.
    data
        Folder with ``manifest.csv`` and films: needed for pruning, whose criterion is measured on films.
    progress
        Of the recovery: (step, steps, loss).

    Returns
    -------
    dict
        ``bytes`` of the weights before and after, their ``ratio``, and the ``compression`` of the manifest.

    Raises
    ------
    Fatal
        When nothing is asked for, ``out`` holds files, or the source or the data does not serve.
    """
    _check(source, out, options, data)
    manifest = verify_folder(source)
    whole, tokenizer = load_model(source, manifest)
    base = _read_base(source, manifest)
    if options.prune:
        sampler = Sampler(_open_films(data, whole, options), "train", whole.preset.grid)
        small = _pruned(base, whole, tokenizer, sampler, options)
        if options.recover_steps:
            recover(Lesson(whole, small, tokenizer, sampler, options.recover_steps, options.seed), progress)
    else:
        small = _compose(base, whole.janus.config, whole.adapter_state(), whole)
    save_model(out, small, tokenizer, _identity(manifest.id, options))
    before = (source / WEIGHTS).stat().st_size
    return _finish(out, options, manifest.sha256[WEIGHTS], before)


def _check(source: Path, out: Path, options: Compression, data: Path | None) -> None:
    if not options.int8 and not options.prune:
        raise Fatal("nothing to do: ask for int8, for pruning, or for both")
    if not 0 <= options.prune < 1:
        raise Fatal(f"the share to prune must lie in [0, 1), {options.prune} given")
    if options.prune and (data is None or not (data / MANIFEST_OF_FILMS).is_file()):
        raise Fatal(f"pruning is measured on films: give a data folder with {MANIFEST_OF_FILMS}")
    layers = (options.vision_layers, options.text_layers)
    if (options.recover_steps or layers != (None, None)) and not options.prune:
        raise Fatal("without pruning there is no layer to leave out and nothing to recover")
    if out.exists() and any(out.iterdir()):
        raise Fatal(f"{out} is not empty: choose another folder")
    if (source / WEIGHTS).is_file() and holds_int8(source / WEIGHTS):
        raise Fatal(f"{source} is int8 already: compress the folder it came from")


def _read_base(source: Path, manifest: Manifest) -> dict[str, Tensor]:
    """Return all base tensors of a folder as float32, those that draw images included."""
    from safetensors.torch import load_file

    files = [load_file(source / manifest.base / name) for name in manifest.weights]
    return {name: tensor.float() for file in files for name, tensor in file.items()}


def _compose(
    base: dict[str, Tensor], config: JanusConfig, adapters: dict[str, Tensor], whole: MedicalJanus
) -> MedicalJanus:
    from transformers import JanusForConditionalGeneration

    janus = JanusForConditionalGeneration(config)
    janus.load_state_dict(base, strict=True)
    model = MedicalJanus(janus.eval(), whole.preset)
    model.add_generation()
    model.load_adapter_state(adapters)
    return model.requires_grad_(False).eval()


def _pruned(
    base: dict[str, Tensor],
    whole: MedicalJanus,
    tokenizer: PreTrainedTokenizerFast,
    sampler: Sampler,
    options: Compression,
) -> MedicalJanus:
    rng = generator(options.seed, "prune", 0)
    samples = [sampler.draw(rng).grey for _ in range(min(options.films, SAMPLES))]
    batches = [
        torch.stack([to_pixels(grey) for grey in samples[start : start + STEP]])
        for start in range(0, len(samples), STEP)
    ]
    importance = measure_importance(whole, tokenizer, batches, options.seed)
    config = whole.janus.config
    try:
        plan = plan_pruning(config, importance, options.prune, options.vision_layers, options.text_layers)
    except ValueError as error:
        raise Fatal(str(error)) from error
    return _compose(
        prune_base(base, plan), prune_config(config, plan), prune_adapters(whole.adapter_state(), plan), whole
    )


def _open_films(data: Path | None, whole: MedicalJanus, options: Compression) -> ImageStore:
    """Load films evenly from those labelled, of training persons."""
    cases = [case for case in read_cases(data or Path()) if case.part == "train" and case.labelled]
    if not any(case.normal for case in cases):
        raise Fatal(f"{data}: no training film labelled No Finding")
    normal = [case for case in cases if case.normal]
    other = [case for case in cases if not case.normal]
    half = options.films // 2
    chosen = _evenly(normal, options.films - min(half, len(other))) + _evenly(other, half)
    with tempfile.TemporaryDirectory() as cache:
        return ImageStore(chosen, whole.preset.image_size, Path(cache))


def _evenly(cases: list[Any], count: int) -> list[Any]:
    stride = max(1, -(-len(cases) // max(1, count)))
    return cases[::stride]


def _identity(name: str, options: Compression) -> str:
    pruned = f"-pruned{round(100 * options.prune)}" if options.prune else ""
    return f"{name}{pruned}{'-int8' if options.int8 else ''}"


def _finish(out: Path, options: Compression, source_sha256: str, before: int) -> dict[str, Any]:
    """Turn the weights into int8 where asked, and say in the manifest what was done."""
    from safetensors.torch import load_file

    if options.int8:
        save_int8(load_file(out / WEIGHTS), out / WEIGHTS)
    content = json.loads((out / MANIFEST).read_text(encoding="utf-8"))
    after = (out / WEIGHTS).stat().st_size
    content["files"][WEIGHTS] = {"sha256": digest_file(out / WEIGHTS), "bytes": after}
    if options.int8:
        content["format"] = INT8_FORMAT
    content["compression"] = asdict(options) | {"source_sha256": source_sha256}
    (out / MANIFEST).write_text(json.dumps(content, indent=2) + "\n", encoding="utf-8")
    (out / "MODEL_CARD.md").write_text(_card(content), encoding="utf-8")
    return {
        "id": content["id"],
        "bytes": {"before": before, "after": after},
        "ratio": round(after / before, 4),
        "adapter_bytes": (out / ADAPTERS).stat().st_size,
        "compression": content["compression"],
    }


def _card(content: dict[str, Any]) -> str:
    options = content["compression"]
    return (
        f"# {content['id']}\n\nA compressed copy of the model whose weights have SHA-256 "
        f"`{options['source_sha256']}`.\n\n* pruned share of the layers: {options['prune']}\n"
        f"* vision layers kept: {options['vision_layers'] or 'all'}\n"
        f"* language layers kept: {options['text_layers'] or 'all'}\n"
        f"* recovery steps: {options['recover_steps']}\n* int8 weights: "
        f"{'yes' if options['int8'] else 'no'}\n\n"
        "The thresholds of its decisions were fitted on the uncompressed model. How far it agrees with that "
        "model is measured by `python -m bench.compress`; what holds of the source holds here no further "
        "than that.\n"
    )
