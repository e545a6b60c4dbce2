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

_RETRY_AFTER = {503: "10"}


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


def answering(service: Service, name: str, endpoint: Endpoint) -> Endpoint:
    """Turn errors that are raised on purpose into answers, and count what is answered.

    Parameters
    ----------
    name
        Of the service: ``stow``, ``qido``, ``wado``.
    """
    counter = service.room.metrics.dicomweb_requests

    async def answer(request: Request) -> Response:
        status = 500
        try:
            answered = await endpoint(request)
            status = answered.status_code
        except JanusMedError as error:
            answered = _refuse(service, error)
            status = answered.status_code
        finally:
            counter.labels(service=name, status=str(status)).inc()
        return answered

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
    if answer.status_code in _RETRY_AFTER:
        answer.headers["Retry-After"] = _RETRY_AFTER[answer.status_code]
    return answer
