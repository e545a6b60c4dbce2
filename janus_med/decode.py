"""The sandboxed decoder, a command of its own: ``python -m janus_med.decode FILE --out RAW [--frame N]``.

It limits its own memory, processor and wall-clock time before it touches the file, writes the stored pixels
of one frame to RAW (row by row, little endian, colour by pixel) and one line of JSON with the facts of the
frame to standard output. Exit status: 0, or one of `EXIT_CODES` with one line of reason on standard error; a
decoder that was stopped at a limit ends by SIGXCPU, SIGALRM or SIGKILL. ``--serve`` forks one such process a
request (see `janus_med.decoding`). It imports pydicom and numpy, nothing heavier.
"""

from __future__ import annotations

import argparse
import json
import logging
import resource
import signal
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from janus_med.errors import (
    DecodeFailed,
    ImpossibleSize,
    JanusMedError,
    NoPixelData,
    NotDicom,
    TruncatedFile,
    UnreadableInput,
    UnsupportedImage,
)
from janus_med.frame import decode_frame

if TYPE_CHECKING:
    from collections.abc import Sequence

EXIT_CODES: dict[type[UnreadableInput], int] = {
    NotDicom: 3,
    TruncatedFile: 4,
    NoPixelData: 5,
    UnsupportedImage: 6,
    ImpossibleSize: 7,
    DecodeFailed: 8,
}
MAX_OUTPUT_BYTES = 1024**3


@dataclass(frozen=True)
class Limits:
    """What one decode may use.

    Attributes
    ----------
    memory_bytes
        Address space of the process (RLIMIT_AS).
    cpu_s, wall_s
        Whole seconds of processor and of wall-clock time.
    """

    memory_bytes: int = 2 * 1024**3
    cpu_s: int = 30
    wall_s: int = 60


def limit_self(limits: Limits) -> None:
    """Apply the limits to this process; there is no way back."""
    resource.setrlimit(resource.RLIMIT_AS, (limits.memory_bytes, limits.memory_bytes))
    resource.setrlimit(resource.RLIMIT_CPU, (limits.cpu_s, limits.cpu_s + 1))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    resource.setrlimit(resource.RLIMIT_FSIZE, (MAX_OUTPUT_BYTES, MAX_OUTPUT_BYTES))
    signal.signal(signal.SIGALRM, signal.SIG_DFL)
    signal.alarm(limits.wall_s)


def run(path: Path, out: Path, frame: int, limits: Limits) -> int:
    """Decode under limits, report on standard output and standard error; the exit status."""
    limit_self(limits)
    logging.disable(logging.CRITICAL)  # plug-ins would repeat header values
    try:
        facts = decode_frame(path, out, frame=frame)
    except UnreadableInput as error:
        print(error, file=sys.stderr)
        return next((code for kind, code in EXIT_CODES.items() if isinstance(error, kind)), 8)
    except MemoryError:
        print(f"{path.name}: needs more memory than decoding may use", file=sys.stderr)
        return EXIT_CODES[DecodeFailed]
    except (JanusMedError, OSError) as error:
        print(f"{path.name}: {type(error).__name__}", file=sys.stderr)
        return EXIT_CODES[DecodeFailed]
    print(json.dumps(facts, separators=(",", ":")), flush=True)
    return 0


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command line; see the module's description."""
    parser = argparse.ArgumentParser(
        prog="python -m janus_med.decode", description="Decode one frame under limits."
    )
    parser.add_argument("file", type=Path, nargs="?", help="DICOM file")
    parser.add_argument("--out", type=Path, help="receives the stored pixels, little endian")
    parser.add_argument("--frame", type=int, default=0, help="index of the frame (default 0)")
    parser.add_argument("--memory-mib", type=int, default=Limits().memory_bytes // 2**20)
    parser.add_argument("--cpu-s", type=int, default=Limits().cpu_s)
    parser.add_argument("--wall-s", type=int, default=Limits().wall_s)
    parser.add_argument("--serve", action="store_true", help="answer requests on standard input instead")
    asked = parser.parse_args(argv)
    if asked.serve:
        from janus_med.decode_server import serve

        return serve(sys.stdin, sys.stdout)
    if asked.file is None or asked.out is None:
        parser.error("FILE and --out are needed")
    limits = Limits(asked.memory_mib * 2**20, asked.cpu_s, asked.wall_s)
    return run(asked.file, asked.out, asked.frame, limits)


if __name__ == "__main__":
    sys.exit(main())
