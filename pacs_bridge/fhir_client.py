"""Send a FHIR transaction: all of it is taken, or nothing."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from typing import Any

from pacs_bridge.errors import MessageRefused
from pacs_bridge.web_client import Answer, WebPeer, post, require_success

_MEDIA_TYPE = "application/fhir+json"
_CODE = re.compile(r"[a-z-]{1,32}")


def send_bundle(bundle: Mapping[str, Any], peer: WebPeer) -> None:
    """Post a transaction to the base URL of a FHIR server.

    Raises
    ------
    MessageRefused
        The server does not take it.
    Retriable
        Whether the server has it is not known, or it cannot take it now: the same bundle may be sent again.
    """
    body = json.dumps(bundle, ensure_ascii=False).encode()
    answer = post(peer, "", body, {"Content-Type": f"{_MEDIA_TYPE}; charset=utf-8", "Accept": _MEDIA_TYPE})
    content = _json_of(answer)
    require_success(answer, peer, ", ".join(_issue_codes(content)))
    if content.get("resourceType") != "Bundle" or content.get("type") != "transaction-response":
        raise MessageRefused(f"{peer} answered {answer.status}, but with no transaction-response")
    statuses = [str(entry.get("response", {}).get("status", "")) for entry in content.get("entry", [])]
    if len(statuses) != len(bundle["entry"]) or not all(status.startswith("2") for status in statuses):
        raise MessageRefused(f"{peer} took only a part of the transaction")


def _json_of(answer: Answer) -> dict[str, Any]:
    try:
        content = json.loads(answer.content)
    except ValueError:
        return {}
    return content if isinstance(content, dict) else {}


def _issue_codes(content: Mapping[str, Any]) -> list[str]:
    """Return the codes of an OperationOutcome, without its texts."""
    issues = content.get("issue")
    if not isinstance(issues, list):
        return []
    codes = [str(issue.get("code", "")) for issue in issues if isinstance(issue, dict)]
    return [code for code in codes if _CODE.fullmatch(code)][:5]
