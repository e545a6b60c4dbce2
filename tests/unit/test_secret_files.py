"""Secrets from files: `NAME_FILE` beside each secret setting, private or refused, and never shown.

Covered by starting real processes: files that others can read (`test_unsafe_configurations.py`).
"""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from app.domain.errors import ConfigurationError
from app.secret_files import LARGEST_BYTES, read_secret_file, secrets_of
from app.settings import Settings, read_settings

URL = "postgresql+psycopg://janus_login:canary-password@db/janus"
CLIENTS = [{"name": "m", "token_sha256": "ab" * 32, "may_read": True}]


def secret(folder: Path, content: str, mode: int = 0o600) -> Path:
    """Write a file in a folder that other accounts may enter."""
    folder.chmod(0o755)
    path = folder / "secret"
    path.write_text(content)
    path.chmod(mode)
    return path


def test_every_setting_with_a_secret_in_it_is_one() -> None:
    assert set(secrets_of(Settings)) == {"database_url", "alert_url", "dicomweb_clients"}


@pytest.mark.parametrize("ending", ["", "\n", "\r\n"])
def test_secret_comes_from_its_file_without_the_line_end(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, ending: str
) -> None:
    monkeypatch.setenv("JANUS_MED_DATABASE_URL_FILE", str(secret(tmp_path, URL + ending)))
    assert read_settings().database_url == URL


def test_list_comes_from_its_file_as_json(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = secret(tmp_path, json.dumps(CLIENTS))
    monkeypatch.setenv("JANUS_MED_DICOMWEB_CLIENTS_FILE", str(path))
    assert [client.name for client in read_settings().dicomweb_clients] == ["m"]
    path.write_text("not json")
    with pytest.raises(ConfigurationError, match="JANUS_MED_DICOMWEB_CLIENTS_FILE"):
        read_settings()


@pytest.mark.covers("T17")
@pytest.mark.parametrize("where", ["environment", "configuration file"])
def test_secret_that_is_given_twice_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, where: str
) -> None:
    monkeypatch.setenv("JANUS_MED_DATABASE_URL_FILE", str(secret(tmp_path, URL)))
    if where == "environment":
        monkeypatch.setenv("JANUS_MED_DATABASE_URL", URL)
    else:
        config = tmp_path / "config.toml"
        config.write_text(f'database_url = "{URL}"\n')
        config.chmod(0o600)
        monkeypatch.setenv("JANUS_MED_CONFIG", str(config))
    with pytest.raises(ConfigurationError, match="both given") as caught:
        read_settings()
    assert "canary" not in str(caught.value)


def test_argument_goes_before_the_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("JANUS_MED_DATABASE_URL_FILE", str(secret(tmp_path, URL)))
    assert Settings(database_url="").database_url == ""


@pytest.mark.covers("T17", "C3")
@pytest.mark.parametrize(
    ("content", "mode", "reason"),
    [
        ("s", 0o604, "can be read by other accounts"),
        ("s", 0o640, "can be read by other accounts"),
        ("s", 0o620, "can be changed by other accounts"),
        ("", 0o600, "is empty"),
        ("\n", 0o600, "is empty"),
        ("s" * (LARGEST_BYTES + 1), 0o600, "at most"),
    ],
)
def test_file_that_is_no_private_secret_is_refused(
    tmp_path: Path, content: str, mode: int, reason: str
) -> None:
    with pytest.raises(ConfigurationError, match=f"X: .*{reason}"):
        read_secret_file(secret(tmp_path, content, mode), setting="X")


def test_missing_file_and_folder_are_named(tmp_path: Path) -> None:
    for path in (tmp_path / "none", tmp_path):
        with pytest.raises(ConfigurationError, match=str(path)):
            read_secret_file(path, setting="X")


def test_folder_of_systemd_and_a_closed_folder_are_private(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = secret(tmp_path, "s", 0o444)
    with pytest.raises(ConfigurationError, match="can be read"):
        read_secret_file(path, setting="X")
    monkeypatch.setenv("CREDENTIALS_DIRECTORY", str(tmp_path))
    assert read_secret_file(path, setting="X") == "s"
    monkeypatch.delenv("CREDENTIALS_DIRECTORY")
    tmp_path.chmod(0o700)
    assert read_secret_file(path, setting="X") == "s"
    path.chmod(0o666)
    with pytest.raises(ConfigurationError, match="can be"):
        read_secret_file(path, setting="X")


@pytest.mark.covers("C3")
def test_no_secret_is_shown(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    settings = Settings(
        database_url=URL,
        alert_url="https://hooks.example/canary-hook",
        dicomweb_clients=CLIENTS,  # type: ignore[arg-type]
    )
    shown = f"{settings!r} {settings!s} {settings.dicomweb_clients!r}"
    assert "canary" not in shown
    assert "abab" not in shown
    monkeypatch.setenv("JANUS_MED_DICOMWEB_CLIENTS", json.dumps([CLIENTS[0] | {"token_sha256": "canary"}]))
    with pytest.raises(ConfigurationError) as caught:
        read_settings()
    assert "canary" not in str(caught.value)
