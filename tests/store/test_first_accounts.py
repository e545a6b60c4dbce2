"""The web server does not open for nobody, nor with passwords that everybody knows."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import pytest

from app.demo_settings import USERS, add_users
from app.domain.access import Role, service_actor
from app.domain.errors import ConfigurationError
from app.services.accounts import add_user, change_user
from app.services.first_accounts import DEMO_MARK, DEMO_NAMES, require_accounts
from app.settings import Settings
from app.store.engine import Store
from app.ui import server

NOW = datetime.now(UTC)
CLIENT = {"name": "m", "token_sha256": "ab" * 32, "may_read": True}


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return Settings(data_dir=tmp_path, ui_port=0)


@pytest.mark.covers("T17")
def test_web_server_does_not_open_without_an_account(
    store: Store, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("app.store.engine.open_store", lambda _: store)
    monkeypatch.setattr(server, "build_app", lambda *_: pytest.fail("it has begun to serve"))
    with pytest.raises(ConfigurationError, match="janus-med users add"):
        server.serve(settings)


@pytest.mark.covers("T17")
def test_closed_account_is_none_and_machines_need_none(store: Store, settings: Settings) -> None:
    actor = service_actor("test")
    add_user(
        store, actor, username="ada", printed_name="Ada", role=Role.ADMIN, password="correct horse 1", now=NOW
    )
    require_accounts(store, settings)
    change_user(store, actor, "ada", disabled=True, now=NOW)
    with pytest.raises(ConfigurationError, match="no account"):
        require_accounts(store, settings)
    require_accounts(store, Settings(data_dir=settings.data_dir, dicomweb=True, dicomweb_clients=(CLIENT,)))


@pytest.mark.covers("T17")
def test_passwords_of_the_demo_open_the_demo_alone(store: Store, settings: Settings) -> None:
    add_users(store)
    with pytest.raises(ConfigurationError, match=r"everybody knows the password of .*attending"):
        require_accounts(store, settings)
    (settings.data_dir / DEMO_MARK).touch()
    require_accounts(store, settings)
    with pytest.raises(ConfigurationError, match="everybody knows"):
        require_accounts(store, settings.model_copy(update={"ui_host": "10.0.0.1"}))


def test_names_of_the_demo_are_those_that_are_looked_at() -> None:
    assert {user.username for user in USERS} == set(DEMO_NAMES)
