"""The composed model: an unmodified Hugging Face Janus and, beside it, our adapters."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn
from transformers.modeling_outputs import BaseModelOutputWithPooling

from janus_med.adapters.cross_attention import CrossAttention, FindingAttention
from janus_med.adapters.generation import GenerationAdapter, lora_parameters
from janus_med.adapters.text_queries import TextQueries
from janus_med.adapters.understanding import Understanding, UnderstandingAdapter
from janus_med.calibration import Calibration
from janus_med.encoders import JanusVisionEncoder
from janus_med.errors import ModelUnavailable
from janus_med.reading import FINDINGS

if TYPE_CHECKING:
    from transformers import JanusForConditionalGeneration

    from janus_med.modalities.registry import LearnedModality
    from janus_med.presets import Preset


@dataclass(frozen=True, eq=False)
class Perception:
    """Everything known of a batch of studies before a word is written; shapes as in the parts.

    Attributes
    ----------
    tokens, cross, understanding
        Of the one image a study has, or of the image a modality plug-in puts forward.
    change
        (B, K, 5) logits: no verdict, then `CHANGES`; None without an earlier film.
    shares
        (B, K, M) how much each of M images speaks for a finding, sums to 1; None for one image.
    motion
        (B, J) logits of `MOTIONS`; None without a sequence.
    """

    tokens: Tensor
    cross: CrossAttention
    understanding: Understanding
    change: Tensor | None = None
    shares: Tensor | None = None
    motion: Tensor | None = None


class MedicalJanus(nn.Module):
    """Base, encoder, cross-modal attention, understanding and generation adapter, calibration.

    Parameters
    ----------
    janus
        The base, unmodified class.
    preset
        Shapes of the adapters.
    """

    def __init__(self, janus: JanusForConditionalGeneration, preset: Preset) -> None:
        super().__init__()
        self.preset = preset
        self.janus = janus
        self.encoder = JanusVisionEncoder(janus)
        self.attention = FindingAttention(preset.vision_width, len(FINDINGS), preset.query_heads)
        self.understanding = UnderstandingAdapter(
            preset.vision_width, len(FINDINGS), preset.embedding_width, preset.image_tokens
        )
        self.generation: GenerationAdapter | None = None
        self.text_queries: TextQueries | None = None
        self.calibration = Calibration(len(FINDINGS))
        self.modalities = nn.ModuleDict()

    def add_modality(self, modality: LearnedModality) -> nn.Module:
        """Give a plug-in its parameters once; later calls return the same ones."""
        if modality.name not in self.modalities:
            self.modalities[modality.name] = modality.build_adapter(self.preset)
        return self.modalities[modality.name]

    def add_generation(self) -> GenerationAdapter:
        """Inject the generation adapter once; later calls return the same one."""
        if self.generation is None:
            self.generation = GenerationAdapter(self.janus, self.preset.lora_rank)
        return self.generation

    def add_text_queries(self) -> TextQueries:
        """Give the shared attention its text queries once; later calls return the same ones."""
        if self.text_queries is None:
            preset = self.preset
            self.text_queries = TextQueries(
                preset.text_width, preset.vision_width, preset.query_heads, len(FINDINGS), preset.image_tokens
            )
        return self.text_queries

    def locate(self, tokens: Tensor, ids: Tensor, mask: Tensor) -> Tensor:
        """Score the patches of each image for one sentence.

        Parameters
        ----------
        tokens
            (B, N, D) image tokens.
        ids, mask
            (B, L) int64 token ids of the sentences, and bool: which of them are words.

        Returns
        -------
        Tensor
            (B, N) logits.

        Raises
        ------
        ModelUnavailable
            When the model has no text queries.
        """
        if self.text_queries is None:
            raise ModelUnavailable("the model has no text queries; train it with the stage text_queries")
        dtype = self.attention.gate.dtype
        embedded = self.janus.get_input_embeddings()(ids).to(dtype)
        evidence: Tensor = self.text_queries(self.attention, tokens.to(dtype), embedded, mask)
        return evidence

    def perceive(self, pixel_values: Tensor) -> Perception:
        """Encode (B, 3, S, S) pixels with the frozen encoder and let the adapters read them."""
        return self.understand(self.encoder.encode(pixel_values))

    def understand(self, tokens: Tensor) -> Perception:
        """Let the adapters read (B, N, D) tokens in their own precision; bfloat16 loses nothing by it."""
        tokens = tokens.to(self.attention.gate.dtype)
        cross = self.attention(tokens)
        return Perception(tokens, cross, self.understanding(tokens, cross))

    def image_embeddings(self, cross: CrossAttention) -> dict[str, BaseModelOutputWithPooling]:
        """Return what Janus takes as ``mm_encoder_outputs``: tokens after write-back, aligned."""
        align = self.generation.align if self.generation is not None else self.janus.model.aligner
        return {"image": BaseModelOutputWithPooling(pooler_output=align(cross.tokens.to(self.janus.dtype)))}

    def adapter_state(self) -> dict[str, Tensor]:
        """Return every tensor that belongs to us, under the names of ``adapters.safetensors``."""
        parts: dict[str, nn.Module] = {
            "attention": self.attention,
            "understanding": self.understanding,
            "calibration": self.calibration,
        } | {f"modality.{name}": adapter for name, adapter in self.modalities.items()}
        optional = {"generation": self.generation, "text_queries": self.text_queries}
        parts |= {name: module for name, module in optional.items() if module is not None}
        state = {
            f"{part}.{name}": value
            for part, module in parts.items()
            for name, value in module.state_dict().items()
        }
        return state | {f"lora.{name}": parameter.data for name, parameter in lora_parameters(self.janus)}

    def load_adapter_state(self, state: dict[str, Tensor]) -> None:
        """Copy the tensors of `adapter_state` into the modules; ValueError when the set differs.

        A model without text queries gets them when ``state`` holds them.
        """
        if any(name.startswith("text_queries.") for name in state):
            self.add_text_queries()
        own = self.adapter_state()
        if own.keys() != state.keys():
            differing = sorted(own.keys() ^ state.keys())
            raise ValueError(f"adapter tensors differ: {', '.join(differing[:5])}")
        with torch.no_grad():
            for name, tensor in own.items():
                tensor.copy_(state[name])
