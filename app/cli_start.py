"""How a command that serves begins: its settings, found safe, and its log."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from app.settings import Settings


def settings_of(process: str) -> Settings:
    """Read the settings of a process that serves, and set up its log.

    Raises
    ------
    ConfigurationError
        If they are wrong, or unsafe for this process.
    """
    from app.logs import set_up_logging
    from app.settings import read_settings
    from app.start_checks import require_safe

    settings = read_settings()
    require_safe(settings, process, now=datetime.now(UTC))
    set_up_logging(process, level=settings.log_level, keys_dir=settings.keys_dir)
    return settings
