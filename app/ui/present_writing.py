"""What the editor is told of templates and macros, and of how one can dictate here."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from app.domain.macro import Macro
from app.domain.template import ReportTemplate
from app.services import macros, templates
from app.ui.session import Visit

JSON = dict[str, Any]


def writing_data(visit: Visit, *, may_edit: bool) -> JSON:
    """Return the aids of a reader who may write; for everybody else there are none."""
    settings = visit.room.settings
    if not may_edit:
        return {"templates": [], "macros": [], "dictation": "off"}
    usable = templates.usable_templates(visit.room.store, visit.actor, now=visit.now)
    own = macros.macros_of(visit.room.store, visit.actor, now=visit.now)
    return {
        "templates": [_template_data(template) for template in usable],
        "macros": macros_data(own),
        "dictation": settings.dictation,
    }


def macros_data(known: Iterable[Macro]) -> list[JSON]:
    """Return macros for the editor."""
    return [{"name": macro.name, "text": macro.text, "own": macro.is_own} for macro in known]


def _template_data(template: ReportTemplate) -> JSON:
    content = template.content
    return {
        "number": template.template_id,
        "name": content.name,
        "language": content.language,
        "modality": content.modality,
        "bodyPart": content.body_part,
    }
