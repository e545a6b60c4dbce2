"""A ruling in words, for the command line and the reading room: which rule, why, and what follows."""

from __future__ import annotations

from app.domain.priority import STAT
from app.domain.routing import Routing
from app.domain.rule_names import Value
from app.domain.rules import Answer, Verdict

_LONGEST = 200


def verdict_lines(verdict: Verdict) -> tuple[str, ...]:
    """Return why a rule fired or not: its expression, the values that it read, what of it counts."""
    if verdict.answer is Answer.OTHER_AE:
        return (f"for {', '.join(verdict.rule.for_ae)}",)
    lines = [f"when {' '.join(verdict.rule.when.text.split())}"]
    lines += [f"{name} = {_shown(value)}" for name, value in verdict.read.items()]
    if verdict.problem:
        lines.append(verdict.problem)
    if verdict.answer is Answer.FIRED or verdict.decided:
        decides = ", ".join(verdict.decided) or "nothing that an earlier rule had not decided"
        lines.append(f"decides {decides}")
    return tuple(lines)


def decision_lines(routing: Routing) -> tuple[str, ...]:
    """Return what the rules decide together."""
    lines = [f"excluded: {routing.excluded}" if routing.excluded else "in the worklist"]
    if not routing.draft:
        lines.append(f"no AI draft: {routing.draft_reason}")
    else:
        lines.append(f"drafted by {routing.model or 'the model of the settings'}")
    if routing.priority is None:
        lines.append("priority as ordered")
    else:
        word = "stat" if routing.priority.rank == STAT else "routine"
        lines.append(f"priority {word}: {routing.priority.reason}")
    if routing.destinations is None:
        lines.append("results to every destination, as configured")
    else:
        sent = [f"{name} ({', '.join(kinds) or 'nothing'})" for name, kinds in routing.destinations.items()]
        lines.append(f"results to {', '.join(sent) or 'no destination'}")
    if routing.restrict_to:
        lines.append(f"restricted to {', '.join(routing.restrict_to)}")
    return tuple(lines)


def _shown(value: Value) -> str:
    """Return a value as it would be written in a rule; absent ones are named."""
    if value is None or value in ("", ()):
        return "(absent)"
    text = repr(value)
    return text if len(text) <= _LONGEST else f"{text[:_LONGEST]}..."
