"""Generation adapter: LoRA on the language model and an aligner of its own; the base stays untouched in its
own file.
"""

from __future__ import annotations

import copy
from typing import TYPE_CHECKING

from peft import LoraConfig, inject_adapter_in_model
from torch import Tensor, nn

if TYPE_CHECKING:
    from collections.abc import Iterator

    from transformers import JanusForConditionalGeneration

TARGETS = r".*\.self_attn\.(q_proj|v_proj|o_proj)"


class GenerationAdapter(nn.Module):
    """Inject LoRA into the language model of ``janus`` and copy its aligner.

    Parameters
    ----------
    janus
        The base; afterwards its attention projections are wrapped, with a LoRA product of exactly 0 at the
        start.
    rank
        Of the LoRA matrices.

    Notes
    -----
    The vision encoder has projections of the same names, so LoRA is injected into ``language_model`` alone.
    """

    def __init__(self, janus: JanusForConditionalGeneration, rank: int) -> None:
        super().__init__()
        self.aligner: nn.Module = copy.deepcopy(janus.model.aligner)
        config = LoraConfig(r=rank, lora_alpha=2 * rank, target_modules=TARGETS, lora_dropout=0.0)
        inject_adapter_in_model(config, janus.model.language_model)
        for name, parameter in janus.model.language_model.named_parameters():
            parameter.requires_grad = "lora_" in name
        self.aligner.requires_grad_(True)

    def align(self, tokens: Tensor) -> Tensor:
        """Project (B, N, D) image tokens into the language model's space."""
        aligned: Tensor = self.aligner(tokens)
        return aligned


def lora_parameters(janus: JanusForConditionalGeneration) -> Iterator[tuple[str, nn.Parameter]]:
    """Yield the LoRA matrices inside the language model, by name."""
    for name, parameter in janus.model.language_model.named_parameters():
        if "lora_" in name:
            yield name, parameter


def base_tensors(janus: JanusForConditionalGeneration) -> dict[str, Tensor]:
    """Return the state of the base model under the names of plain Hugging Face, LoRA left out."""
    return {
        name.replace(".base_layer.", "."): tensor
        for name, tensor in janus.state_dict().items()
        if "lora_" not in name
    }
