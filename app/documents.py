"""`/reports/<number>/signed.pdf`: a signed report under the institution's signature, for whoever may read it.

The reading room knows no formats; these routes are added to it by the command that starts it.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Route

from app.domain.delivery import DeliveryOrder
from app.services.documents import export_document
from app.store.document_key import DocumentKey, read_document_key
from app.ui.csrf import is_foreign
from app.ui.room import Room
from app.ui.routes.answers import ForeignRequest, answering, in_thread, now, resume
from app.workers.signed_document import PDF, build_signed_pdf

if TYPE_CHECKING:
    from app.document_settings import DocumentSignature


def document_routes(settings: DocumentSignature) -> Callable[[Room], Sequence[BaseRoute]]:
    """Return what makes the routes of a room.

    Raises
    ------
    ConfigurationError
        If the certificate for documents cannot be used.
    """
    key = read_document_key(settings, now=datetime.now(UTC))
    assert key is not None

    def make(room: Room) -> Sequence[BaseRoute]:
        async def serve(request: Request) -> Response:
            return await in_thread(lambda: _signed_pdf(room, key, request))

        return [Route("/reports/{report_id:int}/signed.pdf", answering(serve), methods=["GET"])]

    return make


def _signed_pdf(room: Room, key: DocumentKey, request: Request) -> Response:
    actor = resume(room, request)
    if is_foreign(request):
        raise ForeignRequest("the request does not come from this application's own page")
    at = now()
    key.require_valid(now=at)
    report_id = int(request.path_params["report_id"])
    pdf = export_document(
        room.store,
        actor,
        report_id,
        kind=PDF,
        build=lambda order: _build(room, key, order),
        now=at,
    )
    return Response(
        pdf,
        media_type="application/pdf",
        headers={
            "Content-Disposition": f'attachment; filename="report-{report_id}.pdf"',
            "Content-Encoding": "identity",
            "Cache-Control": "no-store",
        },
    )


def _build(room: Room, key: DocumentKey, order: DeliveryOrder) -> bytes:
    settings = room.settings
    source = settings.spool_dir / "objects" / order.source.sha256[:2] / f"{order.source.sha256}.dcm"
    return build_signed_pdf(order, key, settings.institution, source)
