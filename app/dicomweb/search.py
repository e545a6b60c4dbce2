"""QIDO-RS: searches for studies, series and instances (PS3.18 10.6)."""

from __future__ import annotations

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import Response

from app.dicomweb.accept import accepted, takes_json
from app.dicomweb.answers import PRIVATE, Service, base_url, dicom_json
from app.dicomweb.attributes import Describer
from app.dicomweb.caller import require_reading
from app.dicomweb.errors import NotAcceptable
from app.dicomweb.objects import SpoolObjects
from app.dicomweb.query import read_query
from app.domain.dicomweb import Key, Level
from app.services import dicomweb
from app.ui.routes.answers import now

_IN_PATH = {"study_uid": Key.STUDY_UID, "series_uid": Key.SERIES_UID}


class Searches:
    """The service."""

    def __init__(self, service: Service, objects: SpoolObjects) -> None:
        self._service = service
        self._objects = objects

    async def studies(self, request: Request) -> Response:
        """Search for studies."""
        return await run_in_threadpool(self._search, request, Level.STUDY)

    async def series(self, request: Request) -> Response:
        """Search for series, of all studies or of one."""
        return await run_in_threadpool(self._search, request, Level.SERIES)

    async def instances(self, request: Request) -> Response:
        """Search for instances, of all studies, of one, or of one series."""
        return await run_in_threadpool(self._search, request, Level.INSTANCE)

    def _search(self, request: Request, level: Level) -> Response:
        room, at = self._service.room, now()
        caller = self._service.callers.recognise(request, now=at)
        require_reading(room, caller, now=at)
        if not takes_json(accepted(request)):
            raise NotAcceptable("results are application/dicom+json")
        confined = {
            key: request.path_params[name] for name, key in _IN_PATH.items() if name in request.path_params
        }
        query = read_query(level, request.query_params, confined)
        page = dicomweb.search(room.store, caller.actor, query.search, now=at)
        warnings = list(query.warnings)
        if page.remaining:
            warnings.append(f"There are {page.remaining} additional results that can be requested.")
        headers = _warn(request, warnings)
        if not page.rows:
            return Response(status_code=204, headers=PRIVATE | headers)
        describer = Describer(
            base=base_url(request),
            header_of=self._objects.header_of,
            bits_of=self._objects.bits_of,
            fields=query.fields,
            is_confined=Key.STUDY_UID in confined,
        )
        return dicom_json([describer.describe(row) for row in page.rows], headers=headers)


def _warn(request: Request, texts: list[str]) -> dict[str, str]:
    """Return the Warning header (PS3.18 10.6.3.1: code 299 and the address of the service)."""
    return {"Warning": ", ".join(f'299 {request.url.netloc} "{text}"' for text in texts)} if texts else {}
