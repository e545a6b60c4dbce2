"""The route of the dictation: to whom it answers, what it refuses, and that nothing of it is kept.

Covered: a recogniser of the test in place of the process. Not covered: what is recognised
(`tests/unit/dictation`), the microphone (`tests/e2e/test_writing.py`).
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime

import numpy as np
import pytest
import structlog
from httpx2 import Response

from app.domain.dictation_sound import RATE
from app.domain.report import Section
from app.domain.said_sentences import shipped_phrases
from app.domain.spoken_text import HeardWord
from app.domain.template import TemplateContent
from app.services import templates
from app.services.dictation import DictationDesk, department_lines
from app.services.pace import Pace
from app.services.recogniser import RecogniserUnavailable
from app.ui.csrf import CSRF_HEADER
from app.ui.headers import security_headers
from tests.ui.conftest import Browser, Hospital

PATH = f"/api/dictation?rate={RATE}"
SOUND = (3000 * np.sin(np.arange(RATE) / 12)).astype("<i2").tobytes()


@dataclass
class Listener:
    """Hears what it is told to, and remembers how much it was given."""

    words: list[tuple[str, float]] = field(
        default_factory=lambda: [("no", 0.9), ("pleural", 1.0), ("effusion", 0.6)]
    )
    sizes: list[int] = field(default_factory=list)

    def hear(self, samples: bytes) -> tuple[HeardWord, ...]:
        self.sizes.append(len(samples))
        return tuple(HeardWord(*word) for word in self.words)

    def close(self) -> None:
        """There is nothing to stop."""


@pytest.fixture
def listener() -> Listener:
    return Listener()


@pytest.fixture
def hospital(hospital: Hospital, listener: Listener) -> Hospital:
    desk = DictationDesk(listener, {"ct": "CT"})
    return Hospital(replace(hospital.room, dictation=desk), hospital.files)


def say(browser: Browser, sound: bytes = SOUND, path: str = PATH) -> Response:
    return browser.post(path, content=sound)


@pytest.mark.covers("U5")
def test_reader_gets_the_words_with_their_confidence(
    browser_of: Callable[[str], Browser], listener: Listener
) -> None:
    answer = say(browser_of("ada"))
    assert (answer.status_code, answer.headers["cache-control"]) == (200, "no-store")
    assert answer.json() == {
        "words": [
            {"text": "no", "confidence": 0.9, "doubtful": False},
            {"text": "pleural", "confidence": 1.0, "doubtful": False},
            {"text": "effusion", "confidence": 0.6, "doubtful": True},
        ],
        "reason": "",
    }
    listener.words = [("not", 0.2), ("three", 0.9), ("millimeters", 0.9), ("ct", 0.9)]
    held_back = say(browser_of("rana")).json()
    assert held_back["reason"] == "a negation was heard with doubt"
    assert [word["text"] for word in held_back["words"]] == ["not", "3 mm", "CT"]


@pytest.mark.covers("C2")
@pytest.mark.parametrize("username", ["vera", "adam"])
def test_who_may_not_write_is_not_listened_to(
    browser_of: Callable[[str], Browser], listener: Listener, username: str
) -> None:
    assert say(browser_of(username)).status_code == 403
    assert listener.sizes == []


def test_route_needs_a_session_its_token_and_a_page_of_ours(
    browser_of: Callable[[str], Browser], stranger: Browser, listener: Listener
) -> None:
    assert say(stranger).status_code == 401
    ada = browser_of("ada")
    ada.headers["Sec-Fetch-Site"] = "cross-site"
    assert say(ada).status_code == 403
    del ada.headers["Sec-Fetch-Site"]
    token = ada.headers.pop(CSRF_HEADER)
    assert say(ada).status_code == 403
    assert ada.get(PATH).status_code == 405
    assert listener.sizes == []
    ada.headers[CSRF_HEADER] = token
    assert say(ada).status_code == 200


@pytest.mark.parametrize(
    ("sound", "rate", "reason"),
    [
        (bytes(2 * RATE), "16000", "silence"),
        (b"\xff\x7f\x00\x80" * RATE, "16000", "clipped"),
        (SOUND * 21, "16000", "dictate at most 20 s"),
        (SOUND, "44100", "record at 16000"),
        (SOUND, "", "how many samples"),
        (SOUND, "1e4", "how many samples"),
        (SOUND, "\u0661", "how many samples"),
    ],
)
def test_what_cannot_be_listened_to_is_refused_with_its_reason(
    browser_of: Callable[[str], Browser], listener: Listener, sound: bytes, rate: str, reason: str
) -> None:
    answer = say(browser_of("ada"), sound, f"/api/dictation?rate={rate}")
    assert answer.status_code == 422
    assert reason in answer.json()["message"]
    assert listener.sizes == []


def test_too_many_bytes_are_refused_before_they_are_read(
    browser_of: Callable[[str], Browser], listener: Listener
) -> None:
    assert say(browser_of("ada"), bytes(2**20 + 2)).status_code == 413
    assert listener.sizes == []


def test_nothing_heard_and_nobody_listening_are_told(
    browser_of: Callable[[str], Browser], listener: Listener, monkeypatch: pytest.MonkeyPatch
) -> None:
    ada = browser_of("ada")
    listener.words = []
    silent = say(ada)
    assert (silent.status_code, silent.json()["message"]) == (422, "no word was heard: say it again")

    def fail(_: bytes) -> tuple[HeardWord, ...]:
        raise RecogniserUnavailable("the recogniser did not answer and was ended: say it again")

    monkeypatch.setattr(listener, "hear", fail)
    assert say(ada).status_code == 503


def test_reader_who_sends_too_often_is_told_to_slow_down_and_others_are_heard(
    hospital: Hospital, listener: Listener
) -> None:
    desk = DictationDesk(listener, pace=Pace(0.001, burst_seconds=2000))
    busy = Hospital(replace(hospital.room, dictation=desk), hospital.files)
    ada = Browser(busy, busy.log_in("ada")[0])
    assert [say(ada).status_code for _ in range(3)] == [200, 200, 429]
    assert say(Browser(busy, busy.log_in("rana")[0])).status_code == 200


def test_server_without_a_recogniser_says_so(hospital: Hospital) -> None:
    plain = Hospital(replace(hospital.room, dictation=None), hospital.files)
    assert say(Browser(plain, plain.log_in("ada")[0])).status_code == 404


@pytest.mark.covers("C3")
def test_nothing_that_was_said_is_kept_or_logged(
    hospital: Hospital, listener: Listener, caplog: pytest.LogCaptureFixture
) -> None:
    folder = hospital.room.settings.data_dir
    listener.words = [("xanthogranuloma", 0.9)]
    token, _ = hospital.log_in("ada")
    events = hospital.events()

    def files() -> dict[str, int]:
        return {str(path): path.stat().st_mtime_ns for path in folder.rglob("*") if path.is_file()}

    before = files()
    with caplog.at_level(logging.DEBUG), structlog.testing.capture_logs() as logged:
        assert say(Browser(hospital, token)).status_code == 200
    assert files() == before
    assert hospital.events() == events
    assert "xanthogranuloma" not in caplog.text + str(logged)


def test_recogniser_learns_what_the_department_writes_in_english(hospital: Hospital) -> None:
    _, admin = hospital.log_in("adam")
    now = datetime.now(UTC)
    for language, text in (("en", "Clear sinuses."), ("de", "Freie Nebenhöhlen."), ("en", "Out of use.")):
        lines = {Section.FINDINGS: (text,)}
        content = TemplateContent(text, language, "", "", lines, is_active=text != "Out of use.")
        templates.add_template(hospital.store, admin, content, now=now)
    templates.save_department_macro(hospital.store, admin, "nl", "No xanthoma.", now=now)
    templates.save_department_macro(hospital.store, admin, "kb", "Unauffällig.", now=now)
    learnt = department_lines(hospital.store)
    assert learnt[: len(shipped_phrases())] == shipped_phrases()
    assert set(learnt) >= {"Clear sinuses.", "No xanthoma."}
    assert not {"Freie Nebenhöhlen.", "Out of use.", "Unauffällig."} & set(learnt)


def test_page_may_ask_for_the_microphone_where_dictation_is_set_up_alone() -> None:
    for may_listen in (True, False):
        policy = security_headers(is_tls=True, may_listen=may_listen)["Permissions-Policy"]
        assert ("microphone=(self)" in policy) is may_listen
