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
from app.ui.told import tell
from app.ui.views.frame import show_page
from app.ui.views.plain import plain
from app.ui.words import asked_language, say, speak


def main() -> None:
    """Run one page."""
    speak(asked_language(st.context.headers.get("Accept-Language", "")))
    st.set_page_config(page_title="Janus-Med", layout="wide")
    st.html(f"<style>{read_text('css/page.css')}</style>")
    try:
        show_page(begin_visit())
    except AuthenticationFailed:
        st.warning(say("Your session has ended. Nothing of what you saved is lost."))
        st.link_button(say("Log in again"), "/login?why=ended")
    except NotAuthorised as error:
        st.error(say("You may not do this: {reason}.", reason=plain(tell(error))))
    except NotFound as error:
        st.error(say("This is not here any more: {reason}.", reason=plain(tell(error))))
    except Rejected as error:
        st.error(plain(tell(error)))
    except DatabaseUnavailable:
        st.error(say("The database does not answer. Nothing is lost; try again in a moment."))
        st.button(say("Try again"))
    except AuditBroken as error:
        st.error(
            say(
                "The audit log does not verify: {reason}. Tell the administrator at once.",
                reason=plain(tell(error)),
            )
        )


main()
