"""What a process logs: our events with keyed hashes for UIDs, and nothing of what libraries say."""

from __future__ import annotations

import ast
import json
import logging
from collections.abc import Iterator
from pathlib import Path

import pytest
import structlog

from app.log_fields import FIELDS
from app.logs import set_up_logging, short_hash

UID = "1.2.826.0.1.3680043.9.1"
ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(autouse=True)
def _logging_as_it_was() -> Iterator[None]:
    root = logging.getLogger()
    handlers, level = list(root.handlers), root.level
    yield
    root.handlers[:] = handlers
    root.setLevel(level)
    logging.captureWarnings(False)
    structlog.reset_defaults()


def lines(capsys: pytest.CaptureFixture[str]) -> list[dict[str, str]]:
    return [json.loads(line) for line in capsys.readouterr().err.splitlines()]


@pytest.mark.covers("C3", "T40")
def test_uids_appear_as_a_keyed_hash(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    set_up_logging("test", keys_dir=tmp_path / "keys", format_="json")
    structlog.get_logger().info("study complete", study_uid=UID, revision=1)
    [line] = lines(capsys)
    key = bytes.fromhex((tmp_path / "keys" / "log.key").read_text())
    assert line["study_uid"] == short_hash(key, UID)
    assert (line["process"], line["event"], line["revision"]) == ("test", "study complete", 1)


def test_uids_are_left_out_without_a_key(capsys: pytest.CaptureFixture[str]) -> None:
    set_up_logging("test", format_="json")
    structlog.get_logger().info("study complete", study_uid=UID)
    assert UID not in json.dumps(lines(capsys))


@pytest.mark.covers("C3", "T40")
def test_words_of_libraries_are_not_passed_on(capsys: pytest.CaptureFixture[str]) -> None:
    set_up_logging("test", format_="json")
    try:
        raise ValueError("DOE^JOHN")
    except ValueError:
        logging.getLogger("pynetdicom.acse").exception("DOE^JOHN %s", UID)
    logging.getLogger("procrastinate.worker").info("Starting job draft_study(study_uid=%s)", UID)
    [line] = lines(capsys)
    assert (line["logger"], line["error"]) == ("pynetdicom.acse", "ValueError")
    assert "DOE" not in json.dumps(line)
    assert UID not in json.dumps(line)


def test_level_is_kept(capsys: pytest.CaptureFixture[str]) -> None:
    set_up_logging("test", level="WARNING", format_="json")
    structlog.get_logger().info("quiet")
    structlog.get_logger().warning("loud")
    assert [line["event"] for line in lines(capsys)] == ["loud"]


CANARIES = (
    "CANARY^PATIENT^SEEDED",
    "the value 'Canary Patient' is no date",
    'PatientName "Canary Patient"',
    f"no object {UID}",
    "canary born 1970-02-28",
    "canary born 19700228",
    "canary MRN4711-0815123",
    "canary in /home/canary/file.dcm",
    "19700228",
    "1970-02-28",
    UID,
)
WORDS = ("CANARY^", "Canary Patient", UID, "1970-02-28", "19700228", "0815123", "/home/canary")


@pytest.mark.covers("C3", "T40")
@pytest.mark.parametrize(
    "field", sorted(FIELDS.keys() - {"event", "level", "process", "timestamp", "dropped"})
)
def test_no_field_passes_on_what_comes_from_an_image(field: str, capsys: pytest.CaptureFixture[str]) -> None:
    set_up_logging("test", format_="json")
    for canary in (
        *CANARIES,
        [CANARIES[0]],
        {"name": CANARIES[1]},
        ValueError(CANARIES[0]),
        CANARIES[0].encode(),
    ):
        structlog.get_logger().info("something happened", **{field: canary})
    written = capsys.readouterr().err
    assert written.count("something happened") == len(CANARIES) + 4
    assert [word for word in WORDS if word in written] == []


@pytest.mark.covers("C3", "T40")
def test_unknown_field_is_dropped_with_its_name(capsys: pytest.CaptureFixture[str]) -> None:
    set_up_logging("test", format_="json")
    structlog.get_logger().bind(patient_name="Canary Patient").info("seen", **{"Canary Patient": 1}, job=7)
    [line] = lines(capsys)
    assert (line["event"], line["job"], line["dropped"]) == ("seen", 7, 2)
    assert "anary" not in json.dumps(line)


@pytest.mark.covers("C3", "T40")
def test_words_of_an_error_and_of_its_causes_are_not_passed_on(capsys: pytest.CaptureFixture[str]) -> None:
    set_up_logging("test", format_="json")
    try:
        try:
            raise KeyError("Canary Patient")
        except KeyError as cause:
            raise RuntimeError("Canary Patient 2") from cause
    except RuntimeError:
        structlog.get_logger().exception("it failed")
    [line] = lines(capsys)
    assert line["error"] == "RuntimeError"
    assert str(line["at"]).startswith("test_logs.py:")
    assert "anary" not in json.dumps(line)


def test_reason_in_our_own_words_stays_readable(capsys: pytest.CaptureFixture[str]) -> None:
    set_up_logging("test", format_="json")
    reason = "PACS@pacs:11112 cannot be reached: connection refused (attempt 3 of 8)"
    structlog.get_logger().warning("delivery failed", reason="no answer in 30 s, next in 300 s", subject="x")
    structlog.get_logger().info("message taken", kind="ORU^R01", peer=reason[:15])
    first, second = lines(capsys)
    assert first["reason"] == "no answer in 30 s, next in 300 s"
    assert (second["kind"], second["peer"]) == ("ORU^R01", "PACS@pacs:11112")


def test_checkpoint_of_the_audit_log_is_logged_whole(capsys: pytest.CaptureFixture[str]) -> None:
    set_up_logging("test", format_="json")
    facts = {
        "key_id": "0123456789012345",
        "digest": "0a" * 32,
        "seal": "0b" * 64,
        "number": 3,
        "seq": 1234567,
    }
    structlog.get_logger().info("audit checkpoint", **facts)
    [line] = lines(capsys)
    assert {name: line[name] for name in facts} == facts


@pytest.mark.covers("C3")
def test_every_field_that_our_code_logs_is_known() -> None:
    used = {name for file in sorted((ROOT / "app").rglob("*.py")) for name in logged_fields(file)}
    assert len(used) > 40
    assert used - FIELDS.keys() == set()


def logged_fields(file: Path) -> set[str]:
    """Name the keywords of the calls that log."""
    found: set[str] = set()
    for node in ast.walk(ast.parse(file.read_text())):
        if not isinstance(node, ast.Call) or not isinstance(node.func, ast.Attribute):
            continue
        logger = ast.unparse(node.func.value)
        is_log = logger == "log" or logger.endswith("_log") or "get_logger()" in logger or "_log(" in logger
        if is_log and node.func.attr in {
            "debug",
            "info",
            "warning",
            "error",
            "critical",
            "exception",
            "log",
            "bind",
        }:
            found |= {keyword.arg for keyword in node.keywords if keyword.arg}
    return found
