"""STOW-RS: `POST /dicomweb/studies[/<study>]` (PS3.18 10.5)."""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import structlog
from starlette.concurrency import run_in_threadpool
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response

from app.dicomweb.accept import MediaRange, accepted, takes_json
from app.dicomweb.answers import Service, base_url, dicom_json
from app.dicomweb.caller import Caller, require_storing
from app.dicomweb.errors import BadRequest, Busy, NotAcceptable, TooLarge
from app.dicomweb.incoming import CALLED_TITLE, IncomingInstance, PartOutcome
from app.dicomweb.multipart_in import DICOM, PartStream, boundary_of
from app.dicomweb.stow_answer import answer_to, status_of
from app.domain.errors import DatabaseUnavailable
from app.domain.identifiers import is_uid
from app.services.intake import record_quarantine
from app.ui.routes.answers import now, source_of
from pacs_bridge.carried_studies import CarriedStudies
from pacs_bridge.errors import CANNOT_UNDERSTAND
from pacs_bridge.received import AssociationFacts
from pacs_bridge.sink import InstanceSink
from pacs_bridge.spool_types import Disposition, StoreOutcome

MOST_AT_A_TIME = 8
_FEED_BYTES = 1 << 20
_LARGEST_REASONABLE_HEADER = 4096


@dataclass(frozen=True)
class Patience:
    """Seconds that a sender has: between two pieces of a body, and for all of it."""

    silence: float = 60.0
    whole: float = 3600.0


class Stow:
    """The service.

    Parameters
    ----------
    service
        Room and callers.
    sink
        The sink of a spool that was joined.
    workplace
        Folder of unfinished files of this process in that spool.
    patience
        How long a sender may take: it holds a place and its studies open meanwhile.
    """

    def __init__(
        self, service: Service, sink: InstanceSink, workplace: Path, patience: Patience | None = None
    ) -> None:
        self._service = service
        self._patience = patience or Patience()
        self._sink = sink
        self._workplace = workplace
        self._running = 0

    async def store(self, request: Request) -> Response:
        """Store the parts of a request one after the other, and answer for each."""
        caller = await run_in_threadpool(self._admit, request)
        study_uid = request.path_params.get("study_uid", "")
        if study_uid and not is_uid(study_uid):
            raise BadRequest("the Study Instance UID in the address is no UID")
        if not takes_json(accepted(request)):
            raise NotAcceptable("the answer is application/dicom+json")
        boundary = boundary_of(request.headers.get("content-type", "")[:_LARGEST_REASONABLE_HEADER])
        largest = self._service.room.settings.dicomweb_largest_request_mb * 1_000_000
        if int(request.headers.get("content-length") or 0) > largest:
            raise TooLarge(f"a request has at most {largest} bytes")
        if self._running >= MOST_AT_A_TIME:
            raise Busy(f"{MOST_AT_A_TIME} requests are being stored: try again")
        self._running += 1
        try:
            facts = AssociationFacts(
                f"stow-{secrets.token_hex(8)}", caller.title, CALLED_TITLE, source_of(request)
            )
            taker = _Taker(self._sink, facts, study_uid, CarriedStudies(self._workplace))
            return await self._receive(request, taker, boundary, largest)
        finally:
            self._running -= 1

    def _admit(self, request: Request) -> Caller:
        caller = self._service.callers.recognise(request, now=now())
        require_storing(self._service.room, caller, now=now())
        return caller

    async def _receive(self, request: Request, taker: _Taker, boundary: str, largest: int) -> Response:
        parts = PartStream(boundary, taker, largest=largest)
        try:
            async for chunk in _chunks(request, self._patience):
                await run_in_threadpool(parts.feed, chunk)
            parts.finish()
        finally:
            # on the way out of an error: what is complete is stored, what is not is forgotten
            await run_in_threadpool(taker.close)
            await run_in_threadpool(self._note, taker)
        if not taker.outcomes:
            raise BadRequest("the request has no parts")
        content = answer_to(taker.outcomes, base=base_url(request))
        status = status_of(taker.outcomes)
        answer = dicom_json(content, status)
        if status == 503:
            answer.headers["Retry-After"] = "60"
        return answer

    def _note(self, taker: _Taker) -> None:
        """Log and audit what was set aside; without a database the listener does so at its next start."""
        log = structlog.get_logger().bind(association=taker.facts.association_id)
        log.info("stow", instances=len(taker.outcomes), stored=sum(_is_stored(o) for o in taker.outcomes))
        for part in taker.outcomes:
            if part.outcome.disposition is not Disposition.QUARANTINED:
                continue
            log.warning("instance quarantined", sop_uid=part.sop_instance_uid, reason=part.outcome.reason)
            try:
                record_quarantine(
                    self._service.room.store,
                    sop_uid=part.sop_instance_uid,
                    study_uid=part.study_uid,
                    sha256=part.outcome.digest,
                    reason=part.outcome.reason,
                    calling_ae=taker.facts.calling_ae,
                    now=datetime.now(UTC),
                )
            except DatabaseUnavailable:
                log.warning("quarantine not noted yet, the database is away")


class _Taker:
    """Takes the parts of one request."""

    def __init__(
        self, sink: InstanceSink, facts: AssociationFacts, study_uid: str, carried: CarriedStudies
    ) -> None:
        self.facts = facts
        self.outcomes: list[PartOutcome] = []
        self._sink = sink
        self._study_uid = study_uid
        self._carried = carried
        self._current: IncomingInstance | None = None

    def begin(self, media: MediaRange) -> None:
        """Start a part."""
        self._current = None
        if media.name == DICOM:
            self._current = IncomingInstance(self._sink, self.facts, self._study_uid, self._carried.carry)

    def write(self, data: bytes) -> None:
        """Take the next bytes of it."""
        if self._current is not None:
            self._current.write(data)

    def end(self) -> None:
        """Store it."""
        current, self._current = self._current, None
        if current is not None:
            self.outcomes.append(current.finish())
        else:
            reason = "the part is not application/dicom"
            self.outcomes.append(PartOutcome(StoreOutcome(CANNOT_UNDERSTAND, Disposition.REFUSED, reason)))

    def close(self) -> None:
        """Forget a part that has not ended; the request carries no study any more."""
        if self._current is not None:
            self._current.discard()
        self._carried.close()


async def _chunks(request: Request, patience: Patience) -> AsyncIterator[bytes]:
    """Yield the body in pieces worth a thread; a sender that falls silent or never ends is hung up on."""
    gathered, clock = bytearray(), asyncio.get_running_loop().time
    end = clock() + patience.whole
    stream = request.stream()
    while True:
        try:
            chunk = await asyncio.wait_for(anext(stream), min(patience.silence, end - clock()))
        except StopAsyncIteration:
            break
        except TimeoutError:
            raise BadRequest("the sender has fallen silent, or takes too long") from None
        except ClientDisconnect:
            raise BadRequest("the sender has hung up") from None
        gathered += chunk
        if len(gathered) >= _FEED_BYTES:
            yield bytes(gathered)
            gathered.clear()
    if gathered:
        yield bytes(gathered)


def _is_stored(part: PartOutcome) -> bool:
    return part.outcome.disposition in {Disposition.STORED, Disposition.DUPLICATE}
