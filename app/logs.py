"""What a process says about itself: one line per event, keys instead of prose, no patient data.

Our own code logs through structlog with values that it chooses. Libraries choose theirs, and some put
names, UIDs or statements into messages: of their records only logger, level, place and class of the error
are kept. Which fields a line may have, and what each may hold, is in `app.log_fields`.
"""

from __future__ import annotations

import hashlib
import hmac
import logging
import sys
import traceback
from collections.abc import MutableMapping
from pathlib import Path
from typing import Any, Literal

import structlog

from app.log_fields import admit
from app.store.keys import LOG_KEY_FILE, read_key

Format = Literal["json", "console"]
_LOUD_LIBRARIES = (
    "procrastinate",
    "psycopg.pool",
    "pynetdicom",
    "pydicom",
    "alembic",
    "asyncio",
    "streamlit",
    "uvicorn",
    # both complain at every import about optional parts that nobody uses here
    "torchao",
    "torch.utils._pytree",
)


def set_up_logging(
    process: str, *, level: str = "INFO", keys_dir: Path | None = None, format_: Format | None = None
) -> None:
    """Make this process log to standard error.

    Parameters
    ----------
    process
        The process's name, on every line.
    keys_dir
        Folder of secrets; with it values under keys that end in ``uid`` are replaced by a keyed hash,
        without it they are left out.
    format_
        ``console`` for people, ``json`` for collectors; by default console on a terminal.
    """
    chosen = format_ or ("console" if sys.stderr.isatty() else "json")
    key = read_key(keys_dir, LOG_KEY_FILE) if keys_dir else None
    shared: list[Any] = [
        structlog.contextvars.merge_contextvars,
        structlog.processors.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        _named(process),
        _without_uids(key),
        _without_words_of_errors,
        _with_known_fields,
    ]
    structlog.configure(
        processors=[*shared, _renderer(chosen)],
        wrapper_class=structlog.make_filtering_bound_logger(level),
        logger_factory=structlog.PrintLoggerFactory(sys.stderr),
        cache_logger_on_first_use=False,
    )
    _set_up_libraries(level)


def short_hash(key: bytes, uid: str) -> str:
    """Return the keyed short hash under which a UID stands in logs (HMAC-SHA-256, 12 hex digits)."""
    return hmac.new(key, uid.encode(), hashlib.sha256).hexdigest()[:12]


class LibraryRecords(logging.Handler):
    """Passes records of libraries on without their message."""

    def emit(self, record: logging.LogRecord) -> None:
        """Log where the record came from and what class of error it carries."""
        error = record.exc_info[0] if record.exc_info else None
        facts = {"error": error.__name__} if error else {}
        action = getattr(record, "action", None)
        if isinstance(action, str):
            facts["action"] = action
        structlog.get_logger().log(
            record.levelno, "library", logger=record.name, at=f"{record.module}:{record.lineno}", **facts
        )


def _set_up_libraries(level: str) -> None:
    root = logging.getLogger()
    root.handlers[:] = [LibraryRecords()]
    root.setLevel(max(logging.getLevelNamesMapping()[level], logging.WARNING))
    for name in _LOUD_LIBRARIES:
        library = logging.getLogger(name)
        library.handlers.clear()
        library.propagate = True
        library.setLevel(logging.ERROR)
    logging.captureWarnings(True)


def _named(process: str) -> Any:
    def add_process(_: Any, __: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
        event["process"] = process
        return event

    return add_process


def _without_uids(key: bytes | None) -> Any:
    def replace_uids(_: Any, __: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
        for name in [name for name in event if name.endswith("uid")]:
            uid = event.pop(name)
            if key is not None:
                event[name] = short_hash(key, str(uid))
        return event

    return replace_uids


def _without_words_of_errors(_: Any, __: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    """Leave class and place of an error: its text, and that of its causes, may name a patient."""
    error = event.pop("exc_info", None)
    if error is True:
        error = sys.exc_info()[1]
    if isinstance(error, tuple):
        error = error[1]
    if isinstance(error, BaseException):
        event.setdefault("error", type(error).__name__)
        frames = traceback.extract_tb(error.__traceback__)
        if frames:
            event.setdefault("at", f"{Path(frames[-1].filename).name}:{frames[-1].lineno}")
    return event


def _with_known_fields(_: Any, __: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    return admit(event)


def _renderer(format_: Format) -> Any:
    if format_ == "json":
        return structlog.processors.JSONRenderer(sort_keys=True)
    return structlog.dev.ConsoleRenderer(colors=sys.stderr.isatty())
