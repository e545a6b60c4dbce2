"""A warm parent that forks one limited child a decode: the isolation of a process without its start-up time.

One request a line of JSON on standard input (``file``, ``out``, ``frame``, ``memory_bytes``, ``cpu_s``,
``wall_s``), one answer a line (``status``: exit status, or minus the signal). Facts and reason lie beside
``out``, with the suffixes ``.facts`` and ``.error``. The parent never opens a DICOM file; it ends when its
input does.
"""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import IO, Any

from pydicom.pixels import get_decoder
from pydicom.uid import JPEG2000Lossless, JPEGBaseline8Bit, JPEGLSLossless

from janus_med.decode import Limits, run


def serve(requests: IO[str], answers: IO[str]) -> int:
    """Answer requests until the input ends.

    Parameters
    ----------
    requests, answers
        Line-based text streams.

    Returns
    -------
    int
        Exit status, 0.
    """
    for syntax in (JPEGBaseline8Bit, JPEGLSLossless, JPEG2000Lossless):
        get_decoder(syntax)  # loads the plug-ins once, before any fork
    print(json.dumps({"ready": True}), file=answers, flush=True)
    for line in requests:
        status = _run_in_child(json.loads(line))
        print(json.dumps({"status": status}), file=answers, flush=True)
    return 0


def _run_in_child(request: dict[str, Any]) -> int:
    child = os.fork()
    if child == 0:
        _become_decoder(request)
    _, status = os.waitpid(child, 0)
    return os.waitstatus_to_exitcode(status)


def _become_decoder(request: dict[str, Any]) -> None:
    """Decode in this forked process and leave it; nothing of the parent's streams is touched."""
    code = 8
    try:
        out = Path(request["out"])
        for descriptor, suffix in ((1, ".facts"), (2, ".error")):
            opened = os.open(out.with_suffix(suffix), os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
            os.dup2(opened, descriptor)
        limits = Limits(int(request["memory_bytes"]), int(request["cpu_s"]), int(request["wall_s"]))
        code = run(Path(request["file"]), out, int(request["frame"]), limits)
    finally:
        os._exit(code)
