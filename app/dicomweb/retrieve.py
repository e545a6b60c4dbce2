"""WADO-RS: studies, series and instances as DICOM files (PS3.18 10.4.1.1)."""

from __future__ import annotations

import io
from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import chain

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import FileResponse, Response

from app.dicomweb.accept import MediaRange, accepted
from app.dicomweb.answers import PRIVATE, Service, base_url
from app.dicomweb.caller import require_reading
from app.dicomweb.errors import NotAcceptable
from app.dicomweb.multipart_out import Part, multipart, pieces_of
from app.dicomweb.negotiation import DICOM, EXPLICIT_LE, Form, form_of_object
from app.dicomweb.objects import SpoolObjects
from app.domain.errors import NotFound
from app.domain.study import Instance
from app.services import dicomweb
from app.ui.routes.answers import now

# re-encoding holds an object in memory
LARGEST_REENCODED = 256 * 2**20
Chosen = tuple[Instance, Form]


def instances_for(service: Service, request: Request) -> tuple[Instance, ...]:
    """Return what the address names, as something that the caller is given; see `dicomweb.retrieve`."""
    at = now()
    caller = service.callers.recognise(request, now=at)
    require_reading(service.room, caller, now=at)
    path = request.path_params
    return dicomweb.retrieve(
        service.room.store,
        caller.actor,
        path["study_uid"],
        series_uid=path.get("series_uid"),
        sop_uid=path.get("sop_uid"),
        now=at,
    )


def address_of(instance: Instance, base: str) -> str:
    """Return the address of an instance."""
    return f"{base}/studies/{instance.study_uid}/series/{instance.series_uid}/instances/{instance.sop_uid}"


class Retrievals:
    """The service."""

    def __init__(self, service: Service, objects: SpoolObjects) -> None:
        self._service = service
        self._objects = objects

    async def retrieve(self, request: Request) -> Response:
        """Give out a study, a series or an instance."""
        return await run_in_threadpool(self._retrieve, request)

    def _retrieve(self, request: Request) -> Response:
        instances = instances_for(self._service, request)
        ranges = accepted(request)
        held = [instance for instance in instances if self._objects.holds(instance)]
        if not held:
            raise NotFound("the instances are not in the spool any more")
        chosen = self._choose(held, ranges)
        if not chosen:
            raise NotAcceptable(
                'instances are given out as multipart/related, type="application/dicom", in their own '
                "transfer syntax (transfer-syntax=*) or, uncompressed ones, in Explicit VR Little Endian"
            )
        if "sop_uid" in request.path_params and _wants_single(ranges):
            return self._single(*chosen[0])
        base = base_url(request)
        # some of what was asked for cannot be given: PS3.18 table 10.4.3-1, partial content
        status = 200 if len(chosen) == len(instances) else 206
        parts = (self._part(instance, form, base) for instance, form in chosen)
        # the first is made before the answer begins, so that what cannot be made has a status
        return multipart(chain([next(parts)], parts), inner=DICOM, status=status)

    def _choose(self, held: Sequence[Instance], ranges: Iterable[MediaRange]) -> list[Chosen]:
        ranges = list(ranges)
        chosen = []
        for instance in held:
            form = form_of_object(instance.transfer_syntax_uid, ranges)
            if form is None or (form is Form.EXPLICIT and instance.size > LARGEST_REENCODED):
                continue
            chosen.append((instance, form))
        return chosen

    def _part(self, instance: Instance, form: Form, base: str) -> Part:
        syntax = instance.transfer_syntax_uid if form is Form.STORED else EXPLICIT_LE
        return Part(
            f"{DICOM}; transfer-syntax={syntax}",
            address_of(instance, base),
            self._content(instance, form)(),
        )

    def _content(self, instance: Instance, form: Form) -> Callable[[], Iterator[bytes]]:
        path = self._objects.path_of(instance)
        if form is Form.STORED:
            return lambda: pieces_of(path)
        return lambda: iter([reencode(path.read_bytes())])

    def _single(self, instance: Instance, form: Form) -> Response:
        path = self._objects.path_of(instance)
        headers = PRIVATE | {"Content-Encoding": "identity"}
        if form is Form.STORED:
            return FileResponse(path, media_type=DICOM, headers=headers)
        return Response(reencode(path.read_bytes()), media_type=DICOM, headers=headers)


def reencode(file: bytes) -> bytes:
    """Return a file in Implicit VR Little Endian as one in Explicit VR Little Endian; values stay.

    Raises
    ------
    NotAcceptable
        If it cannot be read that far.
    """
    from pydicom import dcmread

    out = io.BytesIO()
    try:
        dataset = dcmread(io.BytesIO(file))
        dataset.file_meta.TransferSyntaxUID = EXPLICIT_LE
        dataset.save_as(out, implicit_vr=False, little_endian=True, enforce_file_format=True)
    except Exception:
        # whatever pydicom makes of a foreign file: what is stored can still be had as it is
        raise NotAcceptable("the instance cannot be re-encoded; ask for transfer-syntax=*") from None
    return out.getvalue()


def _wants_single(ranges: Iterable[MediaRange]) -> bool:
    """Tell whether application/dicom itself is liked better than a multipart answer."""
    for media in ranges:
        if media.name == DICOM:
            return True
        if media.is_multipart:
            return False
    return False
