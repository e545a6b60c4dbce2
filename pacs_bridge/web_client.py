"""What our HTTP clients have in common: limits, the bearer token, and which answer is worth another try.

- no connection, no answer in time, 408, 425, 429, 5xx: `Retriable`.
- every other status that is no success: `MessageRefused`; 401 and 403 too: somebody has to mend the token.
- redirects are not followed: reports go where the settings say and nowhere else.
"""

from __future__ import annotations

import ssl
from collections.abc import Mapping
from dataclasses import dataclass, field

import httpx

from pacs_bridge.errors import MessageRefused, Retriable

_MAY_PASS = frozenset({408, 425, 429})
LARGEST_ANSWER = 16 * 1024**2


@dataclass(frozen=True)
class Answer:
    """The status and the body of an HTTP answer."""

    status: int
    content: bytes

    @property
    def is_success(self) -> bool:
        """Whether the status is 2xx."""
        return 200 <= self.status < 300


@dataclass(frozen=True)
class WebPeer:
    """A web service that takes reports.

    Attributes
    ----------
    url
        Base URL without the last slash.
    token
        Bearer token; empty for none.
    tls
        Client context, None for the system's.
    """

    url: str
    token: str = field(default="", repr=False)
    tls: ssl.SSLContext | None = None
    connect_seconds: float = 5.0
    answer_seconds: float = 45.0

    def __str__(self) -> str:
        return self.url


def post(peer: WebPeer, path: str, body: bytes, headers: Mapping[str, str]) -> Answer:
    """Send one request and return the answer, whatever its status.

    Raises
    ------
    Retriable
        If there is none.
    """
    wanted = dict(headers) | ({"Authorization": f"Bearer {peer.token}"} if peer.token else {})
    timeout = httpx.Timeout(peer.answer_seconds, connect=peer.connect_seconds)
    try:
        with (
            httpx.Client(
                verify=peer.tls or True, timeout=timeout, follow_redirects=False, trust_env=False
            ) as client,
            client.stream("POST", peer.url.rstrip("/") + path, content=body, headers=wanted) as answer,
        ):
            return Answer(answer.status_code, _read_bounded(answer, peer))
    except httpx.HTTPError as error:
        raise Retriable(f"{peer} cannot be reached or broke off ({type(error).__name__})") from error


def require_success(answer: Answer, peer: WebPeer, detail: str = "") -> None:
    """Raise unless the status is a success.

    Parameters
    ----------
    detail
        Codes of the answer, for the reason.
    """
    if answer.is_success:
        return
    reason = f"{peer} answered {answer.status}{f' ({detail})' if detail else ''}"
    if answer.status in _MAY_PASS or answer.status >= 500:
        raise Retriable(reason)
    raise MessageRefused(reason)


def _read_bounded(answer: httpx.Response, peer: WebPeer) -> bytes:
    """Return the body, up to a limit."""
    kept = bytearray()
    for piece in answer.iter_bytes():
        kept += piece
        if len(kept) > LARGEST_ANSWER:
            raise Retriable(f"{peer} answers without end")
    return bytes(kept)
