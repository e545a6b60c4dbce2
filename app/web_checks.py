"""What the web server refuses before it serves: an open network, any host name, guessable tokens."""

from __future__ import annotations

import hashlib
from datetime import datetime

from app.addresses import covers_every_address, is_loopback
from app.domain.errors import ConfigurationError
from app.services.recogniser import is_installed
from app.settings import Settings

# only the digest of a token is known to us: these are what people put in its place
_GUESSABLE = (
    "",
    "token",
    "secret",
    "password",
    "changeme",
    "change-me",
    "test",
    "dicomweb",
    "janus",
    "admin",
    "1234",
)


def require_safe_web(settings: Settings, now: datetime) -> None:
    """Refuse a web server that would be open to others than its settings say.

    Raises
    ------
    ConfigurationError
        Naming the setting and what to do.
    """
    if "*" in settings.ui_allowed_hosts:
        raise ConfigurationError(
            'JANUS_MED_UI_ALLOWED_HOSTS permits every host name ("*"): name those of this server, or a '
            "foreign page can reach it under its own name"
        )
    if not is_private_path(settings):
        _require_sentence(settings)
        if settings.dicomweb and settings.dicomweb_clients:
            raise ConfigurationError(
                "JANUS_MED_DICOMWEB_CLIENTS would send their tokens unencrypted: put a proxy with TLS in "
                "front and set JANUS_MED_UI_TLS"
            )
    if any(covers_every_address(network) for network in settings.ui_trusted_proxies):
        raise ConfigurationError(
            "JANUS_MED_UI_TRUSTED_PROXIES trusts every address: anybody could write any address into the "
            "audit log; name the proxy"
        )
    _require_secret_tokens(settings)
    if settings.dictation == "local" and not is_installed():
        raise ConfigurationError(
            "JANUS_MED_DICTATION=local needs the recogniser: install the extra `dictation` "
            "(pip install 'janus-med[dictation]'), or set it to off"
        )


def is_private_path(settings: Settings) -> bool:
    """Tell whether nobody on the way to the web server can read what is sent to it."""
    return settings.ui_tls or is_loopback(settings.ui_host)


def _require_sentence(settings: Settings) -> None:
    if not settings.allow_plain_ui_off_loopback:
        raise ConfigurationError(
            f"the web UI would take passwords unencrypted on {settings.ui_host}: keep JANUS_MED_UI_HOST on "
            "loopback, put a proxy with TLS in front and set JANUS_MED_UI_TLS, or set "
            "JANUS_MED_ALLOW_PLAIN_UI_OFF_LOOPBACK to the sentence that its help names"
        )


def _require_secret_tokens(settings: Settings) -> None:
    known = {hashlib.sha256(word.encode()).hexdigest() for word in _GUESSABLE}
    digests = [client.token_sha256 for client in settings.dicomweb_clients]
    for client in settings.dicomweb_clients:
        if client.token_sha256 in known:
            raise ConfigurationError(
                f"JANUS_MED_DICOMWEB_CLIENTS, {client.name}: its token can be guessed: make one with "
                "`openssl rand -hex 32`"
            )
        if digests.count(client.token_sha256) > 1:
            raise ConfigurationError(
                f"JANUS_MED_DICOMWEB_CLIENTS, {client.name}: another client has the same token"
            )
