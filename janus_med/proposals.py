"""Answers that the language model proposes to one question, the most probable first."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from transformers import GenerationConfig, GenerationMixin, LogitsProcessorList
from transformers.modeling_outputs import BaseModelOutputWithPooling

from janus_med.tokenizer import ForbidComparison, chat_prompt

if TYPE_CHECKING:
    from collections.abc import Iterator

    from transformers import PreTrainedTokenizerFast

    from janus_med.model import MedicalJanus

MAX_ANSWER_TOKENS = 96
BEAMS = 4


@torch.no_grad()
def propose_texts(
    model: MedicalJanus,
    tokenizer: PreTrainedTokenizerFast,
    asked: str,
    images: dict[str, BaseModelOutputWithPooling],
) -> Iterator[str]:
    """Propose answers to one turn: the greedy one, then, when it is refused, those of a beam search.

    Parameters
    ----------
    model, tokenizer
        Of one folder.
    asked
        The text of the user's turn; comparison words are impossible in what is written.
    images
        ``mm_encoder_outputs`` of one image.

    Yields
    ------
    str
        Finished texts, the most probable first.
    """
    prompt = tokenizer(chat_prompt(asked, model.preset.image_tokens), return_tensors="pt").to(
        model.janus.device
    )
    length = prompt["input_ids"].shape[1]
    for beams in (1, BEAMS):
        # generate repeats the prompt for each beam, but not what stands for the image
        repeated = {name: _repeat(output, beams) for name, output in images.items()}
        settings = _generation_config(tokenizer, beams)
        output = GenerationMixin.generate(
            model.janus,
            **prompt,
            mm_encoder_outputs=repeated,
            logits_processor=LogitsProcessorList([ForbidComparison(tokenizer, length)]),
            generation_config=settings,
        )
        for row in output.sequences[:, length:]:
            if tokenizer.eos_token_id in row.tolist():
                yield tokenizer.decode(row, skip_special_tokens=True).strip()


def _repeat(output: BaseModelOutputWithPooling, times: int) -> BaseModelOutputWithPooling:
    return BaseModelOutputWithPooling(pooler_output=output.pooler_output.repeat_interleave(times, dim=0))


def _generation_config(tokenizer: PreTrainedTokenizerFast, beams: int) -> GenerationConfig:
    return GenerationConfig(
        max_new_tokens=MAX_ANSWER_TOKENS,
        do_sample=False,
        num_beams=beams,
        num_return_sequences=beams,
        return_dict_in_generate=True,
        bos_token_id=tokenizer.bos_token_id,
        eos_token_id=tokenizer.eos_token_id,
        pad_token_id=tokenizer.pad_token_id,
    )
