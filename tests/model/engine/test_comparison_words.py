"""What is covered: words that compare with an earlier film cannot be generated while there is none."""

from __future__ import annotations

from random import Random

import pytest
import torch
from transformers import GenerationConfig, GenerationMixin, LogitsProcessor, LogitsProcessorList

from janus_med.expert import ExpertPlan, write_prompt
from janus_med.tokenizer import COMPARISON, ForbidComparison, chat_prompt
from janus_med.training.corpus import random_plan, write_report
from janus_med.writing import write_text

WANTED = [
    "The effusion is unchanged compared with the prior film.",
    "Interval improvement. The lungs are stable since the previous radiograph.",
    "A new nodule. Again seen is a mass. No longer enlarged.",
]


class Prefer(LogitsProcessor):
    """Pulls generation towards one text, token by token, whatever was written so far."""

    def __init__(self, tokens: list[int], start: int) -> None:
        self._tokens, self._start = tokens, start

    def __call__(self, input_ids, scores):
        pulled = scores.clone()
        step = input_ids.shape[1] - self._start
        if step < len(self._tokens):
            pulled[:, self._tokens[step]] += 1e4
        return pulled


def _generate(nano, tokenizer, wanted: str, *, forbid: bool) -> str:
    prompt = tokenizer("Report:", return_tensors="pt")
    start = prompt["input_ids"].shape[1]
    tokens = tokenizer(wanted, add_special_tokens=False).input_ids
    processors = [Prefer(tokens, start), *([ForbidComparison(tokenizer, start)] if forbid else [])]
    with torch.no_grad():
        output = GenerationMixin.generate(
            nano.janus,
            **prompt,
            logits_processor=LogitsProcessorList(processors),
            generation_config=GenerationConfig(max_new_tokens=len(tokens), do_sample=False, pad_token_id=0),
        )
    return tokenizer.decode(output[0, start:], skip_special_tokens=True)


@pytest.mark.covers("U6")
@pytest.mark.parametrize("wanted", WANTED)
def test_a_model_that_wants_to_compare_cannot(nano, nano_tokenizer, wanted: str) -> None:
    assert COMPARISON.search(_generate(nano, nano_tokenizer, wanted, forbid=False))
    assert not COMPARISON.search(_generate(nano, nano_tokenizer, wanted, forbid=True))


def test_random_tokens_never_assemble_a_forbidden_word(nano_tokenizer) -> None:
    start = nano_tokenizer("Report:", return_tensors="pt")["input_ids"]
    forbid = ForbidComparison(nano_tokenizer, start.shape[1])
    generator = torch.Generator().manual_seed(0)
    written = start
    for _ in range(600):
        scores = forbid(written, torch.randn(1, len(nano_tokenizer), generator=generator))
        chosen = torch.multinomial(scores.softmax(-1), 1, generator=generator)
        written = torch.cat([written, chosen], dim=1)
    assert not COMPARISON.search(
        nano_tokenizer.decode(written[0, start.shape[1] :], skip_special_tokens=True)
    )


def test_reports_of_the_grammar_compare_only_with_a_prior() -> None:
    rng = Random(4)
    plans = [random_plan(rng) for _ in range(800)]
    compares = [bool(COMPARISON.search(write_report(plan, rng))) for plan in plans]
    expected = [plan.prior and bool(plan.facts) for plan in plans]
    assert compares == expected
    assert sum(compares) > 20


def test_generate_of_janus_drops_processors_so_the_mixin_is_called(nano, nano_tokenizer, nano_pixels) -> None:
    calls: list[int] = []

    class Count(LogitsProcessor):
        def __call__(self, input_ids, scores):
            calls.append(1)
            return scores

    prompt = nano_tokenizer("Report:", return_tensors="pt")
    nano.janus.generate(**prompt, logits_processor=LogitsProcessorList([Count()]), max_new_tokens=2)
    dropped = len(calls)
    GenerationMixin.generate(
        nano.janus, **prompt, logits_processor=LogitsProcessorList([Count()]), max_new_tokens=2
    )
    assert (dropped, len(calls)) == (0, 2)


def test_prompt_states_whether_a_prior_is_at_hand() -> None:
    assert "Prior: none." in write_prompt(ExpertPlan((), prior=False))
    assert "Prior: available." in write_prompt(ExpertPlan((), prior=True))


def test_endless_text_is_a_model_fault(nano, nano_tokenizer, nano_pixels) -> None:
    from janus_med.errors import ModelFault

    with torch.no_grad():
        nano.add_generation()
        images = nano.image_embeddings(nano.perceive(nano_pixels[:1]).cross)
        nano.janus.lm_head.weight[nano_tokenizer.eos_token_id] = 0.0
        nano.janus.lm_head.weight[nano_tokenizer.eos_token_id, 0] = 0.0
    eos = nano_tokenizer.eos_token_id
    nano.janus.lm_head.register_forward_hook(
        lambda _m, _i, out: out.index_fill(-1, torch.tensor([eos]), -1e9)
    )
    with pytest.raises(ModelFault, match="did not end"):
        write_text(nano, nano_tokenizer, ExpertPlan(()), images)


def test_chat_prompt_has_one_placeholder_per_image_token(nano_tokenizer, nano) -> None:
    ids = nano_tokenizer(chat_prompt("x", 16)).input_ids
    assert ids.count(nano.janus.config.image_token_id) == 16
    assert ids.count(nano_tokenizer.bos_token_id) == 1
