"""The recogniser's process: it answers, it is killed when it hangs, and it leaves nothing behind.

Covered: a program of the tests in place of PocketSphinx; the real one, with speech of espeak-ng, is slow.
"""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path

import psutil
import pytest

from app.domain.errors import ConfigurationError
from app.domain.spoken_text import HeardWord
from app.services.dictation import doubt_about
from app.services.recogniser import MOST_WAITING, RecogniserProcess, RecogniserUnavailable
from app.settings import Settings
from app.web_checks import require_safe_web
from tests.conftest import need

SAMPLES = b"\x01\x00" * 8000
GOOD = "import json, sys, base64\nwanted = json.loads(input())\nprint('{}', flush=True)\n"
ECHO = GOOD + (
    "for line in sys.stdin:\n"
    "    size = len(base64.b64decode(json.loads(line)['samples']))\n"
    "    print(json.dumps({'heard': [[wanted['lines'][0], 0.5], [str(size), 0.25]]}), flush=True)\n"
)
Make = Callable[..., RecogniserProcess]


@pytest.fixture
def recogniser() -> Iterator[Make]:
    made: list[RecogniserProcess] = []

    def make(program: str, **limits: float) -> RecogniserProcess:
        made.append(RecogniserProcess(["clear"], [], program=("-c", program), **limits))
        return made[-1]

    yield make
    for process in made:
        process.close()


def children() -> list[psutil.Process]:
    return [child for child in psutil.Process().children() if child.status() != psutil.STATUS_ZOMBIE]


def test_recogniser_is_told_what_the_department_writes_and_answers_again_and_again(recogniser: Make) -> None:
    process = recogniser(ECHO)
    heard = (HeardWord("clear", 0.5), HeardWord("16000", 0.25))
    assert [process.hear(SAMPLES), process.hear(SAMPLES)] == [heard, heard]


@pytest.mark.parametrize(
    "ends",
    [
        "import time; time.sleep(60)",
        "import os; os.abort()",
        "print('not JSON', flush=True); sys.stdin.read()",
        "print('[]', flush=True); sys.stdin.read()",
    ],
)
def test_recogniser_that_hangs_dies_or_talks_nonsense_is_killed_and_another_one_started(
    recogniser: Make, tmp_path: Path, ends: str
) -> None:
    flag = tmp_path / "failed once"
    program = ECHO.replace(
        "for line in sys.stdin:\n",
        "import pathlib\n"
        f"flag = pathlib.Path({str(flag)!r})\n"
        "for line in sys.stdin:\n"
        "    if not flag.exists():\n"
        "        flag.touch()\n"
        f"        {ends}\n",
    )
    process, before = recogniser(program, answer_s=1.0), children()
    with pytest.raises(RecogniserUnavailable, match="say it again"):
        process.hear(SAMPLES)
    assert children() == before
    assert process.hear(SAMPLES)[0].text == "clear"


def test_recogniser_that_reads_nothing_holds_nobody_up(recogniser: Make) -> None:
    process = recogniser(GOOD + "import time; time.sleep(60)", answer_s=0.5)
    with pytest.raises(RecogniserUnavailable):
        process.hear(bytes(640_000))


@pytest.mark.parametrize("program", ["raise SystemExit(1)", "import time; time.sleep(60)"])
def test_recogniser_that_does_not_start_says_so(recogniser: Make, program: str) -> None:
    with pytest.raises(RecogniserUnavailable, match="cannot be started"):
        recogniser(program, start_s=0.5).hear(SAMPLES)


def test_no_more_than_a_few_wait_for_it(recogniser: Make) -> None:
    process = recogniser(ECHO)
    for _ in range(MOST_WAITING):
        process._places.acquire()
    with pytest.raises(RecogniserUnavailable, match="too many"):
        process.hear(SAMPLES)


def test_closed_recogniser_leaves_no_process_and_no_folder(recogniser: Make) -> None:
    before = children()
    process = recogniser(GOOD + "import time; time.sleep(60)")
    folder = Path(process._folder.name)
    process.warm_up()
    deadline = time.monotonic() + 20
    while len(children()) == len(before) and time.monotonic() < deadline:
        time.sleep(0.01)
    process.close()
    assert children() == before
    assert not folder.exists()
    with pytest.raises(RecogniserUnavailable):
        process.hear(SAMPLES)


@pytest.mark.covers("T17")
def test_server_that_shall_recognise_does_not_start_without_the_package(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    local, now = Settings(data_dir=tmp_path, dictation="local"), datetime.now(UTC)
    require_safe_web(local, now)
    monkeypatch.setitem(sys.modules, "pocketsphinx", None)
    with pytest.raises(ConfigurationError, match="install the extra `dictation`"):
        require_safe_web(local, now)
    require_safe_web(Settings(data_dir=tmp_path, dictation="browser"), now)


@pytest.mark.parametrize(
    ("heard", "reason"),
    [
        ([("no", 0.9), ("effusion", 0.9)], ""),
        ([("small", 0.9), ("pleural", 1.0), ("effusion", 0.6)], ""),
        ([("small", 1.0), ("right", 1.0), ("pleural", 1.0), ("effusion", 0.29)], "a word was guessed"),
        ([("no", 0.6), ("acute", 0.9), ("effusion", 0.9)], "a negation was heard with doubt"),
        ([("clear", 0.3), ("lungs", 0.4)], "heard with doubt as a whole"),
    ],
)
def test_doubtful_utterances_and_negations_are_held_back(heard: list[tuple[str, float]], reason: str) -> None:
    assert doubt_about(HeardWord(*word) for word in heard) == reason


@pytest.mark.slow
@pytest.mark.covers("U5")
def test_real_recogniser_hears_a_sentence_of_the_department_and_writes_its_model_alone() -> None:
    need(Path("/usr/bin/espeak-ng").is_file(), "espeak-ng (apt-get install espeak-ng)")
    from bench.dictation import speak

    said = ["no", "pleural", "effusion"]
    process = RecogniserProcess(["No pleural effusion.", "The lungs are clear."], ["xyzzypneumonia"])
    try:
        heard = process.hear(speak(said, "en-us"))
        assert [word.text for word in heard] == said
        process.hear(speak(["the", "lungs", "are", "clear"], "en-gb"))
        assert process.hear(speak(said, "en-us")) == heard, "nothing stays of the voice before"
        assert all(0 < word.confidence <= 1 for word in heard)
        folder = Path(process._folder.name)
        assert {path.name for path in folder.iterdir()} == {"words.dict", "department.arpa"}
        assert process._process is not None
        opened = psutil.Process(process._process.pid).open_files()
        assert [file.path for file in opened if file.mode != "r"] == []
    finally:
        process.close()
    assert not folder.exists()


def test_program_writes_no_sound_and_imports_no_sound_card() -> None:
    unwanted = ("sounddevice", "torch", "streamlit")
    code = "import sys, app.workers.recognise, pocketsphinx\n"
    code += f"print([name for name in {unwanted!r} if name in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
