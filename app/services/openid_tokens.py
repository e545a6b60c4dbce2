"""Checks tokens of an identity provider: signature, issuer, audience, times, nonce (OIDC Core 3.1.3.7)."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any, cast

from joserfc import jwt
from joserfc.errors import InvalidKeyIdError, JoseError
from joserfc.jwk import KeySet

from app.domain.errors import SignOnRefused

# asymmetric ones alone: "none" proves nothing, and with HS256 the public key would be a secret that all know
ALGORITHMS = (
    "RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512", "Ed25519", "EdDSA",
)  # fmt: skip
LEEWAY_SECONDS = 30
_LONGEST_TOKEN = 64 * 1024
_LOGOUT_EVENT = "http://schemas.openid.net/event/backchannel-logout"
_AGAIN = (
    "the identity provider's answer was not accepted: log in again; if it happens again, tell the "
    "administrator"
)


class UnknownKey(SignOnRefused):
    """The token names a key that is not among those we know: the provider may have new ones."""


def refused(reason: str) -> SignOnRefused:
    """Return the refusal of a token."""
    return SignOnRefused(_AGAIN, reason)


def read_keys(document: object) -> KeySet:
    """Return the public keys of a JSON Web Key Set; symmetric and encryption keys are left out.

    Raises
    ------
    SignOnRefused
        If it holds none that can be used.
    """
    keys = document.get("keys") if isinstance(document, dict) else None
    usable = [
        key
        for key in (keys if isinstance(keys, list) else [])
        if isinstance(key, dict) and key.get("kty") in {"RSA", "EC", "OKP"} and key.get("use", "sig") == "sig"
    ]
    try:
        return KeySet.import_key_set({"keys": usable})
    except (JoseError, ValueError, TypeError, KeyError):
        raise refused("the provider's keys cannot be read") from None


def check_id_token(
    token: str, keys: KeySet, *, issuer: str, client_id: str, nonce: str, access_token: str, now: datetime
) -> Mapping[str, Any]:
    """Return the claims of an ID token that was made for us, for this log-in, and is in force.

    Raises
    ------
    UnknownKey
        If it was signed with a key that is not in `keys`.
    SignOnRefused
        If anything about it is wrong; the reason names the check.
    """
    from authlib.oidc.core import CodeIDToken  # type: ignore[import-untyped]

    decoded = _decode(token, keys)
    claims = CodeIDToken(
        decoded.claims,
        decoded.header,
        {
            "iss": {"essential": True, "value": issuer},
            "aud": {"essential": True, "value": client_id},
            "sub": {"essential": True},
        },
        {"client_id": client_id, "nonce": nonce, "access_token": access_token},
    )
    try:
        claims.validate(now=int(now.timestamp()), leeway=LEEWAY_SECONDS)
    except JoseError as error:
        raise refused(f"ID token: {_name(error)}") from None
    except (TypeError, ValueError):
        raise refused("ID token: claims cannot be read") from None
    if not isinstance(claims["sub"], str):
        raise refused("ID token: claims cannot be read")
    return cast(Mapping[str, Any], dict(claims))


def check_logout_token(
    token: str, keys: KeySet, *, issuer: str, client_id: str, now: datetime
) -> Mapping[str, Any]:
    """Return the claims of a logout token (OpenID Connect Back-Channel Logout 1.0, 2.6).

    Raises
    ------
    UnknownKey, SignOnRefused
        As for an ID token.
    """
    claims = _decode(token, keys).claims
    registry = jwt.JWTClaimsRegistry(
        int(now.timestamp()),
        LEEWAY_SECONDS,
        iss={"essential": True, "value": issuer},
        aud={"essential": True, "value": client_id},
        iat={"essential": True},
        exp={"essential": True},
        jti={"essential": True},
    )
    try:
        registry.validate(claims)
    except JoseError as error:
        raise refused(f"logout token: {_name(error)}") from None
    except (TypeError, ValueError):
        raise refused("logout token: claims cannot be read") from None
    events = claims.get("events")
    if not isinstance(events, dict) or _LOGOUT_EVENT not in events or "nonce" in claims:
        raise refused("logout token: not a logout token")
    named = [claims.get("sub", ""), claims.get("sid", "")]
    if not any(named) or not all(isinstance(name, str) for name in named):
        raise refused("logout token: names neither person nor session")
    return claims


def _decode(token: str, keys: KeySet) -> jwt.Token:
    if not token or len(token) > _LONGEST_TOKEN:
        raise refused("no token, or one too large")
    try:
        return jwt.decode(token, keys, algorithms=list(ALGORITHMS))
    except InvalidKeyIdError:
        raise UnknownKey(_AGAIN, "token: signed with an unknown key") from None
    except JoseError as error:
        raise refused(f"token: {_name(error)}") from None
    except (ValueError, TypeError, KeyError, RecursionError):
        raise refused("token: cannot be read") from None


def _name(error: JoseError) -> str:
    """Return the kind of an error and the claim, never a value."""
    claim = getattr(error, "claim", "")
    return f"{error.error} {claim}".strip()
