"""WADO-RS: images as PNG or JPEG for people to look at, not to diagnose from (PS3.18 10.4.1.1.3)."""

from __future__ import annotations

import io
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from starlette.concurrency import run_in_threadpool
from starlette.datastructures import QueryParams
from starlette.requests import Request
from starlette.responses import Response

from app.dicomweb.accept import MediaRange, accepted
from app.dicomweb.answers import PRIVATE, Service
from app.dicomweb.errors import BadRequest, NotAcceptable
from app.dicomweb.frames import read_frame_numbers
from app.dicomweb.objects import SpoolObjects
from app.dicomweb.retrieve import instances_for
from app.services.decoder import StoredPixels

if TYPE_CHECKING:
    import numpy as np

LARGEST_SIDE = 8192
_QUALITY = 90
_MEDIA = {"image/jpeg": "JPEG", "image/png": "PNG"}


@dataclass(frozen=True)
class Wish:
    """How the client wants an image.

    Attributes
    ----------
    window
        Centre and width; None for the image's own.
    viewport
        Columns and rows that it has to fit into; None for its own size.
    """

    media_type: str
    window: tuple[float, float] | None
    viewport: tuple[int, int] | None
    quality: int


class Rendered:
    """The service."""

    def __init__(self, service: Service, objects: SpoolObjects) -> None:
        self._service = service
        self._objects = objects

    async def render(self, request: Request) -> Response:
        """Give out one frame, the first when none is named, as a picture."""
        return await run_in_threadpool(self._render, request)

    def _render(self, request: Request) -> Response:
        [instance] = instances_for(self._service, request)
        wish = read_wish(accepted(request), request.query_params)
        layout = self._objects.pixels_of(instance)
        numbers = read_frame_numbers(request.path_params.get("frames", "1"), layout.frames)
        if len(numbers) != 1:
            raise NotAcceptable("one frame is rendered at a time")
        pixels = self._service.room.pixels.get(instance.sha256, numbers[0] - 1)
        return Response(
            draw(pixels, wish),
            media_type=wish.media_type,
            headers=PRIVATE | {"Content-Encoding": "identity"},
        )


def read_wish(ranges: Iterable[MediaRange], parameters: QueryParams) -> Wish:
    """Read how an image is wanted.

    Raises
    ------
    NotAcceptable
        Unless PNG or JPEG is taken.
    BadRequest
        If a parameter is malformed (PS3.18 8.3.5).
    """
    media_type = next((name for media in ranges if (name := _picture(media.name))), "")
    if not media_type:
        raise NotAcceptable("images are rendered as image/jpeg or image/png")
    window = _numbers(parameters.get("window", ""), "window")
    viewport = _numbers(parameters.get("viewport", ""), "viewport")
    if viewport and not all(1 <= side <= LARGEST_SIDE for side in viewport):
        raise BadRequest(f"the sides of a viewport are 1 to {LARGEST_SIDE}")
    quality = parameters.get("quality", str(_QUALITY))
    if not (quality.isascii() and quality.isdigit() and 1 <= int(quality[:4]) <= 100):
        raise BadRequest("quality is 1 to 100")
    return Wish(
        media_type,
        window,
        (int(viewport[0]), int(viewport[1])) if viewport else None,
        int(quality),
    )


def draw(pixels: StoredPixels, wish: Wish) -> bytes:
    """Return a frame as an encoded picture.

    Raises
    ------
    NotAcceptable
        For palettes, which are not applied.
    """
    import numpy as np
    from PIL import Image

    facts = pixels.facts
    samples = int(facts["samples_per_pixel"])
    if facts["photometric_interpretation"] == "PALETTE COLOR" or samples not in {1, 3}:
        raise NotAcceptable("images with a palette are not rendered")
    shape = (int(facts["rows"]), int(facts["columns"]), *([3] if samples == 3 else []))
    stored = np.frombuffer(pixels.data, dtype=np.dtype(facts["dtype"])).reshape(shape)
    image = Image.fromarray(
        stored if samples == 3 and stored.dtype == np.uint8 else _grey(stored, facts, wish)
    )
    if wish.viewport:
        image.thumbnail(wish.viewport)
    out = io.BytesIO()
    options = {"quality": wish.quality} if wish.media_type == "image/jpeg" else {}
    image.save(out, _MEDIA[wish.media_type], **options)
    return out.getvalue()


def _grey(stored: np.ndarray[Any, Any], facts: Mapping[str, Any], wish: Wish) -> np.ndarray[Any, Any]:
    """Apply rescale and window to stored values; 0 is black in the answer (PS3.3 C.11.2.1.2).

    Returns
    -------
    numpy.ndarray
        (rows, columns) uint8.
    """
    import numpy as np

    values = stored.astype(np.float32) * float(facts["rescale_slope"] or 1) + float(
        facts["rescale_intercept"] or 0
    )
    window = wish.window or _own_window(facts)
    if window:
        centre, width = window
        low, high = centre - 0.5 - (width - 1) / 2, centre - 0.5 + (width - 1) / 2
    else:
        low, high = float(values.min()), float(values.max())
    grey = np.clip((values - low) / max(high - low, 1e-6), 0, 1) * 255
    inverse = str(facts.get("presentation_lut_shape") or "") == "INVERSE"
    if facts["photometric_interpretation"] == "MONOCHROME1" or inverse:
        grey = 255 - grey
    return np.rint(grey).astype(np.uint8)


def _own_window(facts: Mapping[str, Any]) -> tuple[float, float] | None:
    """Return the first window of the image; none beside a table of its own, which is not applied."""
    windows = facts.get("windows") or ()
    if not windows or facts.get("modality_lut"):
        return None
    first = windows[0]
    values = (first["center"], first["width"]) if isinstance(first, Mapping) else (first[0], first[1])
    return float(values[0]), max(float(values[1]), 1.0)


def _picture(name: str) -> str:
    if name in _MEDIA:
        return name
    return "image/jpeg" if name in {"image/*", "*/*"} else ""


def _numbers(text: str, name: str) -> tuple[float, float] | None:
    """Read the first two of a list of numbers; a third may name the window's function."""
    if not text:
        return None
    try:
        first, second = (float(item) for item in text.split(",")[:2])
    except ValueError:
        raise BadRequest(f"{name} is two numbers with a comma between") from None
    if not (abs(first) < 1e9 and 1 <= second < 1e9):
        raise BadRequest(f"{name} is out of range")
    return first, second
