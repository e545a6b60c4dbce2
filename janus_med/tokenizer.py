"""The presets' own byte-level tokenizer, the chat template of Janus, and the ban on comparison words."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import torch
from transformers import LogitsProcessor

from janus_med.errors import ModelUnavailable

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from pathlib import Path

    from tokenizers import Tokenizer
    from transformers import PreTrainedTokenizerFast

BOS, EOS, PAD = "<｜begin▁of▁sentence｜>", "<｜end▁of▁sentence｜>", "<｜▁pad▁｜>"
IMAGE, IMAGE_START, IMAGE_END = "<image_placeholder>", "<begin_of_image>", "<end_of_image>"
USER, ASSISTANT = "<|User|>", "<|Assistant|>"
SPECIAL = (BOS, EOS, PAD, IMAGE, IMAGE_START, IMAGE_END, USER, ASSISTANT)

STEMS = (
    "unchang",
    "stable",
    "interval",
    "increas",
    "decreas",
    "worse",
    "improv",
    "previous",
    "prior",
    "compar",
    "again",
    "persist",
    "since",
    "resolv",
    "progress",
    "regress",
    "former",
    "earlier",
    "no longer",
    "develop",
    "redemonstrat",
    "enlarging",
    "evol",
    "new",
    "newly",
)
"""Beginnings of words that compare with an earlier film; without one at hand they may not be written."""

WHOLE_WORDS = frozenset({"new", "newly"})

WINDOW = 40
"""Characters at the end of a text in which a forbidden word may have begun."""

COMPARISON = re.compile(
    "(?<![a-z])(?:"
    + "|".join(stem.replace(" ", r"\s+") + ("(?![a-z])" if stem in WHOLE_WORDS else "") for stem in STEMS)
    + ")",
    re.IGNORECASE,
)
"""Finds a comparison in a text."""


def train_tokenizer(texts: Iterable[str], vocab_size: int) -> PreTrainedTokenizerFast:
    """Train a byte-level BPE on our own report grammar.

    Parameters
    ----------
    texts
        Prompts and reports.
    vocab_size
        Upper limit, special tokens included.
    """
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers

    inner = Tokenizer(models.BPE())
    inner.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    inner.decoder = decoders.ByteLevel()
    alphabet = pre_tokenizers.ByteLevel.alphabet()
    trainer = trainers.BpeTrainer(
        vocab_size=vocab_size,
        special_tokens=list(SPECIAL),
        initial_alphabet=sorted(alphabet),
        show_progress=False,
    )
    inner.train_from_iterator(texts, trainer)
    _begin_with_bos(inner)
    return _wrap(tokenizer_object=inner)


def load_tokenizer(path: Path) -> PreTrainedTokenizerFast:
    """Load ``tokenizer.json``, ours or DeepSeek's; nothing else of the folder is read and no code is run.

    The special tokens may have any ids. One that the file lacks is not invented: its id would lie beyond
    the embeddings. A file that leaves the beginning of a sentence to its loader's settings gets it here, so
    that a prompt begins with exactly one.

    Raises
    ------
    ModelUnavailable
        When the file cannot be parsed or lacks a special token of Janus.
    """
    from tokenizers import Tokenizer

    try:
        inner = Tokenizer.from_file(str(path))
    except Exception as error:  # the library raises nothing more special
        raise ModelUnavailable(f"{path}: not a tokenizer") from error
    if lacking := [token for token in SPECIAL[:6] if inner.token_to_id(token) is None]:
        raise ModelUnavailable(f"{path}: lacks {', '.join(lacking)}: not a tokenizer of Janus")
    ids, bos = inner.encode("a").ids, inner.token_to_id(BOS)
    if ids[0] != bos or bos in ids[1:] or ids[-1] == inner.token_to_id(EOS):
        _begin_with_bos(inner)
    return _wrap(tokenizer_object=inner)


def _begin_with_bos(inner: Tokenizer) -> None:
    from tokenizers import processors

    inner.post_processor = processors.TemplateProcessing(
        single=f"{BOS} $A", special_tokens=[(BOS, inner.token_to_id(BOS))]
    )


def _wrap(**source: object) -> PreTrainedTokenizerFast:
    from transformers import PreTrainedTokenizerFast

    return PreTrainedTokenizerFast(
        **source,
        bos_token=BOS,
        eos_token=EOS,
        pad_token=PAD,
        padding_side="left",
        clean_up_tokenization_spaces=False,
        extra_special_tokens={"image_token": IMAGE, "boi_token": IMAGE_START, "eoi_token": IMAGE_END},
    )


def token_ids(tokenizer: PreTrainedTokenizerFast) -> dict[str, int]:
    """Return the ids that `janus_med.presets.build_config` needs."""
    names = {"bos": BOS, "eos": EOS, "pad": PAD, "image": IMAGE}
    ids = {name: int(tokenizer.convert_tokens_to_ids(token)) for name, token in names.items()}
    return ids | {"vocab_size": len(tokenizer)}


def chat_prompt(text: str, image_tokens: int) -> str:
    """Return one user turn with an image, as Janus' processor writes it; BOS is added by the tokenizer."""
    image = IMAGE_START + IMAGE * image_tokens + IMAGE_END
    return f"{USER}: {image}\n{text}\n\n{ASSISTANT}:"


class ForbidComparison(LogitsProcessor):
    """Make every token impossible that would write a word comparing with an earlier film.

    Parameters
    ----------
    tokenizer
        Whose pieces are looked at.
    prompt_length
        Tokens before the answer; they are not judged.

    Notes
    -----
    A piece is judged together with the unfinished word before it, so a forbidden word cannot be assembled
    from harmless pieces. Verdicts are remembered per unfinished word.
    """

    def __init__(self, tokenizer: PreTrainedTokenizerFast, prompt_length: int) -> None:
        self._tokenizer = tokenizer
        self._start = prompt_length
        single = [[index] for index in range(len(tokenizer))]  # 100,000 in DeepSeek's: one call, not so many
        self._pieces = tokenizer.backend_tokenizer.decode_batch(single, skip_special_tokens=False)
        self._special = set(tokenizer.all_special_ids)
        self._verdicts: dict[str, list[int]] = {}

    def __call__(self, input_ids: torch.LongTensor, scores: torch.FloatTensor) -> torch.Tensor:
        """Return the scores with forbidden continuations at minus infinity, (B, V)."""
        allowed = scores.clone()
        for row, ids in enumerate(input_ids):
            allowed[row, self.forbidden_after(ids[self._start :].tolist())] = -torch.inf
        return allowed

    def forbidden_after(self, answer: Sequence[int]) -> list[int]:
        """Return the token ids that may not follow an answer."""
        words = [token for token in answer if token not in self._special]
        # every token that is part of a word has at least one of the characters looked at
        written: str = self._tokenizer.decode(words[-WINDOW:])
        return self._forbidden(_beginning(written))

    def _forbidden(self, beginning: str) -> list[int]:
        if beginning not in self._verdicts:
            self._verdicts[beginning] = [
                index
                for index, piece in enumerate(self._pieces)
                if index not in self._special and COMPARISON.search(beginning + piece)
            ]
        return self._verdicts[beginning]


def _beginning(written: str) -> str:
    """Return the end of the text when it may be the beginning of a forbidden word, else nothing.

    There are few such beginnings, so few verdicts, whatever is written and however large the vocabulary.
    """
    lowered = " ".join(written[-WINDOW:].lower().split()) + (" " if written[-1:].isspace() else "")
    word = re.search(r"[a-z]*$", lowered)
    pair = re.search(r"(?<![a-z])no [a-z]*$", lowered)
    for found in (pair, word):
        if found is not None and found.group() and any(stem.startswith(found.group()) for stem in STEMS):
            return found.group()
    return ""
