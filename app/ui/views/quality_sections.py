"""What the sections of a report take, on the quality board: seconds and edits by model, without readers."""

from __future__ import annotations

import streamlit as st

from app.domain.section_times import FEWEST_READERS, FEWEST_REPORTS, SectionMedians
from app.services import quality
from app.ui.session import Visit
from app.ui.words import say


def show_sections(visit: Visit, days: int | None) -> None:
    """Show medians by model and section, and how many groups are too small; why there is none."""
    st.subheader(say("Seconds and edits by section"))
    found = quality.section_times(visit.room.store, visit.actor, days=days, now=visit.now)
    if found.lines:
        st.dataframe(
            [_line(one) for one in found.lines], hide_index=True, key="quality_sections", width="content"
        )
    elif not found.left_out:
        st.write(say("No section was at work in this time."))
    if found.left_out:
        st.write(
            say(
                "Left out: {count} sections of a model, with fewer than {reports} reports or {readers} "
                "readers, or with one reader in more than half of the reports.",
                count=found.left_out,
                reports=FEWEST_REPORTS,
                readers=FEWEST_READERS,
            )
        )
    st.caption(
        say(
            "Medians over reports, signed or not, all readers of a report together; seconds with the page in "
            "view and in use. No reader is named, and no line is one reader's."
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
