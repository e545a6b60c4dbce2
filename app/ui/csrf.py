"""Tokens that prove that a change comes from our own page, and the check of where a request comes from.

The session cookie is out of reach of scripts; its keyed hash goes into the page and comes back in a header or
a form field. A foreign page can make the browser send the cookie, but it cannot know the hash.
"""

from __future__ import annotations

import hashlib
import hmac
from urllib.parse import urlsplit

from starlette.requests import HTTPConnection

SESSION_COOKIE = "janus_session"
LOGIN_COOKIE = "janus_login"
STEP_COOKIE = "janus_step"
SIGN_ON_COOKIE = "janus_sign_on"
CSRF_HEADER = "x-csrf-token"


def csrf_token(secret: str) -> str:
    """Return the token that belongs to a session token or to the cookie of a log-in form (hex)."""
    return hmac.new(secret.encode(), b"janus-med csrf", hashlib.sha256).hexdigest()


def is_token_of(secret: str, token: str) -> bool:
    """Tell whether `token` belongs to `secret`; an empty secret has none."""
    return bool(secret) and hmac.compare_digest(csrf_token(secret).encode(), token.encode())


def is_foreign(connection: HTTPConnection) -> bool:
    """Tell whether a request says that it comes from another site (Origin, Sec-Fetch-Site)."""
    origin = connection.headers.get("origin")
    if origin is not None and urlsplit(origin).netloc != connection.headers.get("host"):
        return True
    return connection.headers.get("sec-fetch-site", "same-origin") not in {"same-origin", "none"}
