"""`POST /audit/export`: the audit log as a file, written to disk first, so that its size does not matter."""

from __future__ import annotations

import tempfile
from datetime import datetime
from pathlib import Path
from typing import Literal
from urllib.parse import parse_qsl

from starlette.background import BackgroundTask
from starlette.requests import Request
from starlette.responses import FileResponse, Response
from starlette.routing import Route

from app.domain.access import Actor
from app.domain.audit import AuditFilter
from app.domain.errors import Rejected
from app.services import audit
from app.services.audit_bundle import export_bundle
from app.ui.audit_filter import read_filter
from app.ui.csrf import SESSION_COOKIE, is_foreign, is_token_of
from app.ui.room import Room
from app.ui.routes.answers import ForeignRequest, answering, in_thread, now, resume

Kind = Literal["csv", "jsonl", "zip"]
_MEDIA_TYPES = {
    "csv": "text/csv; charset=utf-8",
    "jsonl": "application/jsonl",
    "zip": "application/zip",
}


def export_routes(room: Room) -> list[Route]:
    """Return the route of the export."""

    async def export(request: Request) -> Response:
        body = (await request.body()).decode("utf-8", "replace")
        fields = dict(parse_qsl(body, max_num_fields=10))
        return await in_thread(lambda: _export(room, request, fields))

    return [Route("/audit/export", answering(export), methods=["POST"])]


def _export(room: Room, request: Request, fields: dict[str, str]) -> Response:
    actor = resume(room, request)
    secret = request.cookies.get(SESSION_COOKIE, "")
    if is_foreign(request) or not is_token_of(secret, fields.get("token", "")):
        raise ForeignRequest("the request does not come from this application's own page")
    kind = _kind(fields.get("format", ""))
    at = now()
    path = Path(tempfile.mkstemp(prefix="janus-med-audit-", suffix=f".{kind}")[1])
    try:
        _write(room, actor, read_filter(fields), kind, path, at)
    except BaseException:
        path.unlink(missing_ok=True)
        raise
    return FileResponse(
        path,
        media_type=_MEDIA_TYPES[kind],
        filename=f"janus-med-audit-{at:%Y%m%dT%H%M%SZ}.{kind}",
        headers={"Cache-Control": "no-store"},
        background=BackgroundTask(path.unlink, missing_ok=True),
    )


def _write(room: Room, actor: Actor, wanted: AuditFilter, kind: Kind, path: Path, at: datetime) -> None:
    if kind == "zip":
        export_bundle(room.store, actor, wanted, format="jsonl", path=path, now=at)
        return
    with path.open("w", encoding="utf-8", newline="") as out:
        audit.export_audit(room.store, actor, wanted, format=kind, out=out, now=at)


def _kind(name: str) -> Kind:
    match name:
        case "csv" | "jsonl" | "zip":
            return name
        case _:
            raise Rejected("an export is csv, jsonl or zip")
