"""Checks and differences as the JSON of the components."""

from __future__ import annotations

from typing import Any

from app.domain.checks import Check, CheckCode, Severity
from app.domain.difference import Difference
from app.domain.wording import Piece
from app.services.checks import CheckedReport
from app.ui.words import say

JSON = dict[str, Any]
_OF_CRITICAL = frozenset(
    {CheckCode.CRITICAL_NOT_TOLD, CheckCode.CRITICAL_NOT_IN_IMPRESSION, CheckCode.CRITICAL_OF_AI}
)
# these values are words of ours, not of the report
_OUR_WORDS = frozenset({"section", "side", "other"})


def told(check: Check) -> str:
    """Return what a check says, in the reader's language, as a sentence."""
    values = {name: say(value) if name in _OUR_WORDS else value for name, value in check.values.items()}
    text = say(check.template.value, **values)
    return f"{text[:1].upper()}{text[1:]}."


def checks_data(checked: CheckedReport) -> JSON:
    """Return the checks of a report, the stops first; the panel says them."""
    return {
        "version": checked.report.version,
        "checks": [
            {
                "code": check.code.value,
                "stop": check.severity is Severity.STOP,
                "critical": check.code in _OF_CRITICAL,
                "template": check.template.value,
                "values": dict(check.values),
                "ours": sorted(_OUR_WORDS & check.values.keys()),
                "key": check.key,
                "section": check.section,
            }
            for check in checked.checks
        ],
    }


def difference_data(difference: Difference) -> JSON:
    """Return what became of the draft."""
    return {
        "changes": [
            {
                "key": change.key,
                "section": change.section.value,
                "fate": change.fate.value,
                "pieces": _pieces(change.pieces),
            }
            for change in difference.changes
        ],
        "sections": [
            {"section": section.value, "pieces": _pieces(pieces)}
            for section, pieces in difference.sections.items()
        ],
    }


def _pieces(pieces: tuple[Piece, ...]) -> list[list[str]]:
    return [[piece.old, piece.new] for piece in pieces]
