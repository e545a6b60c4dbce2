"""Which adapters a task goes through; the language model is skipped only where a site has said so."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Task = Literal["understand", "generate", "retrieve", "answer"]

SKIPPED = "low-resource mode: no text for a cleared film"


@dataclass(frozen=True)
class Budget:
    """What a site allows to save.

    Attributes
    ----------
    skip_text_for_normal
        Do not run the language model on a film whose findings are all decided and normal. Off by default: a
        router that skips text can hide a finding.
    """

    skip_text_for_normal: bool = False


@dataclass(frozen=True)
class Route:
    """Which parts run after the encoder; ``reason`` is shown when something was left out."""

    findings: bool
    embedding: bool
    text: bool
    reason: str = ""


ROUTES: dict[Task, Route] = {
    "understand": Route(findings=True, embedding=False, text=False),
    "retrieve": Route(findings=False, embedding=True, text=False),
    "generate": Route(findings=True, embedding=True, text=True),
    "answer": Route(findings=True, embedding=False, text=True),
}
"""What each task runs. A question that is refused runs nothing: it is judged before it is routed."""


def choose_route(task: Task, budget: Budget | None = None, *, cleared: bool = False) -> Route:
    """Choose the parts for a task.

    Parameters
    ----------
    task
        What is asked.
    budget
        What may be saved; nothing when None.
    cleared
        Whether every finding was decided and none is present.
    """
    route = ROUTES[task]
    if task == "generate" and cleared and budget is not None and budget.skip_text_for_normal:
        return Route(
            route.findings,
            route.embedding,
            text=False,
            reason=SKIPPED,
        )
    return route
