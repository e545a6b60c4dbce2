"""The model card: what the weights are, what they were made of, how they measure, what they must not be used
for.
"""

from __future__ import annotations

import json
from collections import Counter
from typing import TYPE_CHECKING, Any

from janus_med.checkpoint import Manifest
from janus_med.training.data import LABELLED_SOURCES, OUT_OF_POPULATION
from janus_med.training.lesions import BRUSHES

if TYPE_CHECKING:
    from pathlib import Path

    from janus_med.model import MedicalJanus
    from janus_med.training.data import ImageStore

ATTRIBUTION = {
    "nih_cxr14": (
        "NIH ChestX-ray14 (Wang et al., ChestX-ray8, CVPR 2017; NIH Clinical Center)",
        "unrestricted use with attribution",
    ),
    "nih_cxr14_64px": (
        "NIH ChestX-ray14 in 64 x 64 pixels (Wang et al., CVPR 2017; NIH Clinical Center)",
        "unrestricted use with attribution",
    ),
    "covid_hannover": (
        "COVID-19 image repository, Hannover Medical School (Winther et al. 2020)",
        "CC BY 3.0",
    ),
    "covid_chestxray": ("covid-chestxray-dataset (Cohen et al. 2020), the CC BY images alone", "CC BY"),
    "kermany_paediatric": ("Kermany et al., Cell 2018: paediatric chest radiographs", "CC BY 4.0"),
}

_TEXT = """# {id}

**Not for clinical use.** A demonstration that runs on any computer and a template for training: it shows how
the parts work together. It has no clinical validity, and its figures below say how weak it is.

An unmodified Hugging Face `JanusForConditionalGeneration` (preset `{preset}`, {millions:.1f} M parameters in
use, trained from random weights: no DeepSeek weights are inside) with our adapters beside it: finding queries
that read the image tokens, an understanding adapter, LoRA and an aligner for text.

| file | SHA-256 | bytes |
|---|---|---|
{files}

Weights: Apache-2.0, with the attributions below.

## Data

Only openly licensed films, and no person of the validation split, were used. Films of `calibration` persons
served calibration and nothing else.

| source | licence | train | calibration | validation | used for |
|---|---|---|---|---|---|
{sources}

Labels of ChestX-ray14 are text-mined and noisy; `Infiltration` counts as Lung Opacity, `Mass` and `Nodule` as
Lung Lesion, `Pleural_Thickening` as Pleural Other. Disease was also *inserted* ({brushes}), as attenuation,
into films labelled free of findings. Real devices and fractures in those films are not labelled, so their
absence is a noisy label. Lungs, into which lesions were placed, come from a network fitted to 17 films with
human masks (CC BY 4.0; films of the two COVID sources). A finding with fewer than 20 calibration films of
either kind keeps a fixed probability and is always deferred. Reports are from a grammar
written for this project; no hospital's report was used.

## Training

{training}

Stages: masked patches (all films); encoder, finding queries and understanding together on real labels and
inserted lesions; the same adapters with the encoder frozen;
the language model on the grammar; the frontal check and the text queries on frozen features;
LoRA, aligner and write-back with everything else frozen (SHA-256 of the
frozen part compared before and after); calibration of the float16 weights by Platt scaling, and thresholds by
class-conditional split conformal prediction at an error rate of 0.10, on a mixture of half real and half
inserted films: the probability is that of this mixture, not of any clinic. Before that, the patches of a
finding may count for more, where that orders calibration films better. An undecided finding is raised as
possible where it is likelier than on 98 % of the mixture without it (95 % for Lung Lesion and Pneumothorax).
Pneumonia is always left to the reader: the films with it come from one collection, those without from
others.

## Figures on validation persons

{figures}
## How to read this

* Inserted lesions are drawn by rules. A high figure there says that the model knows the brush; real labels
  say what it knows of disease. The `unseen` brush draws the same disease by another recipe.
* One subset of ChestX-ray14 differs in brightness; `subset alone` says what telling the subsets apart is
  worth.
* No figure here was measured on a clinical population, and no text was judged by a radiologist.

## Limits

Frontal radiographs of adults only. 224 x 224 pixels: small lesions are below what it can see. Side and zone
of a sentence come from the attention map, which is attention and not a measurement. Without an earlier film,
comparison words cannot be written. The scope check was trained on drawn pictures and spoilt chest films; it
is no guarantee. Sex, age and view were not balanced.
"""


def write_card_file(
    folder: Path, manifest: Manifest, model: MedicalJanus, store: ImageStore, figures: str
) -> None:
    """Write ``MODEL_CARD.md`` into a model folder.

    Parameters
    ----------
    folder
        The model folder; the training record ``training.json`` is looked for beside it and inside it.
    manifest
        Of the folder.
    model
        For its size.
    store
        The films of the data folder.
    figures
        The tables, in Markdown.
    """
    text = _TEXT.format(
        id=manifest.id,
        preset=manifest.preset,
        brushes=", ".join(BRUSHES),
        millions=sum(parameter.numel() for parameter in model.parameters()) / 1e6,
        files="\n".join(
            f"| {name} | `{manifest.sha256[name]}` | {manifest.locate(folder, name).stat().st_size:,} |"
            for name in manifest.sha256
        ),
        sources=_sources(store),
        training=_training(folder),
        figures=figures,
    )
    (folder / "MODEL_CARD.md").write_text(text, encoding="utf-8")


def _sources(store: ImageStore) -> str:
    counts = Counter((case.source, case.part) for case in store.cases)
    lines = []
    for source in sorted({case.source for case in store.cases}):
        name, licence = ATTRIBUTION.get(source, (source, "as its owner states"))
        numbers = " | ".join(str(counts[source, part]) for part in ("train", "calibration", "val"))
        lines.append(f"| {name} | {licence} | {numbers} | {_use(source)} |")
    return "\n".join(lines)


def _use(source: str) -> str:
    if source in LABELLED_SOURCES:
        return "all stages"
    if source in OUT_OF_POPULATION:
        return "masked patches alone"
    return "masked patches, scope check; never its diagnosis, which equals its source"


def _training(folder: Path) -> str:
    record = next(
        (path for path in (folder / "training.json", folder.with_name("training.json")) if path.exists()),
        None,
    )
    if record is None:
        return "The record of the training run was not at hand when this card was written."
    content: dict[str, Any] = json.loads(record.read_text(encoding="utf-8"))
    position = content["position"]
    lines = [
        f"`janus-med model train --preset {position['preset']} --seed {position['seed']}`: "
        f"{position['seconds'] / 60:.0f} minutes "
        "on a shared CPU, float32.",
        "",
        "| stage | steps | films a step | peak learning rate | final loss (running mean) |",
        "|---|---|---|---|---|",
    ]
    for name, stage in content["stages"].items():
        if stage["steps"]:
            loss = position["losses"].get(name)
            shown = "-" if loss is None else f"{loss:.3f}"
            lines.append(f"| {name} | {stage['steps']} | {stage['batch']} | {stage['rate']:g} | {shown} |")
    if note := content.get("note"):
        lines += ["", note]
    return "\n".join(lines)
