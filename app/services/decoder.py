"""The decoder's process, asked over pipes: neither reading room nor delivery opens a foreign file itself.

`python -m janus_med.decode --serve` answers one line of JSON a request; pixels, facts and reason lie beside
the named output file. A server that does not answer is killed with its children and started anew.
"""

from __future__ import annotations

import json
import os
import queue
import signal
import subprocess
import sys
import tempfile
import threading
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from app.domain.errors import Rejected
from app.services.child_process import bare_environment, forward_lines

LIMITS = {"memory_bytes": 2 * 2**30, "cpu_s": 30, "wall_s": 60}
_START_S, _GRACE_S = 60.0, 10.0
_SHOWN_TYPES = frozenset({"<u2", "<i2", "|u1", "|i1"})


class PixelsUnreadable(Rejected):
    """The image cannot be decoded or shown; the message says why."""


@dataclass(frozen=True, eq=False)
class StoredPixels:
    """One frame as the scanner stored it.

    Attributes
    ----------
    data
        Samples row by row, little endian, one or two bytes each.
    facts
        See `janus_med.decode`: rows, columns, dtype, rescale, windows, spacing ...
    """

    data: bytes
    facts: Mapping[str, Any]


class DecoderProcess:
    """One warm decoder; requests wait for each other."""

    def __init__(self) -> None:
        self._folder = tempfile.TemporaryDirectory(prefix="janus-med-decoder-")
        self._process: subprocess.Popen[str] | None = None
        self._answers: queue.SimpleQueue[str] = queue.SimpleQueue()
        self._lock = threading.Lock()

    def start(self) -> None:
        """Start the decoder now, so that the first image does not wait for it.

        Raises
        ------
        PixelsUnreadable
            If it cannot be started.
        """
        with self._lock:
            if self._process is None:
                self._start()

    def decode(self, path: Path, frame: int) -> StoredPixels:
        """Decode one frame of a file.

        Raises
        ------
        PixelsUnreadable
            With the decoder's reason.
        """
        with self._lock:
            out = Path(self._folder.name) / "frame.raw"
            try:
                status = self._ask({"file": str(path), "out": str(out), "frame": frame, **LIMITS})
                if status != 0:
                    raise PixelsUnreadable(_reason(status, path, out))
                return _read(out)
            finally:
                for suffix in (".raw", ".facts", ".error"):
                    out.with_suffix(suffix).unlink(missing_ok=True)

    def close(self) -> None:
        """Stop the decoder and delete what it wrote."""
        with self._lock:
            self._stop()
            self._folder.cleanup()

    def _ask(self, request: dict[str, Any]) -> int:
        process = self._process or self._start()
        assert process.stdin is not None
        try:
            process.stdin.write(json.dumps(request) + "\n")
            process.stdin.flush()
            answer = self._answers.get(timeout=LIMITS["wall_s"] + _GRACE_S)
        except (BrokenPipeError, queue.Empty):
            answer = ""
        if not answer:
            self._stop()
            raise PixelsUnreadable("the decoder does not answer; try again")
        return int(json.loads(answer)["status"])

    def _start(self) -> subprocess.Popen[str]:
        self._answers = queue.SimpleQueue()
        process = subprocess.Popen(
            [sys.executable, "-m", "janus_med.decode", "--serve"],
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
        try:
            is_ready = bool(self._answers.get(timeout=_START_S))
        except queue.Empty:
            is_ready = False
        if not is_ready:
            self._stop()
            raise PixelsUnreadable(
                "the decoder cannot be started (`python -m janus_med.decode --serve` says why)"
            )
        return process

    def _stop(self) -> None:
        process, self._process = self._process, None
        if process is None:
            return
        assert process.stdin is not None
        process.stdin.close()
        try:
            process.wait(timeout=1.0)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()


def _read(out: Path) -> StoredPixels:
    facts = json.loads(out.with_suffix(".facts").read_text())
    if facts["dtype"] not in _SHOWN_TYPES:
        raise PixelsUnreadable(f"samples of type {facts['dtype']} cannot be shown")
    return StoredPixels(out.read_bytes(), facts)


def _reason(status: int, path: Path, out: Path) -> str:
    if status < 0:
        return "the decoder was stopped at a limit; ask the sender for another copy"
    error = out.with_suffix(".error")
    lines = error.read_text(errors="replace").strip().splitlines() if error.exists() else []
    return lines[-1].removeprefix(f"{path.name}: ") if lines else "the image cannot be decoded"
