"""`/`: the page that Streamlit starts from, dark from its first frame and in the reader's language."""

from __future__ import annotations

from functools import cache
from html import escape
from pathlib import Path

import streamlit
from starlette.requests import Request
from starlette.responses import HTMLResponse, Response
from starlette.routing import Route

from app.ui.components.files import read_text
from app.ui.words import asked_language

# no script comes in with this: the policy of our headers knows the scripts of the original page alone
_HEAD = '<meta name="color-scheme" content="dark"><style>%s</style></head>'


def start_routes() -> list[Route]:
    """Return the route of the start page."""

    async def show(request: Request) -> Response:
        spoken = asked_language(request.headers.get("Accept-Language", ""))
        return HTMLResponse(start_page(spoken), headers={"Cache-Control": "no-store"})

    return [Route("/", show, methods=["GET", "HEAD"])]


@cache
def start_page(language: str) -> str:
    """Return the start page of the installed Streamlit, with what it lacks for a dark room.

    Raises
    ------
    RuntimeError
        If it looks otherwise than this release knows it.
    """
    page = Path(streamlit.__file__).with_name("static") / "index.html"
    html = page.read_text(encoding="utf-8")
    changes = {
        '<html lang="en">': f'<html lang="{escape(language, quote=True)}">',
        "<title>Streamlit</title>": "<title>Janus-Med</title>",
        "</head>": _HEAD % read_text("css/start.css"),
    }
    for old, new in changes.items():
        if html.count(old) != 1:
            raise RuntimeError(f"the start page of Streamlit {streamlit.__version__} has no single {old!r}")
        html = html.replace(old, new)
    return html
