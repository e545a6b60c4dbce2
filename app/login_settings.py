"""Settings of the log-in: how long it lasts, who needs a second factor, which identity provider is asked."""

from __future__ import annotations

from pathlib import Path
from urllib.parse import urlsplit

from pydantic import BaseModel, ConfigDict, Field, field_validator
from pydantic_settings import BaseSettings

from app.addresses import is_loopback
from app.domain.access import Role
from app.domain.account import LoginPolicy


class OidcSettings(BaseModel):
    """The identity provider of single sign-on (OpenID Connect Core 1.0, authorization code flow)."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: str = Field(default="single sign-on", description="How the log-in page calls it.", max_length=40)
    issuer: str = Field(description="Its issuer, exactly as in its discovery document; https.")
    client_id: str = Field(description="Our name there.", min_length=1)
    client_secret_file: Path = Field(description="File with our secret, readable by our account alone.")
    scopes: tuple[str, ...] = Field(default=("openid", "profile"), description="Scopes that are asked for.")
    username_claim: str = Field(default="preferred_username", description="Claim with the user name.")
    name_claim: str = Field(default="name", description="Claim with the name under a signature.")
    groups_claim: str = Field(default="groups", description="Claim with the list of groups.")
    roles: dict[str, Role] = Field(
        description="Role of each group; the first group here that a person is in decides."
    )
    ca_file: Path | None = Field(default=None, description="Authority (PEM) of its certificate, if private.")
    only: bool = Field(default=False, description="Passwords here open nothing, but for `break_in`.")
    break_in: tuple[str, ...] = Field(
        default=(), description="Accounts with a password that may log in all the same."
    )
    session_minutes: int = Field(
        default=480, description="Longest session; then the provider is asked again.", ge=5, le=720
    )

    @field_validator("issuer")
    @classmethod
    def _is_private_path(cls, value: str) -> str:
        require_private_address(value)
        return value

    @field_validator("roles")
    @classmethod
    def _are_personal(cls, value: dict[str, Role]) -> dict[str, Role]:
        if not value or Role.SERVICE in value.values():
            raise ValueError("roles gives at least one group a role, and none the role service")
        return value

    @field_validator("scopes")
    @classmethod
    def _has_openid(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        if "openid" not in value:
            raise ValueError("scopes has to name openid")
        return value


class LoginSettings(BaseSettings):
    """What `Settings` knows of the log-in."""

    idle_minutes: int = Field(default=15, description="Idle time after which a session or lock ends.", ge=1)
    emergency_minutes: int = Field(default=60, description="Minutes of an emergency access.", ge=1, le=1440)
    oidc: OidcSettings | None = Field(
        default=None,
        description="Identity provider (JSON object; see Single sign-on below); empty: none.",
    )
    totp_roles: tuple[Role, ...] = Field(
        default=(), description="Roles whose accounts need a one-time password (JSON list)."
    )

    @field_validator("totp_roles")
    @classmethod
    def _are_of_people(cls, value: tuple[Role, ...]) -> tuple[Role, ...]:
        if Role.SERVICE in value:
            raise ValueError("the role service belongs to processes, which have no second factor")
        return value

    @property
    def login_policy(self) -> LoginPolicy:
        """Who may log in with a password, and who needs a second factor for it."""
        only = self.oidc is not None and self.oidc.only
        names = frozenset(self.oidc.break_in) if self.oidc is not None and only else None
        return LoginPolicy(frozenset(self.totp_roles), names)


def require_private_address(address: str) -> None:
    """Raise ValueError unless an address is https, or http of this machine itself."""
    parts = urlsplit(address)
    host = parts.hostname or ""
    if not host or parts.username or parts.query or parts.fragment:
        raise ValueError(f"{address!r} is no address of the form https://host/path")
    if parts.scheme == "https" or (parts.scheme == "http" and is_loopback(host)):
        return
    raise ValueError(f"{address!r} is not https: tokens would cross the network in the clear")
