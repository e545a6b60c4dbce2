"""The script that Streamlit runs for each page and click: who is there, what they may see, the view."""

from __future__ import annotations

import streamlit as st

from app.domain.errors import (
    AuditBroken,
    AuthenticationFailed,
    DatabaseUnavailable,
    NotAuthorised,
    NotFound,
    Rejected,
)
from app.ui.components.files import read_text
from app.ui.session import begin_visit
from app.ui.views.frame import show_page
from app.ui.views.plain import plain


def main() -> None:
    """Run one page."""
    st.set_page_config(page_title="Janus-Med", layout="wide")
    st.html(f"<style>{read_text('css/page.css')}</style>")
    try:
        show_page(begin_visit())
    except AuthenticationFailed:
        st.warning("Your session has ended. Nothing of what you saved is lost.")
        st.link_button("Log in again", "/login?why=ended")
    except NotAuthorised as error:
        st.error(f"You may not do this: {plain(str(error))}.")
    except NotFound as error:
        st.error(f"This is not here any more: {plain(str(error))}.")
    except Rejected as error:
        st.error(plain(str(error)))
    except DatabaseUnavailable:
        st.error("The database does not answer. Nothing is lost; try again in a moment.")
        st.button("Try again")
    except AuditBroken as error:
        st.error(f"The audit log does not verify: {plain(str(error))}. Tell the administrator at once.")


main()
