"""Greedy decoding of one or several reports over a static cache: the tokens of Hugging Face's ``generate``,
sooner.

The same code runs on the CPU and on CUDA. There the step is compiled into a graph that is replayed for each
token; where no compiler is found it runs as it stands.
"""

from __future__ import annotations

import warnings
from contextlib import contextmanager
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from janus_med.capture import image_rows
from janus_med.text_answers import Answer, Answers
from janus_med.text_cache import TextCache, make_cache
from janus_med.text_forward import Place, run_layers
from janus_med.text_weights import merge_text_weights

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from janus_med.model import MedicalJanus
    from janus_med.text_answers import Prompt

SLOT_STEP = 128
"""Slots of a compiled step are rounded up to this, so that few lengths are compiled."""


ONE_THREAD_BELOW = 2**24
"""Weights in the decoder layers; below, one step of one thread takes about a millisecond."""


class TextDecoder:
    """The merged language model of one composed model, ready to answer.

    Parameters
    ----------
    model
        Frozen; a later change of its weights is not seen.
    dtype
        None for bfloat16 on CUDA and float32 elsewhere.
    compiled
        Whether the step of one token is compiled; None for CUDA alone. On a CPU compiling takes about half a
        minute before the first token.
    """

    def __init__(
        self, model: MedicalJanus, *, dtype: torch.dtype | None = None, compiled: bool | None = None
    ) -> None:
        janus = model.janus
        cuda = janus.device.type == "cuda"
        chosen = dtype or (torch.bfloat16 if cuda else torch.float32)
        self._weights = merge_text_weights(janus, chosen)
        self._embed = janus.model.language_model.embed_tokens
        self._head = janus.lm_head
        self._image_token: int = janus.config.image_token_id
        self._pad: int = janus.config.text_config.pad_token_id or 0
        self._compiled = cuda if compiled is None else compiled
        self._caches: dict[tuple[int, int], TextCache] = {}
        self._step: Callable[[TextCache, Tensor, Place], Tensor] = self._advance
        if self._compiled:
            self._step = torch.compile(
                self._advance, dynamic=False, mode="reduce-overhead" if cuda else "default"
            )

    @property
    def is_compiled(self) -> bool:
        """Whether the step still runs compiled; False after a fallback."""
        return self._compiled

    @property
    def step_bytes(self) -> int:
        """Bytes of weights that one step must read: the layers and the vocabulary's."""
        head: int = self._head.weight.numel() * self._head.weight.element_size()
        return self._weights.numel() * self._weights.norm.element_size() + head

    @torch.inference_mode()
    def decode(
        self, prompts: Sequence[Prompt], end: int, limit: int, *, capture: bool = False
    ) -> list[Answer]:
        """Continue every prompt greedily.

        Parameters
        ----------
        prompts
            One row each; shorter ones are padded on the left and answer as they would alone.
        end
            The token that ends an answer.
        limit
            Most tokens of an answer.
        capture
            Whether to return the attention to the image.

        Returns
        -------
        list of Answer
            In the order of the prompts.

        Raises
        ------
        ValueError
            When a prompt has another number of placeholders than image tokens.
        """
        if not prompts:
            return []
        length = max(len(prompt.ids) for prompt in prompts)
        cache = self._find_cache(len(prompts), length + limit)
        ids, mask = self._pad_left([prompt.ids for prompt in prompts], length)
        logits = self._prefill(cache, ids, mask, prompts)
        written = Answers(prompts, end)
        positions = mask.sum(1, keepdim=True)  # (B, 1)
        with self._threads():
            for step in range(limit):
                chosen = written.choose(logits)
                if written.all_ended or step + 1 == limit:
                    break
                place = self._next_place(cache, length + step, positions + step)
                logits = self._advance_safely(cache, chosen[:, None], place)
        attention = self._attention(cache, ids, length, written) if capture else [None] * len(prompts)
        return [
            Answer(tuple(tokens), tuple(probabilities), rows)
            for tokens, probabilities, rows in zip(
                written.tokens, written.probabilities, attention, strict=True
            )
        ]

    @contextmanager
    def _threads(self) -> Iterator[None]:
        """Take one CPU thread for a small model: its products end sooner than threads meet."""
        before = torch.get_num_threads()
        small = self._device.type == "cpu" and self._weights.numel() < ONE_THREAD_BELOW
        if small:
            torch.set_num_threads(1)
        try:
            yield
        finally:
            if small:
                torch.set_num_threads(before)

    def _find_cache(self, rows: int, slots: int) -> TextCache:
        if not self._compiled:
            return make_cache(self._weights, rows, slots)
        key = (rows, -(-slots // SLOT_STEP) * SLOT_STEP)
        if key not in self._caches:
            self._caches[key] = cache = make_cache(self._weights, *key)
            for tensor in (cache.keys, cache.values, cache.queries, cache.seen):
                torch._dynamo.mark_static_address(tensor)  # a CUDA graph reads and writes it in place
        self._caches[key].clear()
        return self._caches[key]

    def _pad_left(self, rows: Sequence[Sequence[int]], length: int) -> tuple[Tensor, Tensor]:
        ids = torch.full((len(rows), length), self._pad)
        mask = torch.zeros((len(rows), length), dtype=torch.bool)
        for index, row in enumerate(rows):
            ids[index, length - len(row) :] = torch.tensor(row)
            mask[index, length - len(row) :] = True
        return ids.to(self._device), mask.to(self._device)

    @property
    def _device(self) -> torch.device:
        return self._weights.norm.device

    def _prefill(self, cache: TextCache, ids: Tensor, mask: Tensor, prompts: Sequence[Prompt]) -> Tensor:
        """Run the prompts, return the (B, V) logits of their first answer token."""
        hidden = self._embed(ids).to(self._weights.dtype)  # (B, L, D)
        for row, prompt in enumerate(prompts):
            self._insert_image(hidden[row], ids[row] == self._image_token, prompt.image)
        length = ids.shape[1]
        cache.seen[:, 0, 0, :length] = mask
        slots = torch.arange(length, device=self._device)
        positions = (mask.cumsum(1) - 1).clamp(min=0)
        place = Place(slots, positions, length, _causal(mask) if not bool(mask.all()) else None)
        return self._judge(run_layers(self._weights, cache, hidden, place))

    def _insert_image(self, hidden: Tensor, places: Tensor, image: Tensor | None) -> None:
        count = 0 if image is None else len(image)
        if int(places.sum()) != count:
            raise ValueError(f"{int(places.sum())} image placeholders in a prompt with {count} image tokens")
        if image is not None:
            hidden[places] = image.to(hidden)

    def _next_place(self, cache: TextCache, slot: int, positions: Tensor) -> Place:
        cache.seen[..., slot] = True
        slots = torch.tensor([slot], device=self._device)
        if self._compiled:  # one shape for every step
            return Place(slots, positions, cache.keys.shape[3], cache.seen)
        alone = cache.seen.shape[0] == 1
        return Place(slots, positions, slot + 1, None if alone else cache.seen[..., : slot + 1])

    def _advance(self, cache: TextCache, tokens: Tensor, place: Place) -> Tensor:
        hidden = self._embed(tokens).to(self._weights.dtype)
        return self._judge(run_layers(self._weights, cache, hidden, place))

    def _judge(self, state: Tensor) -> Tensor:
        logits: Tensor = self._head(state.to(self._head.weight.dtype))
        return logits.float()

    def _advance_safely(self, cache: TextCache, tokens: Tensor, place: Place) -> Tensor:
        try:
            return self._step(cache, tokens, place)
        except RuntimeError as error:
            if self._step == self._advance:
                raise
            warnings.warn(f"decoding goes on without a compiled step: {type(error).__name__}", stacklevel=2)
            self._step, self._compiled = self._advance, False
            return self._advance(cache, tokens, place)

    def _attention(self, cache: TextCache, ids: Tensor, length: int, written: Answers) -> list[Tensor | None]:
        return [
            image_rows(
                cache.queries[:, row, :, length - 1 : length - 1 + len(tokens)],
                cache.keys[:, row, :, : length - 1 + len(tokens)],
                cache.seen[row, 0, 0, : length - 1 + len(tokens)],
                torch.nonzero(ids[row] == self._image_token)[:, 0],
                self._weights.scaling,
            )
            if prompt.image is not None
            else None
            for row, (prompt, tokens) in enumerate(zip(written.prompts, written.tokens, strict=True))
        ]


def _causal(mask: Tensor) -> Tensor:
    """Return the (B, 1, L, L) view of left-padded prompts; a padding token sees itself, so that no row is
    empty.
    """
    length = mask.shape[1]
    order = torch.ones(length, length, dtype=torch.bool, device=mask.device).tril()
    own = torch.eye(length, dtype=torch.bool, device=mask.device)
    return ((order & mask[:, None, :]) | own).unsqueeze(1)
