"""The signed report as a file to take away."""

from __future__ import annotations

import streamlit as st

from app.domain.review import Review
from app.services.documents import EXPORTABLE
from app.ui.session import Visit
from app.ui.words import say


def offer_signed_pdf(visit: Visit, review: Review) -> None:
    """Offer the PDF of a final report, where the institution has a certificate that signs it."""
    if visit.room.settings.document_signature is None or review.report is None:
        return
    if review.report.state in EXPORTABLE:
        st.link_button(say("Signed PDF"), f"/reports/{review.report.report_id}/signed.pdf")
