"""What a person sees when a command fails: one line with what happened and what to do, and an exit status.

::

    0    done
    1    rejected: the same call fails again, something has to be changed
    2    configuration or usage
    3    try again later: the database or another system does not answer
    4    fatal: the process cannot work
    70   a fault of ours
    130  interrupted
"""

from __future__ import annotations

import errno
import os
import sys
import traceback
from collections.abc import Callable

from app.domain.errors import ConfigurationError, Fatal, JanusMedError, Rejected, Retriable

TRACEBACK = "JANUSMED_TRACEBACK"
_STATUS: tuple[tuple[type[JanusMedError], int], ...] = (
    (ConfigurationError, 2),
    (Rejected, 1),
    (Retriable, 3),
    (Fatal, 4),
)


def run(command: Callable[[], object]) -> int:
    """Run a command and return its exit status; errors are told in one line on standard error."""
    try:
        command()
    except SystemExit as stop:
        return stop.code if isinstance(stop.code, int) else int(stop.code is not None)
    except KeyboardInterrupt:
        return 130
    except BrokenPipeError:
        # the reader of our output went away: nothing to say, and nobody to say it to
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 1
    except Exception as error:  # the one place where a command catches
        if os.environ.get(TRACEBACK):
            traceback.print_exc()
        status, message = explain(error)
        print(f"janus-med: {message}", file=sys.stderr, flush=True)
        return status
    return 0


def explain(error: BaseException) -> tuple[int, str]:
    """Return exit status and message for an error."""
    for kind, status in _STATUS:
        if isinstance(error, kind):
            return status, str(error)
    if _is_of_a_library(error):
        return 1, str(error)
    if isinstance(error, OSError):
        return _explain_system(error)
    return 70, (
        f"unexpected {type(error).__name__} in {_place(error)}: a fault of Janus-Med; "
        f"{TRACEBACK}=1 shows where it comes from"
    )


def _explain_system(error: OSError) -> tuple[int, str]:
    where = f" ({error.filename})" if error.filename else ""
    if error.errno == errno.ENOSPC:
        return 1, f"the disk is full{where}: free some space and try again"
    if error.errno in {errno.EACCES, errno.EPERM, errno.EROFS}:
        return 1, f"no permission{where}: choose another folder or run as its owner"
    return 1, f"{error.strerror or type(error).__name__}{where}"


def _is_of_a_library(error: BaseException) -> bool:
    """Tell whether one of our two libraries raised the error on purpose."""
    roots = {("janus_med.errors", "JanusMedError"), ("pacs_bridge.errors", "BridgeError")}
    return any((kind.__module__, kind.__name__) in roots for kind in type(error).__mro__)


def _place(error: BaseException) -> str:
    frames = traceback.extract_tb(error.__traceback__)
    return f"{os.path.basename(frames[-1].filename)}:{frames[-1].lineno}" if frames else "unknown"
