"""Tells alerts to the channels of the settings: a program, an address, or both.

The message is one JSON object: ``system``, ``host``, and ``alerts``, a list of objects with ``what``,
``where``, ``why`` and ``since``. It holds no patient data. A channel that fails is tried again with the next
try of the alert; an alert counts as told when one channel took it.
"""

from __future__ import annotations

import json
import socket
import subprocess
from collections.abc import Sequence
from typing import Any

import structlog

from app.domain.alert import Alert
from app.settings import Settings

_COMMAND_SECONDS, _ANSWER_SECONDS = 20, 10.0


def tell(settings: Settings, alerts: Sequence[Alert]) -> bool:
    """Tell alerts over every channel; true when one of them took the message, or there is no channel."""
    for alert in alerts:
        structlog.get_logger().error("alert", kind=alert.kind.value, subject=alert.subject)
    message = json.dumps(compose(alerts)).encode()
    took = []
    if settings.alert_command:
        took.append(_run(settings.alert_command, message))
    if settings.alert_url:
        took.append(_post(settings.alert_url, message))
    return any(took) or not took


def compose(alerts: Sequence[Alert]) -> dict[str, Any]:
    """Return the message: what, where and why, and nothing about patients."""
    return {
        "system": "janus-med",
        "host": socket.gethostname(),
        "alerts": [
            {
                "what": alert.kind.value,
                "where": alert.subject,
                "why": alert.reason,
                "since": alert.raised_at.isoformat(timespec="seconds"),
            }
            for alert in alerts
        ],
    }


def _run(command: Sequence[str], message: bytes) -> bool:
    try:
        done = subprocess.run(
            list(command), input=message, capture_output=True, timeout=_COMMAND_SECONDS, check=False
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        structlog.get_logger().warning("alert command failed", error=type(error).__name__)
        return False
    if done.returncode != 0:
        structlog.get_logger().warning("alert command failed", status=done.returncode)
    return done.returncode == 0


def _post(url: str, message: bytes) -> bool:
    import httpx

    try:
        answer = httpx.post(
            url, content=message, headers={"Content-Type": "application/json"}, timeout=_ANSWER_SECONDS
        )
    except httpx.HTTPError as error:
        structlog.get_logger().warning("alert address failed", error=type(error).__name__)
        return False
    if not answer.is_success:
        structlog.get_logger().warning("alert address failed", status=answer.status_code)
    return answer.is_success
