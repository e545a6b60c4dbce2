"""What the sections of a report take, on the quality board: seconds and edits by model, without readers."""

from __future__ import annotations

import streamlit as st

from app.domain.section_times import FEWEST_REPORTS, SectionMedians
from app.services import quality
from app.ui.session import Visit
from app.ui.words import say


def show_sections(visit: Visit, days: int | None) -> None:
    """Show medians by model and section; why there is none when nothing was counted."""
    st.subheader(say("Seconds and edits by section"))
    found = quality.section_times(visit.room.store, visit.actor, days=days, now=visit.now)
    if found:
        st.dataframe([_line(one) for one in found], hide_index=True, key="quality_sections")
    else:
        st.write(say("No section was at work in {fewest} reports in this time.", fewest=FEWEST_REPORTS))
    st.caption(
        say(
            "Medians over reports, signed or not, all readers of a report together; seconds with the page in "
            "view and in use. Below {fewest} reports there is no line. No reader is named.",
            fewest=FEWEST_REPORTS,
        )
    )


def _line(one: SectionMedians) -> dict[str, object]:
    return {
        say("Model"): one.model or say("Written without a draft"),
        say("Section"): say(one.section.value.capitalize()),
        say("Reports"): one.reports,
        say("Median s"): round(one.seconds, 1),
        say("Edits, median"): one.edits,
    }
