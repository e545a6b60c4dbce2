"""Headers of every answer: our pages, Streamlit's, DICOMweb's, refusals and faults."""

from __future__ import annotations

import base64
import hashlib
import re
from functools import cache
from pathlib import Path

import streamlit
import structlog
from starlette.datastructures import MutableHeaders
from starlette.responses import PlainTextResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

log = structlog.get_logger()
# files of the program alone: the only ones that a cache may keep for others
_PUBLIC = ("/static/", "/assets/", "/favicon.")
_OFF = (
    "accelerometer", "autoplay", "bluetooth", "camera", "display-capture", "encrypted-media", "gamepad",
    "geolocation", "gyroscope", "hid", "magnetometer", "microphone", "midi", "payment", "serial", "usb",
    "xr-spatial-tracking",
)  # fmt: skip


class SecurityHeaders:
    """Adds the headers that keep a browser from helping an attacker, and answers faults itself.

    Without it a fault would be answered outside of this stack, without the headers.
    """

    def __init__(self, app: ASGIApp, *, is_tls: bool, may_listen: bool = False) -> None:
        self._app = app
        self._is_tls = is_tls
        self._headers = security_headers(is_tls=is_tls, may_listen=may_listen)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:  # noqa: D102 - ASGI
        if scope["type"] not in {"http", "websocket"}:
            await self._app(scope, receive, send)
            return
        has_begun = False

        async def send_with_headers(message: Message) -> None:
            nonlocal has_begun
            if message["type"] in {"http.response.start", "websocket.http.response.start"}:
                has_begun = True
                self._complete(MutableHeaders(scope=message), scope["path"])
            await send(message)

        try:
            await self._app(scope, receive, send_with_headers)
        except Exception as error:  # the one place where a request catches
            if has_begun or scope["type"] != "http":
                raise
            # without the trace, whose text may name a patient
            log.error("request failed", error=type(error).__name__)  # noqa: TRY400
            answer = PlainTextResponse("the server cannot go on; tell the administrator\n", status_code=500)
            await answer(scope, receive, send_with_headers)

    def _complete(self, headers: MutableHeaders, path: str) -> None:
        headers.update(self._headers)
        kept = headers.get("cache-control", "")
        if not path.startswith(_PUBLIC) and "no-store" not in kept and "private" not in kept:
            headers["Cache-Control"] = "no-store"
        cookies = headers.getlist("set-cookie")
        if cookies:
            del headers["set-cookie"]
            for cookie in cookies:
                headers.append("set-cookie", closed_cookie(cookie, is_tls=self._is_tls))


def closed_cookie(cookie: str, *, is_tls: bool) -> str:
    """Return a Set-Cookie value that no script reads and no other site sends: with what it lacks for that."""
    names = {part.strip().partition("=")[0].lower() for part in cookie.split(";")[1:]}
    wanted = {"httponly": "HttpOnly", "samesite": "SameSite=strict"} | (
        {"secure": "Secure"} if is_tls else {}
    )
    return "; ".join([cookie, *(text for name, text in wanted.items() if name not in names)])


def security_headers(*, is_tls: bool, may_listen: bool = False) -> dict[str, str]:
    """Return the headers of every answer; `may_listen` lets our own pages ask for the microphone.

    Streamlit needs inline styles, modules from blob addresses (the stubs of its components) and one inline
    script of its start page, which is allowed by its digest; no other inline script runs.
    """
    policy = {
        "default-src": "'self'",
        "script-src": f"'self' blob: {' '.join(_inline_scripts())}",
        "style-src": "'self' 'unsafe-inline'",
        "img-src": "'self' data: blob:",
        "font-src": "'self' data:",
        "connect-src": "'self'",
        "worker-src": "'self' blob:",
        "frame-src": "'none'",
        "object-src": "'none'",
        "base-uri": "'self'",
        "form-action": "'self'",
        "frame-ancestors": "'none'",
    }
    headers = {
        "Content-Security-Policy": "; ".join(f"{name} {value}" for name, value in policy.items()),
        "X-Frame-Options": "DENY",
        "X-Content-Type-Options": "nosniff",
        # with `no-referrer` the browser would send our own log-in form with a null origin
        "Referrer-Policy": "same-origin",
        "Cross-Origin-Opener-Policy": "same-origin",
        "Cross-Origin-Resource-Policy": "same-origin",
        "X-Permitted-Cross-Domain-Policies": "none",
        "Permissions-Policy": ", ".join(
            f"{name}=(self)" if may_listen and name == "microphone" else f"{name}=()" for name in _OFF
        ),
    }
    return headers | ({"Strict-Transport-Security": "max-age=31536000"} if is_tls else {})


@cache
def _inline_scripts() -> tuple[str, ...]:
    """Digests of the inline scripts of Streamlit's start page, as the installed version has them."""
    page = Path(streamlit.__file__).with_name("static") / "index.html"
    scripts = re.findall(r"<script>(.*?)</script>", page.read_text(encoding="utf-8"), re.DOTALL)
    digests = (hashlib.sha256(script.encode()).digest() for script in scripts)
    return tuple(f"'sha256-{base64.b64encode(digest).decode()}'" for digest in digests)
