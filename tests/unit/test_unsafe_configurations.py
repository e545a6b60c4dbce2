"""Unsafe configurations: the process ends, names the reason, and has not served.

Covered: every configuration of `unsafe_configurations.UNSAFE` as a real process that an administrator starts.
What the database says about itself is in `tests/store/test_readiness.py`, accounts in
`tests/store/test_first_accounts.py`.
"""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from pathlib import Path

import pytest

from app.domain.errors import ConfigurationError
from app.settings import Settings, read_settings
from app.start_checks import require_known_variables, require_safe
from app.ui import server
from tests.reliability import record
from tests.unit.unsafe_configurations import DESTINATION, SENTENCE, UNSAFE, Unsafe, tls_files

NOW = datetime.now(UTC)
IDS = [unsafe.name for unsafe in UNSAFE]


@pytest.mark.slow
@pytest.mark.covers("T17")
def test_no_process_starts_with_an_unsafe_configuration(tmp_path: Path) -> None:
    def end_of(unsafe: Unsafe) -> str:
        folder = tmp_path / unsafe.name.replace(" ", "_")
        folder.mkdir()
        ended = unsafe.start(folder)
        [line] = [line for line in ended.stderr.splitlines() if line.startswith("janus-med: ")] or [""]
        is_refused = ended.returncode == 2 and unsafe.reason in line
        has_served = (folder / "data" / "database").exists() or "ready" in ended.stdout + ended.stderr
        hides_secrets = "canary-password" not in ended.stdout + ended.stderr
        return "" if is_refused and not has_served and hides_secrets else f"{unsafe.name}: {ended.stderr}"

    with ThreadPoolExecutor(2) as starters:
        wrong = [problem for problem in starters.map(end_of, UNSAFE) if problem]
    record(
        "unsafe_configurations",
        "unsafe configurations, each in a process of its own",
        f"started wrongly {len(wrong)} of {len(UNSAFE)}",
        figures={"wrong": len(wrong), "of": len(UNSAFE)},
    )
    assert len(UNSAFE) >= 15
    assert wrong == []


@pytest.mark.covers("T17")
@pytest.mark.parametrize(
    ("process", "settings"),
    [
        (
            "listener",
            {"dicom_host": "10.0.0.1", "allow_plain_off_loopback": SENTENCE, "allowed_ae_titles": ("A",)},
        ),
        ("ui", {"ui_host": "10.0.0.1", "ui_tls": True}),
        (
            "ui",
            {
                "ui_host": "0.0.0.0",
                "allow_plain_ui_off_loopback": "Only a proxy with TLS or this machine reaches the web UI",
            },
        ),
        ("delivery", {"destinations": (DESTINATION | {"host": "10.0.0.9"},)}),
        ("supervisor", {}),
    ],
)
def test_what_is_safe_starts(process: str, settings: dict[str, object], tmp_path: Path) -> None:
    require_safe(Settings(data_dir=tmp_path, **settings), process, now=NOW)  # type: ignore[arg-type]


@pytest.mark.covers("T17")
@pytest.mark.parametrize(
    "name", ["expired certificate", "key of another certificate", "model that all can change"]
)
def test_supervisor_refuses_what_one_of_its_processes_refuses(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    unsafe = UNSAFE[IDS.index(name)]
    for variable, value in unsafe.environment(tmp_path).items():
        monkeypatch.setenv(variable, value)
    with pytest.raises(ConfigurationError, match=unsafe.reason):
        require_safe(read_settings(), "supervisor", now=NOW)


@pytest.mark.covers("T17")
def test_web_server_started_by_itself_refuses_before_it_listens(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(server, "bind", lambda _: pytest.fail("it has begun to listen"))
    with pytest.raises(ConfigurationError, match="would take passwords unencrypted"):
        server.serve(Settings(data_dir=tmp_path, ui_host="10.0.0.1", ui_port=0))


@pytest.mark.covers("T17", "C1")
def test_sound_certificate_is_taken_by_every_process(tmp_path: Path) -> None:
    certificate, key, authority = tls_files(tmp_path)
    settings = Settings(
        data_dir=tmp_path,
        dicom_tls_port=2762,
        dicom_tls_certificate=Path(certificate),
        dicom_tls_key=Path(key),
        dicom_tls_authorities=Path(authority),
    )
    require_safe(settings, "supervisor", now=NOW)


@pytest.mark.covers("T17")
def test_variable_of_another_program_is_left_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("JANUS_MEDIA", "x")
    require_known_variables()
    monkeypatch.setenv("JANUS_MED_UI_TSL", "true")
    with pytest.raises(
        ConfigurationError, match=r"JANUS_MED_UI_TSL is no setting \(is JANUS_MED_UI_TLS meant"
    ):
        require_known_variables()
