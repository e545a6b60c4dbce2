"""What Hugging Face's `AutoProcessor` needs in a folder, for those who open it without us."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

    from transformers import PreTrainedTokenizerFast

CHAT_TEMPLATE = (
    "{% for message in messages %}"
    "{{ '<|User|>: ' if message['role'] == 'user' else '<|Assistant|>: ' }}"
    "{% for part in message['content'] %}"
    "{{ '<image_placeholder>\n' if part['type'] == 'image' else part['text'] | trim }}"
    "{% endfor %}"
    "{{ '\n\n' if message['role'] == 'user' else eos_token }}"
    "{% endfor %}"
    "{% if add_generation_prompt %}<|Assistant|>:{% endif %}"
)
"""Turns as Janus knows them: an image before its text, two line ends after the user, EOS after the answer."""


def save_processor(
    folder: Path, tokenizer: PreTrainedTokenizerFast, image_size: int, image_tokens: int
) -> None:
    """Write what Hugging Face's `AutoProcessor` needs, with Janus' own normalisation.

    Parameters
    ----------
    folder
        Exists.
    tokenizer
        Goes into ``tokenizer.json`` and ``tokenizer_config.json``.
    image_size
        Side of the square, in pixels.
    image_tokens
        Placeholders an image stands for.
    """
    from transformers import JanusImageProcessorPil, JanusProcessor

    size = {"height": image_size, "width": image_size}
    images = JanusImageProcessorPil(image_mean=[0.5] * 3, image_std=[0.5] * 3, size=size)
    JanusProcessor(
        images, tokenizer, chat_template=CHAT_TEMPLATE, num_image_tokens=image_tokens
    ).save_pretrained(folder)
