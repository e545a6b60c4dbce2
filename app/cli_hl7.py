"""The command that takes HL7 messages."""

from __future__ import annotations


def hl7() -> None:
    """Take orders and patient updates of the RIS over MLLP."""
    from app.logs import set_up_logging
    from app.settings import read_settings
    from app.workers.hl7_in import take_messages

    settings = read_settings()
    set_up_logging("hl7", level=settings.log_level, keys_dir=settings.keys_dir)
    take_messages(settings)
