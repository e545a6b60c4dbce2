"""Log-in settings that would be unsafe: the process names the reason and does not start."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from app.domain.errors import ConfigurationError
from app.login_settings import OidcSettings
from app.services.openid_provider import open_provider
from app.settings import read_settings

SOUND = {
    "issuer": "https://sso.example",
    "client_id": "c",
    "client_secret_file": "/x",
    "roles": {"g": "viewer"},
}


@pytest.mark.covers("T17", "C2")
@pytest.mark.parametrize(
    ("change", "named"),
    [
        ({"issuer": "http://sso.example"}, "not https"),
        ({"issuer": "sso.example"}, "no address"),
        ({"issuer": "https://user@sso.example"}, "no address"),
        ({"client_secret_file": None}, "CLIENT_SECRET_FILE"),
        ({"roles": {}}, "at least one group"),
        ({"roles": {"g": "service"}}, "service"),
        ({"roles": {"g": "king"}}, "ROLES"),
        ({"scopes": ["profile"]}, "openid"),
        ({"session_minutes": 100_000}, "SESSION_MINUTES"),
        ({"client_secret": "not to be shown"}, "CLIENT_SECRET"),
    ],
)
def test_unsafe_single_sign_on_is_refused_at_start(
    monkeypatch: pytest.MonkeyPatch, change: dict[str, Any], named: str
) -> None:
    value = {name: v for name, v in (SOUND | change).items() if v is not None}
    monkeypatch.setenv("JANUS_MED_OIDC", json.dumps(value))
    with pytest.raises(ConfigurationError, match=named) as caught:
        read_settings()
    assert "not to be shown" not in str(caught.value)


@pytest.mark.covers("T17", "C2")
def test_reading_room_does_not_start_without_its_client_secret(tmp_path: Path) -> None:
    def open_with(path: Path) -> None:
        open_provider(OidcSettings(**(SOUND | {"client_secret_file": path})))  # type: ignore[arg-type]

    secret = tmp_path / "secret"
    tmp_path.chmod(0o755)  # others may enter: the file's own mode decides
    with pytest.raises(ConfigurationError, match="cannot be read"):
        open_with(secret)
    secret.write_text("s")
    secret.chmod(0o644)
    with pytest.raises(ConfigurationError, match="can be read by other accounts"):
        open_with(secret)
    secret.chmod(0o600)
    open_with(secret)
    secret.write_text("\n")
    with pytest.raises(ConfigurationError, match="is empty"):
        open_with(secret)


@pytest.mark.slow
@pytest.mark.covers("T17", "C2")
def test_process_ends_with_one_line_that_names_the_secret(tmp_path: Path) -> None:
    secret = tmp_path / "secret"
    tmp_path.chmod(0o755)
    secret.write_text("s")
    secret.chmod(0o604)
    environment = {name: value for name, value in os.environ.items() if not name.startswith("JANUS_MED_")}
    environment |= {
        "JANUS_MED_DATA_DIR": str(tmp_path / "data"),
        "JANUS_MED_OIDC": json.dumps(SOUND | {"client_secret_file": str(secret)}),
    }
    ended = subprocess.run(
        [sys.executable, "-m", "app.ui.server"],
        env=environment,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert ended.returncode == 1
    (line,) = [line for line in ended.stderr.splitlines() if line.startswith("janus-med ui:")]
    assert "can be read by other accounts" in line
    assert not (tmp_path / "data" / "database").exists(), "nothing was made before the check"
