"""Keep patient data out of pynetdicom's logs."""

from __future__ import annotations

from pynetdicom import _config


def keep_identifiers_out_of_logs() -> None:
    """Turn off what pynetdicom logs of messages: it holds patient data."""
    _config.LOG_REQUEST_IDENTIFIERS = False
    _config.LOG_RESPONSE_IDENTIFIERS = False
    _config.LOG_HANDLER_LEVEL = "none"
