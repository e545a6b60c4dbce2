"""What is covered: arms of the ablations have equally many parameters, tasks touch what they should, and the
benches run end to end on generated films.

What is not covered: any figure; they stand in docs/benchmarks.md.
"""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch

from bench import decoupling, self_supervision
from bench.arms import count
from bench.decoupling import Arm
from bench.encoded_films import Encoded
from bench.two_heads import yes_weights
from janus_med.checkpoint import save_model
from janus_med.model import MedicalJanus
from janus_med.reading import FINDINGS

POOL = ("--parts", "1", "--part", "8", "--test", "8")


@pytest.fixture
def encoded(nano: MedicalJanus) -> Encoded:
    """Four films of four tokens."""
    random = torch.Generator().manual_seed(0)
    masks = torch.zeros(4, len(FINDINGS), 2, 2)
    masks[1, 9, 0, 1] = 1.0
    answers = torch.zeros(4, len(FINDINGS), 3)
    answers[1, 9] = torch.tensor([1.0, 1.0, 0.0])
    tokens = torch.randn(4, 4, nano.preset.vision_width, generator=random)
    return Encoded(tokens, masks, answers, ["FINDINGS: The lungs are clear."] * 4)


def test_both_arms_have_equally_many_parameters(nano: MedicalJanus, nano_tokenizer) -> None:
    arms = [Arm(kind, nano, nano_tokenizer, 8, 0) for kind in ("coupled", "decoupled")]
    sizes = [count(list(arm.projections.parameters())) for arm in arms]
    assert sizes[0] == sizes[1] == 4 * 8 * nano.preset.vision_width + 2 * 8
    assert len({count(arm.parameters()) for arm in arms}) == 1


@pytest.mark.parametrize(("kind", "shared"), [("coupled", True), ("decoupled", False)])
def test_report_loss_reaches_the_projection_of_questions_only_when_coupled(
    kind: decoupling.Kind, shared: bool, nano: MedicalJanus, nano_tokenizer, encoded: Encoded
) -> None:
    arm = Arm(kind, nano, nano_tokenizer, 8, 0)
    arm.report_loss(encoded, torch.arange(4)).backward()
    of_questions = arm.to_questions.leave.weight.grad
    assert (of_questions is not None and bool(of_questions.any())) is shared
    of_reports = arm.to_reports.leave.weight.grad
    assert of_reports is not None
    assert bool(of_reports.any())
    arm.question_loss(encoded, torch.arange(4), yes_weights(encoded.answers)).backward()
    assert bool(arm.to_questions.leave.weight.grad.any())


def test_heads_start_alike_in_both_arms(nano: MedicalJanus, nano_tokenizer) -> None:
    one, other = (Arm(kind, nano, nano_tokenizer, 8, 3).questions.state_dict() for kind in decoupling.KINDS)
    assert all(torch.equal(one[name], other[name]) for name in one)


def test_decoupling_runs_end_to_end_and_again_from_what_it_kept(
    film_folder: Path, nano: MedicalJanus, nano_tokenizer, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    nano.add_generation()
    save_model(tmp_path / "model", nano, nano_tokenizer, "nano")
    arguments = [
        "--data",
        str(film_folder),
        "--cache",
        str(tmp_path),
        "--model",
        str(tmp_path / "model"),
        *POOL,
    ]
    schedule = ["--seeds", "0", "1", "--steps", "2", "--questions", "4", "--reports", "2", "--rank", "4"]
    printed = []
    for _ in range(2):
        decoupling.main([*arguments, *schedule])
        out = capsys.readouterr().out
        printed.append(json.loads(out[out.index("{\n") : out.index("\n}\n") + 2])["rows"])
        assert "| report, macro-F1 of facts, all |" in out
    assert json.dumps(printed[0]) == json.dumps(printed[1])
    assert len(printed[0]["questions, AUROC, all"]["by_seed"]) == 2


def test_self_supervision_runs_end_to_end(
    film_folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    arguments = ["--data", str(film_folder), "--cache", str(tmp_path), *POOL, "--preset", "nano"]
    self_supervision.main([*arguments, "--seeds", "0", "--warm-up", "2", "--perception", "2", "--batch", "4"])
    out = capsys.readouterr().out
    rows = json.loads(out[out.index("{\n") : out.index("\n}\n") + 2])["rows"]
    assert set(rows) == {"without", "longer", "start"}
    assert set(rows["longer"]) == {f"macro AUROC, {name}" for name in self_supervision.NAMES.values()}


def test_arms_of_self_supervision_start_from_the_same_weights_and_move_apart() -> None:
    one, other = (self_supervision.build_model(self_supervision.SMALL, 1).encoder.digest() for _ in range(2))
    assert one == other != self_supervision.build_model(self_supervision.SMALL, 2).encoder.digest()
