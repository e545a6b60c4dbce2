"""A small identity provider over real HTTP that signs with its own keys, and can be told to do it wrongly."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import secrets
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, parse_qsl, unquote, urlsplit

from joserfc import jwt
from joserfc.jwk import KeySet, RSAKey

CLIENT_ID, SECRET = "reading-room", "not a good secret: %&/ä"
ADA = {"sub": "0815", "preferred_username": "Ada.L", "name": "Dr. Ada Lovelace", "groups": ["radiologists"]}
LOGOUT = "http://schemas.openid.net/event/backchannel-logout"


@dataclass
class Grant:
    """What a code stands for."""

    query: dict[str, str]
    claims: dict[str, Any]
    sign: Callable[[dict[str, Any]], str]


@dataclass
class Provider:
    """The provider: its keys, what it has handed out, and what it was asked."""

    issuer: str
    key: RSAKey = field(default_factory=lambda: RSAKey.generate_key(2048, auto_kid=True))
    published: list[RSAKey] = field(default_factory=list)
    grants: dict[str, Grant] = field(default_factory=dict)
    asked: list[str] = field(default_factory=list)
    discovery: dict[str, Any] = field(default_factory=dict)
    seconds_ahead: float = 0.0

    def __post_init__(self) -> None:
        self.published = [self.key]

    def rotate(self) -> None:
        """Sign with a new key, and publish it alone."""
        self.key = RSAKey.generate_key(2048, auto_kid=True)
        self.published = [self.key]

    def grant(
        self, address: str, person: dict[str, Any] | None = None, *, sign: Any = None, **claims: Any
    ) -> str:
        """Return the code of a person who has logged in there; `claims` replace those of the token."""
        query = dict(parse_qsl(urlsplit(address).query))
        now = int(time.time() + self.seconds_ahead)
        token = (person or ADA) | {
            "iss": self.issuer, "aud": query["client_id"], "iat": now, "exp": now + 300, "sid": "s-1",
            "auth_time": now, "nonce": query["nonce"],
        } | claims  # fmt: skip
        code = secrets.token_urlsafe(8)
        token = {name: value for name, value in token.items() if value is not None}
        self.grants[code] = Grant(query, token, sign or self.sign)
        return code

    def sign(self, claims: dict[str, Any]) -> str:
        return jwt.encode({"alg": "RS256", "kid": self.key.kid}, claims, self.key)

    def sign_with_public_key(self, claims: dict[str, Any]) -> str:
        """The classical confusion: the public key as the secret of HS256."""
        signed = ".".join(_encode(part) for part in ({"alg": "HS256", "kid": self.key.kid}, claims))
        # by hand: no library signs with a public key
        digest = hmac.digest(self.key.as_pem(private=False), signed.encode(), "sha256")
        return f"{signed}.{base64.urlsafe_b64encode(digest).rstrip(b'=').decode()}"

    def sign_with_nothing(self, claims: dict[str, Any]) -> str:
        return f"{_encode({'alg': 'none', 'typ': 'JWT'})}.{_encode(claims)}."

    def sign_with_foreign_key(self, claims: dict[str, Any]) -> str:
        """Another key under our key's name."""
        other = RSAKey.generate_key(2048)
        return jwt.encode({"alg": "RS256", "kid": self.key.kid}, claims, other)

    def sign_with_unknown_key(self, claims: dict[str, Any]) -> str:
        other = RSAKey.generate_key(2048, auto_kid=True)
        return jwt.encode({"alg": "RS256", "kid": other.kid}, claims, other)

    def logout_token(self, **claims: Any) -> str:
        now = int(time.time() + self.seconds_ahead)
        token = {
            "iss": self.issuer, "aud": CLIENT_ID, "iat": now, "exp": now + 120, "jti": secrets.token_hex(8),
            "sid": "s-1", "events": {LOGOUT: {}},
        } | claims  # fmt: skip
        token = {name: value for name, value in token.items() if value is not None}
        return jwt.encode({"alg": "RS256", "kid": self.key.kid, "typ": "logout+jwt"}, token, self.key)

    def answer(self, path: str, form: dict[str, str], authorization: str) -> tuple[int, Any]:
        """Answer one request: status and JSON, or bytes."""
        self.asked.append(path)
        match path:
            case "/.well-known/openid-configuration":
                return 200, {
                    "issuer": self.issuer,
                    "authorization_endpoint": f"{self.issuer}/authorize",
                    "token_endpoint": f"{self.issuer}/token",
                    "jwks_uri": f"{self.issuer}/keys",
                    "end_session_endpoint": f"{self.issuer}/end",
                } | self.discovery
            case "/keys":
                return 200, KeySet(list(self.published)).as_dict(private=False)
            case "/token":
                return self._token(form, authorization)
            case "/slow":
                time.sleep(3)
            case "/huge":
                return 200, b" " * 10_000_000 + b"{}"
        return 404, {"error": "not found"}

    def _token(self, form: dict[str, str], authorization: str) -> tuple[int, Any]:
        name, _, secret = base64.b64decode(authorization.partition(" ")[2]).decode().partition(":")
        if (unquote(name), unquote(secret)) != (CLIENT_ID, SECRET):
            return 401, {"error": "invalid_client"}
        grant = self.grants.pop(form.get("code", ""), None)
        digest = hashlib.sha256(form.get("code_verifier", "").encode()).digest()
        challenge = base64.urlsafe_b64encode(digest).rstrip(b"=").decode()
        if (
            grant is None
            or grant.query["code_challenge"] != challenge
            or grant.query["redirect_uri"] != form.get("redirect_uri")
        ):
            return 400, {"error": "invalid_grant"}
        return 200, {"access_token": "a", "token_type": "Bearer", "id_token": grant.sign(grant.claims)}


def _encode(part: dict[str, Any]) -> str:
    return base64.urlsafe_b64encode(json.dumps(part).encode()).rstrip(b"=").decode()


@contextmanager
def open_provider_server() -> Iterator[Provider]:
    """Serve a provider on a port that the system chooses."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self._answer({})

        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length", "0"))).decode()
            self._answer({name: values[0] for name, values in parse_qs(body).items()})

        def _answer(self, form: dict[str, str]) -> None:
            status, content = provider.answer(
                urlsplit(self.path).path, form, self.headers.get("Authorization", "")
            )
            body = content if isinstance(content, bytes) else json.dumps(content).encode()
            self.send_response(status)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        provider = Provider(f"http://127.0.0.1:{server.server_address[1]}")
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        try:
            yield provider
        finally:
            server.shutdown()
            thread.join(10)
