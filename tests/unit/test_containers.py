"""The files of `docker/` are valid and agree with the code.

What is not covered: whether the images build and run; that needs a container engine.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tomllib
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
import yaml

from app.settings import Settings, read_settings
from app.start_checks import require_safe
from tests.conftest import need

DOCKER = Path(__file__).resolve().parents[2] / "docker"
PROCESS = {"worker": "drafting", "keep": "housekeeping"}
OURS = {"migrate", "listener", "worker", "delivery", "hl7", "keep", "ui"}


def run(*command: str | Path, cwd: Path = DOCKER) -> subprocess.CompletedProcess[str]:
    """Run a command in the folder of the containers, to its end."""
    return subprocess.run(
        [str(part) for part in command], cwd=cwd, capture_output=True, text=True, check=False
    )


def make_secrets(folder: Path) -> Path:
    """Run the script that writes the secrets in a copy of its folder, and return where they are."""
    (folder / "secrets").mkdir()
    script = shutil.copy(DOCKER / "make-secrets", folder)
    done = run(script)
    assert done.returncode == 0, done.stderr
    return folder / "secrets"


@pytest.fixture(scope="module")
def compose() -> dict[str, Any]:
    """The compose file as plain values."""
    return yaml.safe_load((DOCKER / "compose.yaml").read_text())


def test_every_service_of_our_image_is_looked_at(compose: dict[str, Any]) -> None:
    ours = {
        name for name, service in compose["services"].items() if service["image"].startswith("janus-med:")
    }

    assert ours == OURS


def test_dockerfile_has_no_complaint_from_hadolint() -> None:
    done = run(Path(sys.executable).parent / "hadolint", "Dockerfile")

    assert done.returncode == 0, done.stdout


@pytest.mark.parametrize("files", [["compose.yaml"], ["compose.yaml", "compose.gpu.yaml"]])
def test_compose_accepts_the_files(files: list[str]) -> None:
    need(shutil.which("docker-compose"), "docker-compose (apt-get install docker-compose)")

    done = run("docker-compose", *(word for file in files for word in ("-f", file)), "config", "-q")

    assert done.returncode == 0, done.stderr


def test_each_process_runs_a_command_that_exists(compose: dict[str, Any]) -> None:
    from typer.main import get_command

    from app.cli import cli

    for service in OURS:
        command: Any = get_command(cli)
        for word in compose["services"][service]["command"]:
            assert word in command.commands, f"{service}: janus-med has no command {word}"
            command = command.commands[word]


def test_containers_run_unprivileged_on_a_read_only_root(compose: dict[str, Any]) -> None:
    for service in OURS:
        definition = compose["services"][service]
        assert definition["read_only"], service
        assert definition["cap_drop"] == ["ALL"], service
        assert "no-new-privileges:true" in definition["security_opt"], service
    users = [line for line in (DOCKER / "Dockerfile").read_text().splitlines() if line.startswith("USER ")]
    assert users == ["USER 10001:10001"]


def test_settings_in_the_containers_are_settings_of_the_code(compose: dict[str, Any]) -> None:
    known = {f"JANUS_MED_{name.upper()}" for name in Settings.model_fields} | {"JANUS_MED_CONFIG"}
    used = {name for service in OURS for name in compose["services"][service]["environment"]}

    assert used <= known


def test_settings_and_secrets_together_are_a_valid_configuration(
    compose: dict[str, Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in [name for name in os.environ if name.startswith("JANUS_MED_")]:
        monkeypatch.delenv(name)
    secrets = make_secrets(tmp_path)
    for service in OURS:
        environment = compose["services"][service]["environment"]
        for name, value in environment.items():
            monkeypatch.setenv(name, value)
        secret = Path(environment["JANUS_MED_CONFIG"]).name
        monkeypatch.setenv("JANUS_MED_CONFIG", str(secrets / Path(compose["secrets"][secret]["file"]).name))

        settings = read_settings()

        if service != "migrate":
            require_safe(settings, PROCESS.get(service, service), now=datetime.now(UTC))
        role = "janus_owner" if service == "migrate" else "janus_login"
        assert settings.database_url.startswith(f"postgresql+psycopg://{role}:")
        assert [destination.host for destination in settings.destinations] == ["orthanc"]


def test_secrets_are_random_match_each_other_and_are_never_overwritten(tmp_path: Path) -> None:
    secrets = make_secrets(tmp_path)
    passwords = {name: (secrets / name).read_text() for name in ("postgres-password", "application-password")}

    assert len(set(passwords.values())) == 2
    assert f":{passwords['postgres-password']}@" in (secrets / "owner.toml").read_text()
    assert f":{passwords['application-password']}@" in (secrets / "application.toml").read_text()
    assert secrets.stat().st_mode & 0o077 == 0
    assert run(tmp_path / "make-secrets").returncode == 1
    assert (secrets / "postgres-password").read_text() == passwords["postgres-password"]


def test_passwords_come_from_files_that_git_ignores(compose: dict[str, Any]) -> None:
    environments = [service.get("environment", {}) for service in compose["services"].values()]
    names = {name for environment in environments for name in environment}

    assert {name for name in names if "PASSWORD" in name and not name.endswith("_FILE")} == set()
    for secret in compose["secrets"].values():
        assert run("git", "check-ignore", "-q", secret["file"]).returncode == 0, secret["file"]


def test_containers_install_the_versions_that_are_tested() -> None:
    project = tomllib.loads((DOCKER.parent / "pyproject.toml").read_text())["project"]
    python = project["requires-python"].removeprefix(">=")
    stages = [line for line in (DOCKER / "Dockerfile").read_text().splitlines() if line.startswith("FROM ")]

    assert all(line.startswith(f"FROM python:{python}-slim") for line in stages)
    assert "-c constraints.txt" in (DOCKER / "Dockerfile").read_text()
