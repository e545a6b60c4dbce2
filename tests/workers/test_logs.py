"""What a process logs: our events with keyed hashes for UIDs, and nothing of what libraries say."""

from __future__ import annotations

import json
import logging
from collections.abc import Iterator
from pathlib import Path

import pytest
import structlog

from app.logs import set_up_logging, short_hash

UID = "1.2.826.0.1.3680043.9.1"


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
