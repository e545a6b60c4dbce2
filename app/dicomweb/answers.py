"""How DICOMweb answers: DICOM JSON, refusals with their status, and nothing that a cache keeps."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from app.dicomweb.accept import DICOM_JSON
from app.dicomweb.caller import Callers
from app.domain.errors import AuthenticationFailed, JanusMedError
from app.services.decoder import PixelsUnreadable
from app.ui.room import Room
from app.ui.routes.answers import refusal

Endpoint = Callable[[Request], Awaitable[Response]]
PREFIX = "/dicomweb"
# without `identity` Streamlit would gzip pixels: slow, and of no use
PRIVATE = {"Cache-Control": "no-store", "Vary": "Accept, Authorization, Cookie"}


@dataclass(frozen=True)
class Service:
    """What every request needs."""

    room: Room
    callers: Callers


def base_url(request: Request) -> str:
    """Return the address of the service as the client reached it; the host is one of the allowed ones."""
    return f"{request.url.scheme}://{request.url.netloc}{PREFIX}"


def dicom_json(content: object, status: int = 200, headers: dict[str, str] | None = None) -> Response:
    """Return DICOM JSON (PS3.18 annex F)."""
    return JSONResponse(content, status, media_type=DICOM_JSON, headers=PRIVATE | (headers or {}))


def answering(service: Service, endpoint: Endpoint) -> Endpoint:
    """Turn errors that are raised on purpose into answers."""

    async def answer(request: Request) -> Response:
        try:
            return await endpoint(request)
        except JanusMedError as error:
            return _refuse(service, error)

    return answer


def _refuse(service: Service, error: JanusMedError) -> Response:
    answer = refusal(error)
    status = getattr(error, "status", None)
    if status is not None:
        answer.status_code = status
    elif isinstance(error, PixelsUnreadable):
        answer.status_code = 406
    if isinstance(error, AuthenticationFailed):
        answer.headers["WWW-Authenticate"] = service.callers.challenge()
    if answer.status_code == 503:
        answer.headers["Retry-After"] = "10"
    return answer
