"""Accounts that a web server needs before it opens, and those that everybody knows."""

from __future__ import annotations

from app.addresses import is_loopback
from app.domain.access import Role
from app.domain.account import User
from app.domain.errors import ConfigurationError
from app.services.passwords import password_matches
from app.settings import Settings
from app.store.engine import Store

DEMO_MARK = "demo.lock"
DEMO_NAMES = ("attending", "resident", "viewer", "auditor", "admin")
DEMO_PASSWORD = "janus-demo-2026"  # noqa: S105 - printed on purpose; the UI of the demo is on loopback


def require_accounts(store: Store, settings: Settings) -> None:
    """Refuse to open for nobody, and with the passwords of the demo outside of the demo.

    Raises
    ------
    ConfigurationError
        If no account can log in, neither here, at an identity provider, nor as a client of DICOMweb; or if an
        account has the demo's password and this is no demo, or one that the network reaches.
    """
    with store.begin() as tx:
        people = [user for user in tx.users.all() if user.role is not Role.SERVICE and not user.disabled]
    has_clients = settings.dicomweb and bool(settings.dicomweb_clients)
    if not people and settings.oidc is None and not has_clients:
        raise ConfigurationError(
            "there is no account that could log in: add one with `janus-med users add NAME --role admin`"
        )
    is_demo = (settings.data_dir / DEMO_MARK).exists() and is_loopback(settings.ui_host)
    if not is_demo and (known := _with_demo_password(people)):
        raise ConfigurationError(
            f"everybody knows the password of {', '.join(known)}: it is that of the demo; change it in "
            "the view Accounts, or close the account"
        )


def _with_demo_password(people: list[User]) -> list[str]:
    # only the demo's names: to compare a password takes long on purpose
    suspects = (user for user in people if user.username in DEMO_NAMES and user.password_hash)
    return [user.username for user in suspects if password_matches(user, DEMO_PASSWORD)]
