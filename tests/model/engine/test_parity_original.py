"""What is covered: a converted model computes what DeepSeek's original does, against a restatement of the
original in plain torch, on the same random weights: maximum difference 0.0 in float32.

What is not: real weights, which are not on the test machine; bfloat16, where rounding may differ.
"""

from __future__ import annotations

from dataclasses import dataclass

import pytest
import torch
from transformers import JanusForConditionalGeneration

from janus_med.convert import convert_folder
from janus_med.presets import Preset, find_preset
from tests.model.engine import original_janus

VOCABULARY = 360


@dataclass(frozen=True)
class Pair:
    """The same weights twice: in the original layout, and converted and opened by plain transformers."""

    preset: Preset
    weights: dict[str, torch.Tensor]
    janus: JanusForConditionalGeneration


@pytest.fixture(scope="module")
def pair(tmp_path_factory: pytest.TempPathFactory) -> Pair:
    folder, preset = tmp_path_factory.mktemp("parity"), find_preset("nano")
    weights = original_janus.random_tensors(original_janus.original_shapes(preset, VOCABULARY), seed=4)
    tokenizer = original_janus.look_alike_tokenizer()
    original_janus.write_original_folder(folder / "original", preset, weights, tokenizer)
    convert_folder(folder / "original", folder / "converted")
    janus = JanusForConditionalGeneration.from_pretrained(folder / "converted", local_files_only=True).eval()
    return Pair(preset, weights, janus)


def _pixels(seed: int = 1) -> torch.Tensor:
    return torch.randn(2, 3, 64, 64, generator=torch.Generator().manual_seed(seed)).clamp(-1, 1)


def _difference(ours: torch.Tensor, original: torch.Tensor) -> float:
    assert ours.shape == original.shape
    assert float(original.abs().max()) > 0.1
    return float((ours - original).abs().max())


@torch.no_grad()
def test_image_features_equal_the_original_tower_and_aligner(pair: Pair) -> None:
    ours = pair.janus.model.get_image_features(_pixels()).pooler_output
    assert _difference(ours, original_janus.see(pair.weights, pair.preset, _pixels())) == 0.0


@torch.no_grad()
def test_logits_of_an_image_prompt_equal_the_original(pair: Pair) -> None:
    image_id = pair.janus.config.image_token_id
    ids = torch.randint(0, 300, (2, 40), generator=torch.Generator().manual_seed(2))
    ids[:, 5 : 5 + pair.preset.image_tokens] = image_id
    ours = pair.janus(input_ids=ids, pixel_values=_pixels()).logits
    original = original_janus.answer(pair.weights, pair.preset, ids, _pixels(), image_id)
    assert _difference(ours, original) == 0.0


@torch.no_grad()
def test_drawn_images_equal_the_original(pair: Pair) -> None:
    codes = torch.randint(
        0, pair.preset.vq_codes, (2, pair.preset.image_tokens), generator=torch.Generator().manual_seed(3)
    )
    ours = pair.janus.model.vqmodel.decode(codes)
    assert _difference(ours, original_janus.draw(pair.weights, pair.preset, codes)) == 0.0
    read = pair.janus.prepare_embeddings_for_image_generation(codes)
    assert _difference(read, original_janus.embed_codes(pair.weights, codes)) == 0.0


@torch.no_grad()
def test_scores_of_image_codes_equal_the_original(pair: Pair) -> None:
    hidden = torch.randn(2, 3, pair.preset.text_width, generator=torch.Generator().manual_seed(5))
    ours = pair.janus.model.generation_head(hidden)
    assert _difference(ours, original_janus.choose_codes(pair.weights, hidden)) == 0.0


@torch.no_grad()
@pytest.mark.parametrize(
    "name",
    [
        "vision_model.vision_tower.blocks.1.attn.qkv.weight",
        "aligner.layers.2.bias",
        "language_model.model.layers.1.self_attn.o_proj.weight",
    ],
)
def test_a_changed_original_weight_shows(pair: Pair, name: str) -> None:
    changed = pair.weights | {name: pair.weights[name] * 1.01}
    image_id = pair.janus.config.image_token_id
    ids = torch.tensor([[5, *[image_id] * pair.preset.image_tokens, 7]])
    ours = pair.janus(input_ids=ids, pixel_values=_pixels()[:1]).logits
    assert _difference(ours, original_janus.answer(changed, pair.preset, ids, _pixels()[:1], image_id)) > 0
