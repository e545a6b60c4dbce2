"""Who calls: a person's session, a local account by HTTP Basic, or a machine with a bearer token.

Credentials travel in the clear with Basic and Bearer, so both need TLS, or a server that this machine alone
can reach. A browser adds cookies and remembered Basic credentials to requests of foreign pages, so whoever
comes with one of these must come from our own origin to change anything.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import secrets
import threading
from collections import OrderedDict
from dataclasses import dataclass
from datetime import datetime

from starlette.requests import Request

from app.domain.access import Action, Actor, Role
from app.domain.errors import AuthenticationFailed, NotAuthorised, SecondFactorNeeded, TooManyRequests
from app.neighbours import DicomwebClient
from app.services import accounts, dicomweb, second_factor
from app.services.pace import Pace
from app.services.permission import record_denial
from app.ui.csrf import is_foreign
from app.ui.room import Room
from app.ui.routes.answers import ForeignRequest, require_own_page, resume, source_of
from app.web_checks import is_private_path

_REMEMBERED = 256


@dataclass(frozen=True)
class Caller:
    """Who calls, and under which AE title its instances enter the spool.

    Attributes
    ----------
    client
        The machine's entry in the settings; None for a person, whose role decides.
    """

    actor: Actor
    title: str
    client: DicomwebClient | None = None


class Callers:
    """Recognises callers.

    Parameters
    ----------
    room
        Whose accounts, sessions and settings count.
    """

    def __init__(self, room: Room) -> None:
        self._room = room
        self._sessions = _BasicSessions(room)
        self._pace = Pace(room.settings.dicomweb_requests_per_second)
        self._takes_credentials = is_private_path(room.settings)

    def recognise(self, request: Request, *, now: datetime) -> Caller:
        """Return who calls, one request of whom is counted; blocks on the database.

        Raises
        ------
        AuthenticationFailed
            Without credentials, with wrong ones, or with Basic or Bearer over a network without TLS.
        ForeignRequest
            For a change that a foreign page may have made the browser send.
        TooManyRequests
            Past the limit of one caller.
        """
        caller = self._recognise(request, now=now)
        try:
            self._pace.take(caller.actor.username, now=now)
        except TooManyRequests:
            self._room.limits.tell("dicomweb", caller.actor.username, source_of(request), now=now)
            raise
        return caller

    def _recognise(self, request: Request, *, now: datetime) -> Caller:
        scheme, _, value = request.headers.get("authorization", "").partition(" ")
        changes = request.method not in {"GET", "HEAD"}
        if not scheme:
            actor = resume(self._room, request)
            if changes:
                require_own_page(request)
            return _person(actor)
        if not self._takes_credentials:
            raise AuthenticationFailed("passwords and tokens are taken over TLS only")
        match scheme.lower():
            case "basic":
                if changes and is_foreign(request):
                    raise ForeignRequest("the request comes from a page of another site")
                return _person(self._sessions.actor_of(value.strip(), source=source_of(request), now=now))
            case "bearer":
                return self._machine(value.strip(), source=source_of(request), now=now)
        raise AuthenticationFailed("log in with a session, HTTP Basic or a bearer token")

    def challenge(self) -> str:
        """Return the WWW-Authenticate of a 401 (RFC 9110 11.6.1)."""
        realm = 'realm="janus-med dicomweb"'
        return (
            f'Bearer {realm}, Basic {realm}, charset="UTF-8"'
            if self._takes_credentials
            else f"Cookie {realm}"
        )

    def _machine(self, token: str, *, source: str, now: datetime) -> Caller:
        digest = hashlib.sha256(token.encode("utf-8", "replace")).hexdigest()
        found = None
        for client in self._room.settings.dicomweb_clients:
            # every entry is compared: the time tells nothing about which one matched
            if hmac.compare_digest(client.token_sha256, digest):
                found = client
        if found is None:
            self._room.limits.attempt_from(source, now=now)
            dicomweb.record_unknown_token(self._room.store, source=source, now=now)
            raise AuthenticationFailed("the token is not known")
        # a slash keeps machines apart from people, see `require_username`
        actor = Actor(f"dicomweb/{found.name}", found.name, Role.VIEWER, source, groups=found.groups)
        return Caller(actor, found.name, found)


def require_reading(room: Room, caller: Caller, *, now: datetime) -> None:
    """Turn away a machine that may not read; a person's role is checked by the service."""
    if caller.client is not None and not caller.client.may_read:
        record_denial(room.store, caller.actor, Action.OPEN_STUDY.value, now=now)
        raise NotAuthorised(f"the client {caller.client.name} may not read")


def require_storing(room: Room, caller: Caller, *, now: datetime) -> None:
    """Turn away who may not store, on record.

    Raises
    ------
    NotAuthorised
        By the machine's entry in the settings, or the person's role.
    """
    if caller.client is None:
        dicomweb.permit_storing(room.store, caller.actor, now=now)
    elif not caller.client.may_store:
        record_denial(room.store, caller.actor, Action.STORE_INSTANCES.value, now=now)
        raise NotAuthorised(f"the client {caller.client.name} may not store")


def _person(actor: Actor) -> Caller:
    # an AE title has at most 16 characters (PS3.5 table 6.2-1)
    return Caller(actor, actor.username[:16])


class _BasicSessions:
    """One session for each account, password and address, as long as it is used: hashing costs much.

    Kept by a digest under a key of this process; the password itself is kept nowhere.
    """

    def __init__(self, room: Room) -> None:
        self._room = room
        self._key = secrets.token_bytes(32)
        self._tokens: OrderedDict[bytes, str] = OrderedDict()
        self._lock = threading.Lock()

    def actor_of(self, credentials: str, *, source: str, now: datetime) -> Actor:
        """Return whose credentials these are."""
        username, password = _decode(credentials)
        name = hmac.digest(
            self._key, f"{source}\0{username}\0{password}".encode("utf-8", "replace"), "sha256"
        )
        with self._lock:
            token = self._tokens.get(name, "")
        if token:
            try:
                return accounts.resume_session(
                    self._room.store, token, source=source, idle=self._room.idle, now=now
                )
            except AuthenticationFailed:
                self._forget(name)
        self._room.limits.attempt_from(source, now=now)
        self._room.limits.attempt_as(username, source=source, now=now)
        try:
            token, actor = accounts.log_in(
                self._room.store,
                username=username,
                password=password,
                source=source,
                policy=self._room.settings.login_policy,
                now=now,
            )
        except SecondFactorNeeded as needed:
            second_factor.refuse_without_prompt(self._room.store, needed, source=source, now=now)
        self._remember(name, token)
        return actor

    def _remember(self, name: bytes, token: str) -> None:
        with self._lock:
            self._tokens[name] = token
            while len(self._tokens) > _REMEMBERED:
                self._tokens.popitem(last=False)

    def _forget(self, name: bytes) -> None:
        with self._lock:
            self._tokens.pop(name, None)


def _decode(credentials: str) -> tuple[str, str]:
    """Read user name and password (RFC 7617)."""
    try:
        text = base64.b64decode(credentials, validate=True).decode("utf-8")
    except (binascii.Error, UnicodeDecodeError):
        raise AuthenticationFailed("the Basic credentials cannot be read") from None
    username, separator, password = text.partition(":")
    if not separator:
        raise AuthenticationFailed("the Basic credentials cannot be read")
    return username, password
