"""Asks the identity provider: discovery, keys, a code for an ID token; bounded in all that it takes."""

from __future__ import annotations

import base64
import hashlib
import json
import ssl
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any
from urllib.parse import quote, urlencode

from app.domain.errors import ConfigurationError, SignOnRefused
from app.domain.sign_on import ClaimNames
from app.login_settings import OidcSettings, require_private_address
from app.secret_files import read_secret_file
from app.services.openid_tokens import UnknownKey, check_id_token, check_logout_token, read_keys, refused

if TYPE_CHECKING:
    from joserfc.jwk import KeySet

LONGEST_ANSWER = 512 * 1024
_SECONDS = 5.0
_SECONDS_IN_ALL = 15.0
_KEPT = timedelta(minutes=10)
# a token with an unknown key makes us ask for new ones: not more often than this
_KEYS_AT_MOST_EVERY = timedelta(seconds=5)
# threads that may wait for the provider, and how long others wait for them: readers need the rest
_ASKING_AT_MOST, _WAIT_SECONDS = 8, 1.0


@dataclass(frozen=True)
class Metadata:
    """What we use of a discovery document (OpenID Connect Discovery 1.0, 3)."""

    authorization_endpoint: str
    token_endpoint: str
    jwks_uri: str
    end_session_endpoint: str
    takes_basic: bool


@dataclass(frozen=True)
class LoginRequest:
    """What one log-in is bound to: the browser keeps it sealed until the provider sends it back.

    Attributes
    ----------
    verifier
        Of PKCE (RFC 7636).
    session_id
        The session whose person confirms who they are; 0 for a log-in.
    """

    state: str
    nonce: str
    verifier: str = field(repr=False)
    redirect_uri: str
    target: str
    session_id: int
    began_at: float


@dataclass(frozen=True)
class _Cached:
    metadata: Metadata
    metadata_at: datetime
    keys: KeySet
    keys_at: datetime


class OpenIdProvider:
    """One identity provider; safe to use from several threads.

    Parameters
    ----------
    secret
        Our client secret.
    """

    def __init__(self, settings: OidcSettings, secret: str, tls: ssl.SSLContext) -> None:
        self.settings = settings
        self._secret = secret
        self._tls = tls
        self._lock = threading.Lock()
        self._places = threading.BoundedSemaphore(_ASKING_AT_MOST)
        self._cached: _Cached | None = None

    @property
    def claim_names(self) -> ClaimNames:
        """Which claims hold what."""
        of = self.settings
        return ClaimNames(of.username_claim, of.name_claim, of.groups_claim, of.roles)

    def address_for(self, request: LoginRequest, *, now: datetime) -> str:
        """Return where the browser goes to log in; a confirmation asks for the credentials anew."""
        digest = hashlib.sha256(request.verifier.encode()).digest()
        query = {
            "response_type": "code",
            "client_id": self.settings.client_id,
            "redirect_uri": request.redirect_uri,
            "scope": " ".join(self.settings.scopes),
            "state": request.state,
            "nonce": request.nonce,
            "code_challenge": base64.urlsafe_b64encode(digest).rstrip(b"=").decode(),
            "code_challenge_method": "S256",
        }
        if request.session_id:
            query |= {"prompt": "login", "max_age": "0"}
        return _with_query(self._fresh(now).metadata.authorization_endpoint, query)

    def log_out_address(self, back: str, *, now: datetime) -> str:
        """Return where a browser ends its session at the provider; empty when that is not offered."""
        endpoint = self._fresh(now).metadata.end_session_endpoint
        query = {"client_id": self.settings.client_id, "post_logout_redirect_uri": back}
        return _with_query(endpoint, query) if endpoint else ""

    def ask_anew(self, *, now: datetime) -> None:
        """Ask for the discovery document and the keys; raises `SignOnRefused` when they cannot be used."""
        self._cached = None
        self._fresh(now)

    def exchange(self, request: LoginRequest, code: str, *, now: datetime) -> Mapping[str, Any]:
        """Return the claims of the ID token that a code stands for.

        Raises
        ------
        SignOnRefused
            If the provider does not take the code, does not answer, or its token fails a check.
        """
        metadata = self._fresh(now).metadata
        form = {
            "grant_type": "authorization_code",
            "code": code,
            "redirect_uri": request.redirect_uri,
            "code_verifier": request.verifier,
        }
        answer = self._ask(metadata.token_endpoint, form=form, basic=metadata.takes_basic)
        token, access_token = answer.get("id_token"), answer.get("access_token")
        if not isinstance(token, str):
            raise refused("the provider gave no ID token")

        def check(keys: KeySet) -> Mapping[str, Any]:
            return check_id_token(
                token,
                keys,
                issuer=self.settings.issuer,
                client_id=self.settings.client_id,
                nonce=request.nonce,
                access_token=access_token if isinstance(access_token, str) else "",
                now=now,
            )

        try:
            return check(self._fresh(now).keys)
        except UnknownKey:
            return check(self._newer_keys(now))

    def read_logout(self, token: str, *, now: datetime) -> Mapping[str, Any]:
        """Return the claims of a logout token; raises `SignOnRefused`."""
        about = {"issuer": self.settings.issuer, "client_id": self.settings.client_id}
        try:
            return check_logout_token(token, self._fresh(now).keys, now=now, **about)
        except UnknownKey:
            return check_logout_token(token, self._newer_keys(now), now=now, **about)

    def _fresh(self, now: datetime) -> _Cached:
        with _held(self._lock):
            if self._cached is None or now - self._cached.metadata_at >= _KEPT:
                issuer = self.settings.issuer
                document = self._ask(f"{issuer.rstrip('/')}/.well-known/openid-configuration")
                metadata = _read_metadata(document, issuer)
                self._cached = _Cached(metadata, now, read_keys(self._ask(metadata.jwks_uri)), now)
            return self._cached

    def _newer_keys(self, now: datetime) -> KeySet:
        with _held(self._lock):
            cached = self._cached
            if cached is None or now - cached.keys_at < _KEYS_AT_MOST_EVERY:
                raise refused("token: signed with an unknown key")
            keys = read_keys(self._ask(cached.metadata.jwks_uri))
            self._cached = _Cached(cached.metadata, cached.metadata_at, keys, now)
            return keys

    def _ask(
        self, address: str, *, form: Mapping[str, str] | None = None, basic: bool = True
    ) -> dict[str, Any]:
        """Return the JSON object of an address; posts `form`, with our secret, when there is one."""
        import httpx

        client_id, secret = self.settings.client_id, self._secret
        auth = None
        if form is not None and basic:
            # RFC 6749 2.3.1: both are form-encoded first
            auth = httpx.BasicAuth(quote(client_id, safe=""), quote(secret, safe=""))
        elif form is not None:
            form = {**form, "client_id": client_id, "client_secret": secret}
        method = "GET" if form is None else "POST"
        try:
            with (
                _held(self._places),
                # proxies of the environment would see our secret
                httpx.Client(verify=self._tls, timeout=_SECONDS, trust_env=False) as client,
                client.stream(
                    method, address, data=form, auth=auth, headers={"Accept": "application/json"}
                ) as answer,
            ):
                body = _read_bounded(answer)
        except (httpx.HTTPError, httpx.InvalidURL, OSError) as error:
            raise SignOnRefused(
                "the identity provider does not answer: try again in a moment, or tell the administrator",
                f"provider does not answer: {type(error).__name__}",
            ) from None
        if answer.status_code != 200:
            raise refused(f"provider answers {answer.status_code}")
        return _read_object(body)


def open_provider(settings: OidcSettings) -> OpenIdProvider:
    """Return the identity provider of the settings; nothing is asked yet: it may be away at start.

    Raises
    ------
    ConfigurationError
        If our secret is missing, empty or readable by others, or its authority cannot be read.
    """
    setting = "JANUS_MED_OIDC.client_secret_file"
    secret = read_secret_file(settings.client_secret_file, setting=setting).strip()
    try:
        tls = ssl.create_default_context(cafile=settings.ca_file)
    except OSError as error:
        raise ConfigurationError(
            f"JANUS_MED_OIDC.ca_file: {settings.ca_file} cannot be read ({type(error).__name__})"
        ) from None
    return OpenIdProvider(settings, secret, tls)


@contextmanager
def _held(lock: threading.Lock | threading.Semaphore) -> Iterator[None]:
    if not lock.acquire(timeout=_WAIT_SECONDS):
        raise SignOnRefused(
            "the identity provider is slow: try again in a moment", "provider does not answer: others wait"
        )
    try:
        yield
    finally:
        lock.release()


def _read_bounded(answer: Any) -> bytes:
    deadline, body = time.monotonic() + _SECONDS_IN_ALL, b""
    for part in answer.iter_bytes():
        body += part
        if len(body) > LONGEST_ANSWER or time.monotonic() > deadline:
            raise refused("the provider's answer is too large or too slow")
    return body


def _read_object(body: bytes) -> dict[str, Any]:
    try:
        content = json.loads(body)
    except (ValueError, RecursionError):
        content = None
    if not isinstance(content, dict):
        raise refused("the provider's answer is no JSON object")
    return content


def _read_metadata(document: Mapping[str, Any], issuer: str) -> Metadata:
    if document.get("issuer") != issuer:
        raise refused("discovery: another issuer than JANUS_MED_OIDC names")
    names = ("authorization_endpoint", "token_endpoint", "jwks_uri", "end_session_endpoint")
    values = {name: str(document.get(name) or "") for name in names}
    for name, value in values.items():
        try:
            if value or name != "end_session_endpoint":
                require_private_address(value.partition("?")[0])
        except ValueError:
            raise refused(f"discovery: {name} is missing or not https") from None
    methods = document.get("token_endpoint_auth_methods_supported") or ["client_secret_basic"]
    return Metadata(**values, takes_basic="client_secret_basic" in methods)


def _with_query(address: str, query: Mapping[str, str]) -> str:
    return f"{address}{'&' if '?' in address else '?'}{urlencode(query)}"
