"""Store instances by STOW-RS (PS3.18 10.5).

200: stored. 202 and 409: the Failed SOP Sequence says what was not; a reason 0x0111 (the instance is there
already) is a success, because a resend has the same SOP Instance UID.
"""

from __future__ import annotations

import io
import json
import secrets
from collections.abc import Sequence
from typing import Any

from pydicom.dataset import Dataset
from pydicom.filewriter import dcmwrite

from pacs_bridge.errors import MessageRefused, Rejected, Retriable
from pacs_bridge.web_client import Answer, WebPeer, post, require_success

DUPLICATE_INSTANCE, PROCESSING_FAILURE = 0x0111, 0x0110
_FAILED_SOP_SEQUENCE, _FAILURE_REASON = "00081198", "00081197"


def store_instances(datasets: Sequence[Dataset], peer: WebPeer) -> None:
    """Store data sets with file meta information in one request.

    Raises
    ------
    Rejected
        The server does not take one of them.
    Retriable
        It is not known whether it has them, or it cannot take them now.
    """
    boundary = secrets.token_hex(16)
    parts = [
        f"--{boundary}\r\nContent-Type: application/dicom\r\n\r\n".encode() + _file(dataset) + b"\r\n"
        for dataset in datasets
    ]
    body = b"".join([*parts, f"--{boundary}--\r\n".encode()])
    headers = {
        "Content-Type": f'multipart/related; type="application/dicom"; boundary={boundary}',
        "Accept": "application/dicom+json",
    }
    answer = post(peer, "/studies", body, headers)
    failures = _failures(answer)
    if answer.status not in {202, 409} or failures is None:
        require_success(answer, peer)
    _check(failures or [], answer, peer)


def _file(dataset: Dataset) -> bytes:
    buffer = io.BytesIO()
    dcmwrite(buffer, dataset, enforce_file_format=True)
    return buffer.getvalue()


def _failures(answer: Answer) -> list[int] | None:
    """Return the failure reason of each instance that was not stored; None when the answer does not say."""
    try:
        content: Any = json.loads(answer.content)
        content = content[0] if isinstance(content, list) else content
        failed = content.get(_FAILED_SOP_SEQUENCE, {}).get("Value", [])
        return [int(item.get(_FAILURE_REASON, {}).get("Value", [0xC000])[0]) for item in failed]
    except (ValueError, TypeError, AttributeError, LookupError):
        return None


def _check(failures: list[int], answer: Answer, peer: WebPeer) -> None:
    """Raise for a failure that means that the server does not have the instance (PS3.18 I.2.2)."""
    missing = [reason for reason in failures if reason != DUPLICATE_INSTANCE]
    if not missing:
        if not answer.is_success and not failures:
            raise MessageRefused(f"{peer} answered {answer.status}")
        return
    reason = missing[0]
    if reason == PROCESSING_FAILURE or 0xA700 <= reason <= 0xA7FF:
        raise Retriable(f"{peer} cannot take it now (reason 0x{reason:04X})")
    raise Rejected(reason, f"{peer} refuses the object")
