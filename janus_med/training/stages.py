"""The stages of training: which parameters move, and what one step minimises."""

from __future__ import annotations

from dataclasses import dataclass
from random import Random
from typing import TYPE_CHECKING, Protocol

import numpy as np
import torch
from torch import Tensor, nn

from janus_med.adapters.generation import lora_parameters
from janus_med.encoders import encode_with_gradient
from janus_med.training.losses import perception_loss
from janus_med.training.prefetch import BatchQueue
from janus_med.training.samples import MANY_LESIONS, Batch, Sampler, generator, stack, to_pixels
from janus_med.training.texts import (
    are_questions,
    grammar_turns,
    make_batch,
    question_turns,
    sample_question,
    sample_turn,
)
from janus_med.training.warm_up import PatchPredictor, start_embeddings

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerFast

    from janus_med.model import MedicalJanus
    from janus_med.training.data import ImageStore
    from janus_med.training.recipe import Recipe


@dataclass(frozen=True, eq=False)
class Bench:
    """What every stage works with."""

    model: MedicalJanus
    tokenizer: PreTrainedTokenizerFast
    store: ImageStore
    recipe: Recipe
    seed: int

    def rng(self, stage: str, step: int) -> np.random.Generator:
        """Random numbers of one step."""
        return generator(self.seed, stage, step)

    def words(self, stage: str, step: int) -> Random:
        """Random choices of wording of one step."""
        return Random(f"{self.seed}/{stage}/{step}")  # noqa: S311 - wording, not secrets


class Stage(Protocol):
    """One stage; it is made anew when a run is resumed, so it may depend on seed and model alone."""

    name: str

    def modules(self) -> dict[str, nn.Module | nn.Parameter]:
        """What is trained and checkpointed beside the model, by name."""
        ...

    def loss(self, step: int) -> Tensor:
        """The loss of one step."""
        ...


class WarmUp:
    """Stage 0a: the encoder predicts hidden patches of all films, those of children among them."""

    name = "warm_up"

    def __init__(self, bench: Bench) -> None:
        self._bench = bench
        self._vision = bench.model.janus.model.vision_model
        self._vision.requires_grad_(True)
        self._indices = bench.store.indices(lambda case: case.part == "train")
        torch.manual_seed(bench.seed)
        self._predictor = PatchPredictor(bench.model.preset)

    def start(self) -> None:
        """Give the embeddings their start; only on a fresh run."""
        chosen = self._bench.rng(self.name, -1 + 2**31).choice(self._indices, 64)
        start_embeddings(self._vision, to_pixels(np.stack([self._bench.store.grey(int(i)) for i in chosen])))

    def modules(self) -> dict[str, nn.Module | nn.Parameter]:
        """The encoder and the predictor."""
        return {"vision": self._vision, "predictor": self._predictor}

    def loss(self, step: int) -> Tensor:
        """Mean squared error on hidden patches."""
        rng = self._bench.rng(self.name, step)
        batch = self._bench.recipe.stages[self.name].batch
        grey = np.stack([self._bench.store.grey(int(i)) for i in rng.choice(self._indices, batch)])
        grey = grey ** np.exp(rng.normal(0, 0.2, (batch, 1, 1))).astype(np.float32)
        order = torch.from_numpy(rng.random((batch, self._bench.model.preset.image_tokens))).argsort(dim=1)
        return self._predictor.loss(self._vision, to_pixels(grey), order)


class PerceptionStage:
    """Stage 0b: encoder, cross-modal attention and understanding learn real labels and inserted lesions
    together.
    """

    name = "perception"

    def __init__(self, bench: Bench) -> None:
        self._bench = bench
        self._sampler = Sampler(
            bench.store, "train", bench.model.preset.grid, inserted_share=0.65, lesions=MANY_LESIONS
        )
        steps = bench.recipe.stages[self.name].steps
        self._queue = BatchQueue(self._draw, steps, bench.recipe.workers)
        bench.model.janus.model.vision_model.requires_grad_(True)

    def modules(self) -> dict[str, nn.Module | nn.Parameter]:
        """The encoder and both reading adapters."""
        model = self._bench.model
        vision = model.janus.model.vision_model
        return {"vision": vision, "attention": model.attention, "understanding": model.understanding}

    def loss(self, step: int) -> Tensor:
        """Classification, evidence, pointing and embedding losses of one batch."""
        batch = self._queue.take(step)
        with torch.autocast(batch.pixels.device.type, torch.bfloat16):
            tokens = encode_with_gradient(self._bench.model.janus.model.vision_model, batch.pixels)
        return perception_loss(self._bench.model.understand(tokens.float()), batch.labels, batch.masks)

    def _draw(self, step: int) -> Batch:
        rng = self._bench.rng(self.name, step)
        return stack([self._sampler.draw(rng) for _ in range(self._bench.recipe.stages[self.name].batch)])


@dataclass(frozen=True, eq=False)
class Pool:
    """Samples encoded once by the frozen encoder: tokens (M, N, D), labels (M, 14), masks, and tokens of
    other pictures.
    """

    tokens: Tensor
    labels: Tensor
    masks: Tensor


def encode_pool(bench: Bench, stage: str, count: int, inserted_share: float = 0.6) -> Pool:
    """Draw and encode ``count`` chest films, in steps of 32."""
    sampler = Sampler(bench.store, "train", bench.model.preset.grid, inserted_share)
    tokens, batches = [], []
    for step in range(-(-count // 32)):
        rng = bench.rng(stage, step)
        batch = stack([sampler.draw(rng) for _ in range(32)])
        tokens.append(bench.model.encoder.encode(batch.pixels))
        batches.append(batch)
    return Pool(torch.cat(tokens), *_merge(batches))


def _merge(batches: list[Batch]) -> tuple[Tensor, Tensor]:
    return torch.cat([batch.labels for batch in batches]), torch.cat([batch.masks for batch in batches])


class UnderstandingStage:
    """Stage 1: the encoder is frozen; attention and understanding go on."""

    name = "understanding"

    def __init__(self, bench: Bench) -> None:
        self._bench = bench
        bench.model.encoder.freeze()
        self._pool = encode_pool(bench, self.name, bench.recipe.pool, inserted_share=0.4)

    def modules(self) -> dict[str, nn.Module | nn.Parameter]:
        """Both reading adapters."""
        return {"attention": self._bench.model.attention, "understanding": self._bench.model.understanding}

    def loss(self, step: int) -> Tensor:
        """The losses of stage 0b on encoded tokens."""
        rng, size = self._bench.rng(self.name, 2**20 + step), self._bench.recipe.stages[self.name].batch
        pick = torch.from_numpy(rng.integers(0, len(self._pool.labels), size))
        perception = self._bench.model.understand(self._pool.tokens[pick])
        return perception_loss(perception, self._pool.labels[pick], self._pool.masks[pick])


class LanguageStage:
    """The base language model of a preset that starts from random weights learns the grammar, without an
    image.
    """

    name = "language"

    def __init__(self, bench: Bench) -> None:
        self._bench = bench
        self._janus = bench.model.janus
        bench.model.encoder.freeze()
        self._janus.model.language_model.requires_grad_(True)

    def modules(self) -> dict[str, nn.Module | nn.Parameter]:
        """The language model and its head."""
        return {"language": self._janus.model.language_model, "head": self._janus.lm_head}

    def loss(self, step: int) -> Tensor:
        """Cross-entropy of report or answer given the prompt."""
        draw = question_turns if are_questions(step) else grammar_turns
        turns = draw(self._bench.words(self.name, step), self._bench.recipe.stages[self.name].batch)
        batch = make_batch(self._bench.tokenizer, turns, 0)
        loss: Tensor = self._janus(input_ids=batch.ids, attention_mask=batch.mask, labels=batch.labels).loss
        return loss


class GenerationStage:
    """Stage 2: everything of the base is frozen; LoRA, the aligner and the write-back learn to report what is
    seen.
    """

    name = "generation"

    def __init__(self, bench: Bench) -> None:
        self._bench = bench
        bench.model.encoder.freeze()
        torch.manual_seed(bench.seed + 2)
        bench.model.janus.requires_grad_(False)
        self._adapter = bench.model.add_generation()
        self._pool = encode_pool(bench, self.name, bench.recipe.pool // 4)

    def modules(self) -> dict[str, nn.Module | nn.Parameter]:
        """LoRA matrices, aligner, write-back and its gate."""
        attention = self._bench.model.attention
        lora: dict[str, nn.Module | nn.Parameter] = dict(lora_parameters(self._bench.model.janus))
        return lora | {"aligner": self._adapter, "write": attention.write_back, "gate": attention.gate}

    def loss(self, step: int) -> Tensor:
        """Cross-entropy of report or answer given image tokens and prompt.

        Most prompts are free grammar, which the image often contradicts: the text must follow its prompt.
        """
        model, words = self._bench.model, self._bench.words(self.name, step)
        size = self._bench.recipe.stages[self.name].batch
        rng = self._bench.rng(self.name, 2**20 + step)
        pick = torch.from_numpy(rng.integers(0, len(self._pool.labels), size))
        asks = are_questions(step)
        of_image, of_grammar = (sample_question, question_turns) if asks else (sample_turn, grammar_turns)
        turns = [
            of_image(self._pool.labels[i], self._pool.masks[i], words) for i in pick[: size // 4].tolist()
        ]
        turns += of_grammar(words, size - len(turns))
        batch = make_batch(self._bench.tokenizer, turns, model.preset.image_tokens)
        images = model.image_embeddings(model.attention(self._pool.tokens[pick]))
        output = model.janus(
            input_ids=batch.ids, attention_mask=batch.mask, labels=batch.labels, mm_encoder_outputs=images
        )
        loss: Tensor = output.loss
        return loss
