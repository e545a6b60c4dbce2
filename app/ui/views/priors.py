"""What stands beside the report: the earlier study and what changed, questions, similar studies."""

from __future__ import annotations

from app.domain.identifiers import require_uid
from app.domain.review import Review
from app.ui.components.library import mount
from app.ui.present_context import beside_data
from app.ui.session import Visit
from app.ui.views.frame import go_to


def show_context_panel(visit: Visit, review: Review) -> None:
    """Show the panel; what it opens is another study, in the place of this one."""
    data = beside_data(review, visit.actor, csrf=visit.csrf)
    events = mount("context", data, key="context", triggers=("open",))
    if events["open"]:
        go_to("review", study=require_uid(str(events["open"])))
