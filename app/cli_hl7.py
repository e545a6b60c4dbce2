"""The command that takes HL7 messages."""

from __future__ import annotations


def hl7() -> None:
    """Take orders and patient updates of the RIS over MLLP."""
    from app.cli_start import settings_of
    from app.workers.hl7_in import take_messages

    take_messages(settings_of("hl7"))
