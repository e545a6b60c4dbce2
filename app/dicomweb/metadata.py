"""WADO-RS: all attributes of instances as DICOM JSON, large values by address (PS3.18 annex F)."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import structlog
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import Response, StreamingResponse

from app.dicomweb.accept import DICOM_JSON, accepted, takes_json
from app.dicomweb.answers import PRIVATE, Service, base_url
from app.dicomweb.errors import NotAcceptable
from app.dicomweb.objects import SpoolObjects
from app.dicomweb.retrieve import address_of, instances_for
from app.domain.errors import NotFound
from app.domain.study import Instance

if TYPE_CHECKING:
    from pydicom import DataElement, Dataset

DicomJson = dict[str, Any]
# values longer than this stand at an address of their own
INLINE_BYTES = 1024
# attributes, pixel data apart, that are held in memory at a time
LARGEST_HEADER = 64 * 2**20
_BINARY = frozenset({"OB", "OD", "OF", "OL", "OV", "OW", "UN"})


class Metadata:
    """The service."""

    def __init__(self, service: Service, objects: SpoolObjects) -> None:
        self._service = service
        self._objects = objects

    async def metadata(self, request: Request) -> Response:
        """Give out the attributes of a study, a series or an instance."""
        return await run_in_threadpool(self._metadata, request)

    def _metadata(self, request: Request) -> Response:
        instances = instances_for(self._service, request)
        if not takes_json(accepted(request)):
            raise NotAcceptable("metadata is application/dicom+json")
        held = [instance for instance in instances if self._objects.holds(instance)]
        if not held:
            raise NotFound("the instances are not in the spool any more")
        status = 200 if len(held) == len(instances) else 206
        content = _as_array(self._describe(instance, base_url(request)) for instance in held)
        return StreamingResponse(content, status, headers=PRIVATE, media_type=DICOM_JSON)

    def _describe(self, instance: Instance, base: str) -> DicomJson:
        path, address = self._objects.path_of(instance), address_of(instance, base)
        try:
            return describe(path, address, has_pixels=self._objects.bits_of(instance.sha256) is not None)
        except Exception as error:
            # whatever pydicom makes of a foreign file must not take the rest of its study along
            log = structlog.get_logger()
            log.warning("metadata not readable", sop_uid=instance.sop_uid, error=type(error).__name__)
            return identify(instance)


def describe(path: Path, address: str, *, has_pixels: bool) -> DicomJson:
    """Return the attributes of a file of ours as DICOM JSON.

    Parameters
    ----------
    address
        Of the instance; its bulk data lies below.
    """
    from pydicom import dcmread

    dataset = dcmread(path, stop_before_pixels=True, defer_size=LARGEST_HEADER)
    described = {f"{tag:08X}": _element(dataset, tag, address) for tag in list(dataset.keys())}
    described = {name: value for name, value in described.items() if value is not None}
    if "00080005" in described:
        described["00080005"] = {"vr": "CS", "Value": ["ISO_IR 192"]}  # JSON is UTF-8 (PS3.18 F.2)
    if has_pixels:
        described["7FE00010"] = {"vr": "OW", "BulkDataURI": f"{address}/bulkdata/7FE00010"}
    return described


def identify(instance: Instance) -> DicomJson:
    """Return the attributes that place an instance, for one whose other attributes cannot be read."""
    uids = {
        "00080016": instance.sop_class_uid,
        "00080018": instance.sop_uid,
        "0020000D": instance.study_uid,
        "0020000E": instance.series_uid,
    }
    return {tag: {"vr": "UI", "Value": [uid]} for tag, uid in uids.items()}


def _element(dataset: Dataset, tag: Any, address: str) -> DicomJson | None:
    """Return one attribute; None when its value breaks the rules of its VR so that JSON cannot hold it."""
    try:
        element: DataElement = dataset[tag]
        if element.VR in _BINARY and isinstance(element.value, bytes) and len(element.value) > INLINE_BYTES:
            return {"vr": element.VR, "BulkDataURI": f"{address}/bulkdata/{tag:08X}"}
        described: DicomJson = element.to_json_dict(None, 2**62)
        json.dumps(described, allow_nan=False)
    except Exception:
        structlog.get_logger().info("attribute left out of metadata", tag=f"{tag:08X}")
        return None
    return described


def _as_array(items: Iterable[DicomJson]) -> Iterator[bytes]:
    """Write a JSON array of any length, item by item."""
    before = b"["
    for item in items:
        yield before + json.dumps(item, ensure_ascii=False, separators=(",", ":")).encode("utf-8", "replace")
        before = b","
    yield b"]"
