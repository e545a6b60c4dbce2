"""The dictation's recogniser, asked over pipes: a process of its own, killed when it does not answer.

Sound goes through memory alone: nothing that is said is written to a file or a log.
"""

from __future__ import annotations

import base64
import importlib.util
import json
import os
import queue
import signal
import subprocess
import sys
import tempfile
import threading
from collections.abc import Sequence
from typing import Any

import structlog

from app.domain.errors import Retriable
from app.domain.spoken_text import HeardWord
from app.services.child_process import bare_environment, forward_lines

PROGRAM = ("-m", "app.workers.recognise")
START_S, ANSWER_S = 120.0, 40.0
MOST_WAITING = 4

log = structlog.get_logger()


class RecogniserUnavailable(Retriable):
    """Nobody listens just now; the message says why."""


def is_installed() -> bool:
    """Tell whether the package of the recogniser is here."""
    return importlib.util.find_spec("pocketsphinx") is not None


class RecogniserProcess:
    """One warm recogniser; recordings wait for each other.

    Parameters
    ----------
    lines, words
        What the department writes, and further words of its field.
    program
        Arguments of the interpreter that start the recogniser.
    start_s, answer_s
        Seconds after which it is killed.
    """

    def __init__(
        self,
        lines: Sequence[str],
        words: Sequence[str],
        *,
        program: Sequence[str] = PROGRAM,
        start_s: float = START_S,
        answer_s: float = ANSWER_S,
    ) -> None:
        self._wanted = {"lines": list(lines), "words": list(words), "kind": "mixed"}
        self._program = tuple(program)
        self._start_s, self._answer_s = start_s, answer_s
        self._folder = tempfile.TemporaryDirectory(prefix="janus-med-recogniser-")
        self._process: subprocess.Popen[str] | None = None
        self._answers: queue.SimpleQueue[str] = queue.SimpleQueue()
        self._lock = threading.Lock()
        self._places = threading.BoundedSemaphore(MOST_WAITING)
        self._is_closed = False

    def warm_up(self) -> None:
        """Begin to build the model, without waiting for it."""
        threading.Thread(target=self._try_to_start, name="recogniser", daemon=True).start()

    def hear(self, samples: bytes) -> tuple[HeardWord, ...]:
        """Return the words of a recording.

        Parameters
        ----------
        samples
            16-bit integers, little endian, 16 kHz.

        Raises
        ------
        RecogniserUnavailable
            If too many wait, or the recogniser had to be ended: the next recording starts another.
        """
        if not self._places.acquire(blocking=False):
            raise RecogniserUnavailable("too many dictate at this moment: say it again")
        try:
            with self._lock:
                answer = self._ask({"samples": base64.b64encode(samples).decode("ascii")})
        finally:
            self._places.release()
        return tuple(HeardWord(str(word), float(confidence)) for word, confidence in answer["heard"])

    def close(self) -> None:
        """End the recogniser and delete its model."""
        # one that is being built is ended at once: nobody waits for it
        self._is_closed = True
        process = self._process
        if process is not None:
            _kill(process)
        with self._lock:
            self._stop()
            self._folder.cleanup()

    def _ask(self, request: dict[str, Any]) -> dict[str, Any]:
        process = self._process or self._start()
        answer = self._exchange(process, request, self._answer_s)
        if answer is None:
            self._stop()
            log.warning("recogniser ended")
            raise RecogniserUnavailable("the recogniser did not answer and was ended: say it again")
        return answer

    def _try_to_start(self) -> None:
        with self._lock:
            if self._process is not None or self._is_closed:
                return
            try:
                self._start()
            except RecogniserUnavailable as error:
                log.warning("recogniser not started", reason=str(error))

    def _start(self) -> subprocess.Popen[str]:
        if self._is_closed:
            raise RecogniserUnavailable("the server is being stopped")
        self._answers = queue.SimpleQueue()
        process = subprocess.Popen(
            [sys.executable, *self._program],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
            cwd=self._folder.name,
            env=bare_environment(),
            start_new_session=True,
        )
        self._process = process
        threading.Thread(target=forward_lines, args=(process, self._answers), daemon=True).start()
        if self._exchange(process, self._wanted, self._start_s) is None:
            self._stop()
            raise RecogniserUnavailable("the recogniser cannot be started: tell the administrator")
        return process

    def _exchange(
        self, process: subprocess.Popen[str], request: dict[str, Any], seconds: float
    ) -> dict[str, Any] | None:
        """Return the answer to a request; nothing when there is none in time, or no sense in it."""
        assert process.stdin is not None
        killer = threading.Timer(seconds, _kill, args=(process,))
        killer.start()
        try:
            # a process that does not read would keep this waiting, hence the timer
            process.stdin.write(json.dumps(request) + "\n")
            process.stdin.flush()
            answer = json.loads(self._answers.get(timeout=seconds) or "null")
        except (OSError, ValueError, queue.Empty):
            answer = None
        finally:
            killer.cancel()
        return answer if isinstance(answer, dict) else None

    def _stop(self) -> None:
        process, self._process = self._process, None
        if process is not None:
            _kill(process)
            process.wait()
            _hang_up(process)


def _kill(process: subprocess.Popen[str]) -> None:
    if process.poll() is None:
        os.killpg(process.pid, signal.SIGKILL)


def _hang_up(process: subprocess.Popen[str]) -> None:
    assert process.stdin is not None
    try:
        process.stdin.close()
    except OSError:
        return  # what it did not read is gone with it
