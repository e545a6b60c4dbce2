"""WADO-RS: frames and bulk data, as stored or decoded by the reading room's decoder (PS3.18 10.4.1.1.6)."""

from __future__ import annotations

import re
from array import array
from itertools import chain

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import Response

from app.dicomweb.accept import accepted
from app.dicomweb.answers import Service, base_url
from app.dicomweb.errors import BadRequest, NotAcceptable
from app.dicomweb.multipart_out import Part, multipart, pieces_of
from app.dicomweb.negotiation import EXPLICIT_BE, EXPLICIT_LE, NATIVE, OCTETS, Form, form_of_frames
from app.dicomweb.objects import PIXEL_DATA, PixelLayout, SpoolObjects
from app.dicomweb.retrieve import address_of, instances_for
from app.domain.errors import NotFound
from app.domain.study import Instance

MOST_FRAMES = 10_000
_TAG = re.compile(r"[0-9A-Fa-f]{8}")


class Frames:
    """The service."""

    def __init__(self, service: Service, objects: SpoolObjects) -> None:
        self._service = service
        self._objects = objects

    async def frames(self, request: Request) -> Response:
        """Give out the frames that the address lists."""
        return await run_in_threadpool(self._frames, request)

    async def bulk_data(self, request: Request) -> Response:
        """Give out the value of a large attribute; pixel data frame by frame when it is encapsulated."""
        return await run_in_threadpool(self._bulk_data, request)

    def _frames(self, request: Request) -> Response:
        [instance] = instances_for(self._service, request)
        layout = self._objects.pixels_of(instance)
        numbers = read_frame_numbers(request.path_params["frames"], layout.frames)
        return self._answer(request, instance, layout, numbers)

    def _answer(
        self, request: Request, instance: Instance, layout: PixelLayout, numbers: list[int]
    ) -> Response:
        form = form_of_frames(layout.transfer_syntax, accepted(request))
        if form is None:
            raise NotAcceptable("frames are given out as multipart/related, as they are stored or as octets")
        how, media_type = form
        source = _FrameSource(self._service, self._objects, instance, layout)
        reader = source.decoded if how is Form.DECODED else source.stored
        # the first is made before the answer begins, so that what cannot be decoded has a status
        first = reader(numbers[0])
        syntax = layout.transfer_syntax if how is Form.STORED and source.is_encoded else EXPLICIT_LE
        base = address_of(instance, base_url(request))

        def part(number: int, content: bytes) -> Part:
            return Part(f"{media_type}; transfer-syntax={syntax}", f"{base}/frames/{number}", [content])

        rest = (part(number, reader(number)) for number in numbers[1:])
        return multipart(chain([part(numbers[0], first)], rest), inner=media_type)

    def _bulk_data(self, request: Request) -> Response:
        [instance] = instances_for(self._service, request)
        tag = request.path_params["tag"]
        if not _TAG.fullmatch(tag):
            raise NotFound("there is no such bulk data")
        if int(tag, 16) == PIXEL_DATA:
            layout = self._objects.pixels_of(instance)
            if layout.length is None:
                return self._answer(request, instance, layout, list(range(1, layout.frames + 1)))
        offset, length, syntax = self._objects.value_of(instance, int(tag, 16))
        if syntax == EXPLICIT_BE or form_of_frames(EXPLICIT_LE, accepted(request)) is None:
            raise NotAcceptable("bulk data is given out as little endian octets in multipart/related")
        path = self._objects.path_of(instance)
        location = f"{address_of(instance, base_url(request))}/bulkdata/{tag.upper()}"
        part = Part(f"{OCTETS}; transfer-syntax={EXPLICIT_LE}", location, pieces_of(path, offset, length))
        return multipart([part], inner=OCTETS)


def read_frame_numbers(text: str, frames: int) -> list[int]:
    """Read a list of frame numbers, which count from 1.

    Raises
    ------
    BadRequest
        If it is no such list.
    NotFound
        If the object has fewer frames.
    """
    items = re.split(r",|%2C", text)
    if len(items) > MOST_FRAMES or not all(re.fullmatch(r"[1-9][0-9]{0,8}", item) for item in items):
        raise BadRequest("frames are a list of numbers from 1, with commas between")
    numbers = [int(item) for item in items]
    if max(numbers) > frames:
        raise NotFound(f"the instance has {frames} frames")
    return numbers


class _FrameSource:
    """The frames of one object."""

    def __init__(
        self, service: Service, objects: SpoolObjects, instance: Instance, layout: PixelLayout
    ) -> None:
        self._room = service.room
        self._path = objects.path_of(instance)
        self._instance = instance
        self._layout = layout

    @property
    def is_encoded(self) -> bool:
        """Whether the frames are stored compressed."""
        return self._layout.transfer_syntax not in NATIVE

    def stored(self, number: int) -> bytes:
        """Return a frame as it is stored; native ones in little endian."""
        return self._encapsulated(number) if self._layout.length is None else self._native(number)

    def decoded(self, number: int) -> bytes:
        """Return a frame decoded, its samples in little endian, outside this process.

        Raises
        ------
        NotAcceptable
            For colour, where a decoder may change what the photometric interpretation says.
        """
        layout = self._layout
        if layout.samples != 1:
            raise NotAcceptable(
                "only frames with one sample per pixel are decoded; ask for transfer-syntax=*"
            )
        pixels = self._room.pixels.get(self._instance.sha256, number - 1)
        if len(pixels.data) != layout.frame_bytes:
            raise NotAcceptable("the frame cannot be given out decoded; ask for transfer-syntax=*")
        return pixels.data

    def _native(self, number: int) -> bytes:
        size, length = self._layout.frame_bytes, self._layout.length or 0
        if not size:
            raise NotAcceptable("the frames do not begin at bytes; retrieve the instance")
        if number * size > length:
            raise NotFound("the pixel data is shorter than its frames")
        with self._path.open("rb") as file:
            file.seek(self._layout.offset + (number - 1) * size)
            data = file.read(size)
        if self._layout.transfer_syntax == EXPLICIT_BE and self._layout.bits > 8:
            samples = array({16: "H", 32: "I", 64: "Q"}[self._layout.bits], data)
            samples.byteswap()
            return samples.tobytes()
        return data

    def _encapsulated(self, number: int) -> bytes:
        from pydicom.encaps import get_frame

        with self._path.open("rb") as file:
            file.seek(self._layout.offset)
            try:
                return get_frame(
                    file,
                    number - 1,
                    extended_offsets=self._layout.extended_offsets,
                    number_of_frames=self._layout.frames,
                )
            except (ValueError, EOFError, OSError):
                raise NotFound("the instance does not hold this frame") from None
