"""Drafts from given facts: what the text path writes when the understanding side is always right.

There is no image beside these reports, so every image token is a vector of zeros: the model sees nothing,
and can only write what the plan says. A fixed film would not do: the text path was trained on plans that
fit their image, and writes findings of that film into every report.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import torch

from janus_med.errors import ModelFault
from janus_med.expert import SIDED, ExpertFact, ExpertPlan, order_findings
from janus_med.planning import DENIED_FIRST, MOST_DENIALS, MOST_FACTS
from janus_med.reading import FINDINGS, FindingReading
from janus_med.writing import Writer, read_sentences

if TYPE_CHECKING:
    from collections.abc import Mapping

    from janus_med.engine import JanusMed
    from janus_med.facts import Fact


def plan_from_facts(facts: Mapping[str, Fact]) -> ExpertPlan:
    """Plan a text from facts, under the limits of `janus_med.planning`.

    Parameters
    ----------
    facts
        As `janus_med.facts.label_report`: stated facts are certain, raised ones are not, denied ones may be
        denied.

    Returns
    -------
    ExpertPlan
        Without a prior. Past the limits stated facts are kept before raised ones, each in the order of the
        fourteen, and denials in the order of `DENIED_FIRST`.
    """
    spoken = {
        name: fact for name, fact in facts.items() if name != "No Finding" and fact.polarity != "negative"
    }
    ranked = sorted(spoken, key=lambda name: (spoken[name].polarity != "positive", FINDINGS.index(name)))
    kept = tuple(_expert_fact(name, spoken[name]) for name in order_findings(ranked[:MOST_FACTS]))
    absent = [name for name, fact in facts.items() if fact.polarity == "negative"]
    denied = sorted(absent, key=lambda name: (_rank(name), FINDINGS.index(name)))[:MOST_DENIALS]
    return ExpertPlan(kept, order_findings(denied), normal="No Finding" in facts)


def _expert_fact(name: str, fact: Fact) -> ExpertFact:
    side = (fact.side or "") if name in SIDED else ""
    count = "multiple" if name == "Lung Lesion" and side == "bilateral" else ""
    return ExpertFact(name, fact.polarity == "positive", side, "", count)  # type: ignore[arg-type]


def _rank(name: str) -> int:
    return DENIED_FIRST.index(name) if name in DENIED_FIRST else len(DENIED_FIRST)


_UNSEEN = tuple(FindingReading(name, 0.5, "defer", np.zeros((1, 1), dtype=np.float32)) for name in FINDINGS)
"""No film was read: the sentences' confidences, which rest on these, are not used."""


class TextPath:
    """The language side of a loaded model, on its own.

    Parameters
    ----------
    engine
        Whose model and tokenizer write.
    """

    def __init__(self, engine: JanusMed) -> None:
        self._writer = Writer(engine.model, engine.tokenizer)
        size = engine.info.image_size
        with torch.no_grad():
            pixels = torch.zeros(1, 3, size, size, device=engine.model.janus.device)
            tokens = engine.model.image_embeddings(engine.model.perceive(pixels).cross)["image"].pooler_output
        self._images = torch.zeros_like(tokens)  # (1, N, D)

    def write(self, plan: ExpertPlan) -> tuple[str, str]:
        """Write a plan.

        Returns
        -------
        tuple of str
            Findings and impression; both empty when the model's text is faulty.
        """
        written = self._writer.write([plan], self._images)[0]
        if isinstance(written, ModelFault):
            return "", ""
        try:
            sentences = read_sentences(written, _UNSEEN)
        except ModelFault:
            return "", ""
        parts = {
            section: " ".join(sentence.text for sentence in sentences if sentence.section == section)
            for section in ("findings", "impression")
        }
        return parts["findings"], parts["impression"]
