"""`/assets/<digest>/<name>`: scripts and styles of the components; they hold nothing private."""

from __future__ import annotations

from pathlib import PurePosixPath

from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route

from app.ui.components.files import MEDIA_TYPES, asset_names, assets_digest, east_asian_font, read_text

_FOR_GOOD = "public, max-age=31536000, immutable"


def asset_routes() -> list[Route]:
    """Return the route of the components' files."""

    async def serve(request: Request) -> Response:
        name = request.path_params["name"]
        if name not in asset_names():
            return PlainTextResponse("not found", status_code=404)
        is_current = request.path_params["digest"] == assets_digest()
        kind = MEDIA_TYPES[PurePosixPath(name).suffix]
        cache_control = _FOR_GOOD if is_current else "no-store"
        return Response(read_text(name), media_type=kind, headers={"Cache-Control": cache_control})

    async def font(request: Request) -> Response:
        kept = {"Cache-Control": "public, max-age=31536000"}
        return Response(east_asian_font(), media_type="font/ttf", headers=kept)

    async def icon(request: Request) -> Response:
        kept = {"Cache-Control": "public, max-age=86400"}
        return Response(read_text("icon.svg"), media_type="image/svg+xml", headers=kept)

    return [
        Route("/assets/fonts/east-asian.ttf", font, methods=["GET"]),
        Route("/assets/{digest:str}/{name:path}", serve, methods=["GET"]),
        # Streamlit's page and browsers ask for these two names; both get our own mark
        Route("/favicon.png", icon, methods=["GET"]),
        Route("/favicon.ico", icon, methods=["GET"]),
    ]
