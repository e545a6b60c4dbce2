"""`/`: the page that Streamlit starts from, dark from its first frame and in the reader's language."""

from __future__ import annotations

from functools import cache
from html import escape
from pathlib import Path

import streamlit
from starlette.requests import Request
from starlette.responses import HTMLResponse, Response
from starlette.routing import Route

from app.ui.components.files import asset_names, asset_url, read_text
from app.ui.words import asked_language

# no script comes in with this: the policy of our headers knows the scripts of the original page alone
_HEAD = '<meta name="color-scheme" content="dark"><style>%s</style>%s</head>'
_LOAD_EARLY = '<link rel="modulepreload" href="%s">'


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
        "</head>": _HEAD % (read_text("css/start.css"), _links()),
    }
    for old, new in changes.items():
        if html.count(old) != 1:
            raise RuntimeError(f"the start page of Streamlit {streamlit.__version__} has no single {old!r}")
        html = html.replace(old, new)
    return html


def _links() -> str:
    """Return links to every script of ours: the browser fetches them at once, while Streamlit starts.

    Otherwise it learns of each from the one before, four deep, and of the largest last.
    """
    scripts = (name for name in asset_names() if name.endswith(".js"))
    ordered = sorted(scripts, key=lambda name: (not name.startswith("cornerstone/"), name))
    return "".join(_LOAD_EARLY % asset_url(name) for name in ordered)
