"""The web server: Streamlit's pages and our own routes in one process, `python -m app.ui.server`."""

from __future__ import annotations

import socket
import sys
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

import structlog

from app.domain.errors import ConfigurationError, JanusMedError
from app.services.decoder import DecoderProcess
from app.services.dictation import open_desk
from app.services.first_accounts import require_accounts
from app.services.openid_provider import open_provider
from app.services.second_factor import end_sessions_without
from app.services.templates import install_shipped
from app.settings import Settings, read_settings
from app.start_checks import require_known_variables
from app.ui.middleware import room_middleware
from app.ui.options import apply_options
from app.ui.pixels import PixelCache
from app.ui.room import Room, furnish
from app.ui.routes.assets import asset_routes
from app.ui.routes.checks import check_routes
from app.ui.routes.context import context_routes
from app.ui.routes.dictation import dictation_routes
from app.ui.routes.exports import export_routes
from app.ui.routes.health import health_routes
from app.ui.routes.images import image_routes
from app.ui.routes.login import login_routes
from app.ui.routes.pen import pen_routes
from app.ui.routes.quality import quality_routes
from app.ui.routes.quarantine import quarantine_routes
from app.ui.routes.reports import report_routes
from app.ui.routes.second_review import second_review_routes
from app.ui.routes.second_step import second_step_routes
from app.ui.routes.sign_on import sign_on_routes
from app.ui.routes.start_page import start_routes
from app.ui.routes.worklist import worklist_routes
from app.ui.routes.writing import writing_routes
from app.ui.warming import Warming
from app.ui.words import say
from app.web_checks import require_safe_web

if TYPE_CHECKING:
    import uvicorn
    from starlette.routing import BaseRoute
    from starlette.types import ASGIApp
    from streamlit.web.server.starlette import App

    from app.store.engine import Store

    # routes that another package adds; the room is theirs too
    MoreRoutes = Callable[[Room], Sequence[BaseRoute]]

log = structlog.get_logger()
_LARGEST_SOCKET_MESSAGE = 8 * 2**20


def build_app(store: Store, settings: Settings, more_routes: MoreRoutes | None = None) -> App:
    """Return the ASGI application of the reading room; one a process.

    Parameters
    ----------
    store
        Stays the caller's: it is not closed with the application.
    more_routes
        Makes routes of other packages, which this one must not know.
    """
    from streamlit.web.server.starlette import App

    apply_options(settings)
    provider = open_provider(settings.oidc) if settings.oidc else None
    pixels = PixelCache(settings.spool_dir / "objects", DecoderProcess(), DecoderProcess())
    desk = open_desk(store) if settings.dictation == "local" else None
    room = Room(store, settings, pixels, provider=provider, warming=Warming(pixels), dictation=desk)
    end_sessions_without(store, settings.totp_roles, now=datetime.now(UTC))
    room.metrics.watch(room)
    furnish(room)

    @asynccontextmanager
    async def lifespan(_: App) -> AsyncIterator[None]:
        yield
        room.changes.close()
        room.pixels.close()
        if desk is not None:
            desk.hearing.close()

    return App(
        Path(__file__).with_name("main.py"),
        routes=[*room_routes(room), *(more_routes(room) if more_routes else ())],
        middleware=room_middleware(room),
        lifespan=lifespan,
        on_script_error=report_script_error,
    )


def room_routes(room: Room) -> list[BaseRoute]:
    """Return the routes beside Streamlit's own."""
    return [
        *login_routes(room),
        *second_step_routes(room),
        *sign_on_routes(room),
        *health_routes(room),
        *image_routes(room),
        *report_routes(room),
        *writing_routes(room),
        *dictation_routes(room),
        *check_routes(room),
        *context_routes(room),
        *second_review_routes(room),
        *export_routes(room),
        *quality_routes(room),
        *quarantine_routes(room),
        *worklist_routes(room),
        *pen_routes(room),
        *asset_routes(),
        *start_routes(),
    ]


def report_script_error(error: Exception) -> bool:
    """Log where a page failed, without its text, which may name a patient; show that and nothing more."""
    import streamlit as st

    trace = error.__traceback__
    while trace is not None and trace.tb_next is not None:
        trace = trace.tb_next
    code = trace.tb_frame.f_code if trace else None
    log.error(
        "page failed",
        error=type(error).__name__,
        function=code.co_qualname if code and sys.version_info >= (3, 11) else "",
        line=trace.tb_lineno if trace else 0,
    )
    st.error(
        say(
            "This page failed. Nothing that was saved is lost; the administrator finds the reason in the log."
        )
    )
    return True


def serve(settings: Settings, more_routes: MoreRoutes | None = None) -> None:
    """Serve until the process is asked to stop (SIGTERM, SIGINT); see `build_app` for `more_routes`.

    Raises
    ------
    ConfigurationError
        If the settings are unsafe, the port is taken, the secret of single sign-on is missing or not private,
        or there is no account.
    """
    import uvicorn

    from app.services.counting import Reporter
    from app.store.engine import open_store

    require_safe_web(settings, datetime.now(UTC))
    if settings.oidc is not None:
        # before anything is made: a secret that is missing or open to others ends the start
        open_provider(settings.oidc)
    listening = bind(settings)
    with listening, open_store(settings) as store:
        require_accounts(store, settings)
        install_shipped(store, now=datetime.now(UTC))
        config = server_config(build_app(store, settings, more_routes), settings)
        log.info("reading room open", host=settings.ui_host, port=listening.getsockname()[1])
        with Reporter("ui", lambda: store):
            uvicorn.Server(config).run(sockets=[listening])


def server_config(asgi: ASGIApp, settings: Settings) -> uvicorn.Config:
    """Return how an application is served: quietly, and with the addresses that trusted proxies tell."""
    import uvicorn

    return uvicorn.Config(
        asgi,
        log_config=None,
        log_level="warning",
        access_log=False,
        server_header=False,
        proxy_headers=settings.ui_tls,
        forwarded_allow_ips=list(settings.ui_trusted_proxies),
        timeout_graceful_shutdown=3,
        ws="websockets-sansio",
        ws_max_size=_LARGEST_SOCKET_MESSAGE,
        ws_ping_interval=20,
        ws_ping_timeout=20,
    )


def bind(settings: Settings) -> socket.socket:
    """Return the socket that the server listens on."""
    family = socket.AF_INET6 if ":" in settings.ui_host else socket.AF_INET
    listening = socket.socket(family)
    listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listening.bind((settings.ui_host, settings.ui_port))
        listening.listen(256)
    except OSError as error:
        listening.close()
        raise ConfigurationError(
            f"the web UI cannot listen on {settings.ui_host}:{settings.ui_port}: {error.strerror}; "
            "set JANUS_MED_UI_PORT to a free port"
        ) from None
    return listening


def main() -> int:
    """Run the server with the settings of the environment; 0 after a clean stop, 1 when it cannot start."""
    try:
        settings = read_settings()
        require_known_variables()
        serve(settings)
    except JanusMedError as error:
        print(f"janus-med ui: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
