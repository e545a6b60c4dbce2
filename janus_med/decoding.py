"""The caller's side of the sandbox: a `Decoder` owns one warm server process and reads its answers."""

from __future__ import annotations

import contextlib
import json
import os
import queue
import signal
import subprocess
import sys
import tempfile
import threading
import time
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

import janus_med
from janus_med.decode import EXIT_CODES, Limits
from janus_med.errors import DecodeFailed

if TYPE_CHECKING:
    from types import TracebackType

_GRACE_S = 10.0
_STOPPED = {
    signal.SIGXCPU: "used more processor time than decoding may use",
    signal.SIGALRM: "took longer than decoding may take",
    signal.SIGXFSZ: "decoded to more bytes than decoding may write",
    signal.SIGKILL: "was stopped by the system, most likely for memory",
}


@dataclass(frozen=True, eq=False)
class DecodedFrame:
    """One frame out of the sandbox.

    Attributes
    ----------
    stored
        (rows, columns) integers as stored, or (rows, columns, 3) for colour.
    facts
        See `janus_med.frame.describe_frame`.
    decode_s
        Wall-clock seconds, transfer included.
    """

    stored: np.ndarray
    facts: dict[str, Any]
    decode_s: float


class Decoder:
    """Decodes frames in limited child processes of one server; use it as a context manager.

    Safe to share between threads: requests wait for each other.

    Parameters
    ----------
    limits
        What one decode may use.
    """

    def __init__(self, limits: Limits | None = None) -> None:
        self.limits = limits or Limits()
        self._lock = threading.Lock()
        self._server: subprocess.Popen[str] | None = None
        self._answers: queue.SimpleQueue[str] = queue.SimpleQueue()
        self._folder = tempfile.TemporaryDirectory(prefix="janus-med-decode-")

    def __enter__(self) -> Decoder:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Stop the server and delete what it wrote."""
        with self._lock:
            self._stop()
            self._folder.cleanup()

    def decode(self, path: Path, *, frame: int = 0) -> DecodedFrame:
        """Decode one frame.

        Parameters
        ----------
        path
            DICOM file.
        frame
            Index of the frame.

        Returns
        -------
        DecodedFrame
            Stored pixels and facts.

        Raises
        ------
        UnreadableInput
            The class that fits (see `janus_med.errors`); `DecodeFailed` when a limit stopped the decoder.
        """
        started = time.perf_counter()
        with self._lock:
            out = Path(self._folder.name) / "frame.raw"
            status = self._ask(path, out, frame)
            try:
                if status != 0:
                    raise _explain(path, status, out.with_suffix(".error"))
                facts = json.loads(out.with_suffix(".facts").read_text())
                stored = _read_raw(path, out, facts)
            finally:
                for suffix in (".raw", ".facts", ".error"):
                    out.with_suffix(suffix).unlink(missing_ok=True)
        return DecodedFrame(stored, facts, time.perf_counter() - started)

    def _ask(self, path: Path, out: Path, frame: int) -> int:
        request = {"file": str(path.resolve()), "out": str(out), "frame": frame, **asdict(self.limits)}
        server = self._server or self._start()
        assert server.stdin is not None
        try:
            server.stdin.write(json.dumps(request) + "\n")
            server.stdin.flush()
            answer = self._answers.get(timeout=self.limits.wall_s + _GRACE_S)
        except (BrokenPipeError, queue.Empty) as error:
            self._stop()
            raise DecodeFailed(path.name, "the decoder does not answer; it was stopped") from error
        if not answer:
            self._stop()
            raise DecodeFailed(path.name, "the decoder ended without an answer")
        return int(json.loads(answer)["status"])

    def _start(self) -> subprocess.Popen[str]:
        # Neither secrets of the environment nor its threads reach the process that opens foreign files.
        environment = {
            "PATH": os.environ.get("PATH", os.defpath),
            "PYTHONPATH": str(Path(janus_med.__file__).resolve().parents[1]),
            "OPENBLAS_NUM_THREADS": "1",
            "OMP_NUM_THREADS": "1",
        }
        self._answers = queue.SimpleQueue()
        self._server = subprocess.Popen(
            [sys.executable, "-m", "janus_med.decode", "--serve"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
            env=environment,
            cwd=self._folder.name,
            start_new_session=True,
        )
        threading.Thread(target=_forward, args=(self._server, self._answers), daemon=True).start()
        if not self._answers.get(timeout=_GRACE_S * 6):
            self._stop()
            raise DecodeFailed(
                "decoder", "cannot be started; run `python -m janus_med.decode --serve` to see why"
            )
        return self._server

    def _stop(self) -> None:
        server, self._server = self._server, None
        if server is None:
            return
        if server.stdin is not None:
            with contextlib.suppress(OSError):  # a request may still lie in the buffer of a dead server
                server.stdin.close()
        try:
            server.wait(timeout=1.0)
        except subprocess.TimeoutExpired:
            os.killpg(server.pid, signal.SIGKILL)
            server.wait()
        if server.stdout is not None:
            server.stdout.close()


def _forward(server: subprocess.Popen[str], answers: queue.SimpleQueue[str]) -> None:
    """Hand the server's lines on, and an empty one when it ends."""
    assert server.stdout is not None
    try:
        for line in server.stdout:
            answers.put(line)
    except ValueError:  # closed while reading: the server was stopped
        pass
    answers.put("")


def _explain(path: Path, status: int, reasons: Path) -> Exception:
    if status < 0:
        reason = _STOPPED.get(
            signal.Signals(-status), f"crashed the decoder ({signal.Signals(-status).name})"
        )
        return DecodeFailed(path.name, f"{reason}; ask the sender for another copy")
    kind = next((kind for kind, code in EXIT_CODES.items() if code == status), DecodeFailed)
    lines = reasons.read_text(errors="replace").strip().splitlines() if reasons.exists() else []
    prefix = f"{path.name}: "
    reason = lines[-1].removeprefix(prefix) if lines else "cannot be decoded"
    return kind(path.name, reason)


def _read_raw(path: Path, out: Path, facts: dict[str, Any]) -> np.ndarray:
    shape = (facts["rows"], facts["columns"], facts["samples_per_pixel"])
    stored = np.fromfile(out, dtype=np.dtype(facts["dtype"]))
    if stored.size != shape[0] * shape[1] * shape[2]:
        raise DecodeFailed(path.name, "the decoder wrote fewer pixels than it declared")
    return stored.reshape(shape[:2] if shape[2] == 1 else shape)
