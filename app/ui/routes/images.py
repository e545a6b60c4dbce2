"""`/pixels/<SOP Instance UID>`: the stored pixels of one frame, for whoever may see the study.

`/overlay-planes/<SOP Instance UID>`: what the sender drew over that frame, for the same people.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from typing import Any

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from app.domain.errors import NotFound, Rejected
from app.domain.identifiers import is_uid
from app.services import reading
from app.services.decoder import StoredPixels
from app.ui.room import Room
from app.ui.routes.answers import answering, in_thread, now, resume

FACTS_HEADER = "X-Image-Facts"
_KEPT_SECONDS = 600


def image_routes(room: Room) -> list[Route]:
    """Return the routes of pixels and of what lies over them."""

    async def serve(request: Request) -> Response:
        return await in_thread(lambda: _pixels(room, request))

    async def serve_planes(request: Request) -> Response:
        return await in_thread(lambda: _planes(room, request))

    return [
        Route("/pixels/{sop_uid:str}", answering(serve), methods=["GET"]),
        Route("/overlay-planes/{sop_uid:str}", answering(serve_planes), methods=["GET"]),
    ]


def _pixels(room: Room, request: Request) -> Response:
    pixels, seconds = _read(room, request)
    return Response(
        pixels.data,
        media_type="application/octet-stream",
        headers={
            FACTS_HEADER: json.dumps(facts_for_viewer(pixels.facts), separators=(",", ":")),
            # Streamlit would gzip ten megabytes of noise: ten times slower than sending them as they are
            "Content-Encoding": "identity",
            **_kept_for(seconds),
        },
    )


def _planes(room: Room, request: Request) -> Response:
    pixels, seconds = _read(room, request)
    return JSONResponse({"planes": pixels.facts["overlay_planes"]}, headers=_kept_for(seconds))


def _kept_for(seconds: int) -> dict[str, str]:
    return {"Cache-Control": f"private, max-age={seconds}", "Vary": "Cookie"}


def _read(room: Room, request: Request) -> tuple[StoredPixels, int]:
    """Return a frame that its reader may see, and for how many seconds a browser may keep it."""
    actor = resume(room, request)
    sop_uid = request.path_params["sop_uid"]
    if not is_uid(sop_uid):
        raise NotFound("there is no such image")
    at = now()
    source = reading.may_see_pixels(room.store, actor, sop_uid, now=at)
    # the browser keeps no picture for longer than its reader may see it
    left = _KEPT_SECONDS if source.until is None else int((source.until - at).total_seconds())
    return room.pixels.get(source.sha256, _frame(request)), min(_KEPT_SECONDS, left)


def _frame(request: Request) -> int:
    text = request.query_params.get("frame", "0")
    if not (text.isascii() and text.isdigit() and len(text) <= 5):
        raise Rejected("a frame is a number from 0")
    return int(text)


def _name_of(uid: str) -> str:
    """Return a name that is the same for the same UID, and tells nobody which one."""
    return hashlib.sha256(uid.encode()).hexdigest()[:16] if uid else ""


def facts_for_viewer(facts: Mapping[str, Any]) -> dict[str, Any]:
    """Return what the viewer needs to show stored pixels rightly; identifiers stay behind."""
    shape = str(facts.get("presentation_lut_shape") or "")
    return {
        "rows": facts["rows"],
        "columns": facts["columns"],
        "samples": facts["samples_per_pixel"],
        "frames": facts["frames"],
        "bytes": int(str(facts["dtype"])[-1]),
        "signed": str(facts["dtype"])[1] == "i",
        "inverted": facts["photometric_interpretation"] == "MONOCHROME1" or shape == "INVERSE",
        "slope": facts["rescale_slope"],
        "intercept": facts["rescale_intercept"],
        "modalityLut": facts.get("modality_lut"),
        "voiLut": facts.get("voi_lut"),
        "windows": list(facts.get("windows") or ()),
        "windowShape": facts.get("voi_lut_function") or "LINEAR",
        "padding": facts.get("padding"),
        "spacing": [facts.get("row_spacing") or 1.0, facts.get("column_spacing") or 1.0],
        "spacingSource": facts.get("spacing_source") or "none",
        "spacingCalibration": facts.get("spacing_calibration") or "",
        "magnification": facts.get("magnification"),
        "modality": facts.get("modality") or "",
        "laterality": facts.get("laterality") or "",
        "imageOrientation": facts.get("image_orientation"),
        "imagePosition": facts.get("image_position"),
        "sliceThickness": facts.get("slice_thickness"),
        "frameOfReference": _name_of(facts.get("frame_of_reference_uid") or ""),
        "patientOrientation": facts.get("patient_orientation"),
        "overlayPlanes": len(facts.get("overlay_planes") or ()),
        "overlayPlanesLeftOut": facts.get("overlay_planes_left_out") or 0,
    }
