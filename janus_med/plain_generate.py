"""The yardstick of our decoding: Hugging Face's own ``generate`` on the same model, plans and images."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import torch
from transformers import GenerationConfig, GenerationMixin, LogitsProcessorList
from transformers.modeling_outputs import BaseModelOutputWithPooling

from janus_med.expert import write_prompt
from janus_med.tokenizer import ForbidComparison, chat_prompt

if TYPE_CHECKING:
    from torch import Tensor
    from transformers import PreTrainedTokenizerFast

    from janus_med.expert import ExpertPlan
    from janus_med.model import MedicalJanus


@torch.no_grad()
def generate_plainly(
    model: MedicalJanus,
    tokenizer: PreTrainedTokenizerFast,
    plan: ExpertPlan,
    image: Tensor,
    limit: int,
    **options: Any,
) -> tuple[tuple[int, ...], Any]:
    """Answer one plan greedily, under the same ban of comparison words.

    Parameters
    ----------
    model, tokenizer
        Of one folder.
    plan
        What the prompt says.
    image
        (N, D) aligned image tokens.
    limit
        Most new tokens.
    options
        Further fields of `GenerationConfig`.

    Returns
    -------
    tuple
        The answer's tokens, the end token included when it came, and all that ``generate`` returned.
    """
    prompt = tokenizer(chat_prompt(write_prompt(plan), model.preset.image_tokens), return_tensors="pt").to(
        model.janus.device
    )
    length = prompt["input_ids"].shape[1]
    # Janus' own generate drops `logits_processor` in text mode (transformers 5.23): ask the mixin below it
    output = GenerationMixin.generate(
        model.janus,
        **prompt,
        mm_encoder_outputs={"image": BaseModelOutputWithPooling(pooler_output=image[None])},
        logits_processor=LogitsProcessorList([] if plan.prior else [ForbidComparison(tokenizer, length)]),
        generation_config=GenerationConfig(
            max_new_tokens=limit,
            do_sample=False,
            return_dict_in_generate=True,
            bos_token_id=tokenizer.bos_token_id,
            eos_token_id=tokenizer.eos_token_id,
            pad_token_id=tokenizer.pad_token_id,
            **options,
        ),
    )
    return tuple(output.sequences[0, length:].tolist()), output
