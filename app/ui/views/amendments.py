"""A signed report with what was added to it: the corrected text first, below it the chain of signatures."""

from __future__ import annotations

import streamlit as st

from app.domain.amendment import Amendment, AmendmentKind
from app.domain.attestation import Attestation
from app.domain.signed_text import Replaced, SignedText, sections_of
from app.domain.wording import Piece, compare
from app.ui.terms import section_title, term
from app.ui.views.plain import plain
from app.ui.words import say


def show_correction(text: SignedText | None) -> None:
    """Show the text that is in force, where it is not the one that the page shows as signed first."""
    correction = None if text is None else text.correction
    if text is None or correction is None:
        return
    st.warning(
        say(
            "{correction} replaces the text below. Reason: {reason}",
            correction=amendment_title(correction),
            reason=plain(correction.content.reason),
        ),
        icon=":material/published_with_changes:",
    )
    with st.container(border=True):
        for name, said in text.sections.items():
            st.subheader(section_title(name), anchor=False)
            st.text(said)
        st.caption(_signed_by(correction.attestation))


def show_chain(text: SignedText | None) -> None:
    """Show every addendum and correction in order: number, text, who, when, and what a correction changed."""
    if text is None or not text.amendments:
        return
    replaced = {before.by.number: before for before in text.replaced}
    for amendment in text.amendments:
        with st.container(border=True):
            st.subheader(amendment_title(amendment), anchor=False)
            if amendment.kind is AmendmentKind.ADDENDUM:
                st.text(amendment.content.text)
            else:
                _show_changes(amendment, replaced[amendment.number])
            st.caption(_signed_by(amendment.attestation))


def _show_changes(amendment: Amendment, before: Replaced) -> None:
    was = say("Correction {number}", number=before.number) if before.number else say("the original")
    st.markdown(
        say("Replaces {earlier}. Reason: {reason}", earlier=was, reason=plain(amendment.content.reason))
    )
    old, new = sections_of(before.signature), amendment.content.sections or {}
    for name, said in new.items():
        pieces = compare(old.get(name, ""), said)
        st.markdown(f"**{section_title(name)}** " + " ".join(map(_shown, pieces)))


def _shown(piece: Piece) -> str:
    """Return a piece of a comparison as Markdown: red and struck out what went, green what came."""
    parts = []
    if piece.old and piece.old != piece.new:
        parts.append(f":red[~~{plain(piece.old)}~~]")
    if piece.new:
        parts.append(plain(piece.new) if piece.old == piece.new else f":green[**{plain(piece.new)}**]")
    return " ".join(parts)


def _signed_by(by: Attestation) -> str:
    state = "" if by.verifies() else " " + say("THE SIGNATURE DOES NOT VERIFY.")
    return plain(
        f"{by.printed_name} ({by.username}), {by.signed_at:%Y-%m-%d %H:%M} UTC: {term(by.meaning)}.{state}"
    )


def amendment_title(amendment: Amendment) -> str:
    """Return how an amendment is called: ``Addendum 1``."""
    if amendment.kind is AmendmentKind.ADDENDUM:
        return say("Addendum {number}", number=amendment.number)
    return say("Correction {number}", number=amendment.number)
