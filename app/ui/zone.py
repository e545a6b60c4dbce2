"""The time zone that the reader's browser is in."""

from __future__ import annotations

from datetime import UTC, tzinfo
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import streamlit as st


def zone_name() -> str:
    """Return the name of the time zone, ``UTC`` where the browser tells none that is known."""
    return str(zone())


def zone() -> tzinfo:
    """Return the time zone."""
    try:
        return ZoneInfo(str(st.context.timezone or "UTC"))
    except (ZoneInfoNotFoundError, ValueError):
        return UTC
