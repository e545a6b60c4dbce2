"""The requests of one association, answered one after another in the order they came (PS3.7 8.1)."""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from collections.abc import Callable

from pacs_bridge.answering import Answering
from pacs_bridge.command_set import CommandField, encode_response
from pacs_bridge.data_set_bytes import DataSetBytes
from pacs_bridge.errors import PROCESSING_FAILURE, ProtocolViolation
from pacs_bridge.message import Message
from pacs_bridge.station import Station

LOGGER = logging.getLogger(__name__)
Respond = Callable[[int, bytes], None]


class Requests:
    """The queue of an association; used in the thread of its loop only.

    Parameters
    ----------
    station
        The surroundings.
    answering
        Finds the answers.
    respond
        Sends an encoded response in a presentation context.
    on_idle
        Called whenever everything that was asked is answered.
    """

    def __init__(
        self, station: Station, answering: Answering, respond: Respond, on_idle: Callable[[], None]
    ) -> None:
        self._station = station
        self._answering = answering
        self._respond = respond
        self._on_idle = on_idle
        self._queue: deque[Message] = deque()
        self._spilling: asyncio.Future[None] | None = None
        self._task: asyncio.Task[None] | None = None
        self._stopped = False

    @property
    def is_busy(self) -> bool:
        """Whether a request is being answered or waits."""
        return self._task is not None

    @property
    def is_spilling(self) -> bool:
        """Whether a part of a data set is on its way to the disk."""
        return self._spilling is not None

    def put(self, message: Message) -> None:
        """Take a message: a request is answered in its turn, anything else is forgotten.

        Raises
        ------
        ProtocolViolation
            If the peer does not wait for answers (PS3.7 D.3.3.3).
        """
        if not message.command.is_request or message.command.field == CommandField.C_CANCEL:
            return
        if len(self._queue) >= self._station.config.transport.queued_messages:
            message.content.discard()
            raise ProtocolViolation("requests were sent without waiting for answers")
        self._queue.append(message)
        if self._task is None:
            self._task = self._station.loop.create_task(self._run())

    def spill(self, content: DataSetBytes, then: Callable[[], None]) -> None:
        """Write what has arrived of a large data set while more arrives; one chunk at a time."""
        chunk = content.detach()
        self._spilling = self._station.loop.run_in_executor(self._station.disk, content.spill, chunk)
        self._spilling.add_done_callback(lambda _: self._spilled(then))

    def _spilled(self, then: Callable[[], None]) -> None:
        self._spilling = None
        then()

    def stop(self) -> None:
        """Answer no more than what is being answered."""
        self._stopped = True

    async def finish(self) -> None:
        """Wait until no thread works for the association, and remove what is left over."""
        if self._spilling is not None:
            await asyncio.wait([self._spilling])
        if self._task is not None:
            await asyncio.wait([self._task])

    async def _run(self) -> None:
        try:
            while self._queue:
                message = self._queue.popleft()
                if self._stopped:
                    message.content.discard()
                else:
                    await self._answer(message)
        finally:
            self._task = None
            self._on_idle()

    async def _answer(self, message: Message) -> None:
        if self._spilling is not None:
            await asyncio.wait([self._spilling])
        try:
            status, comment = await self._answering.answer(message)
        except Exception:  # whatever it is, the peer must hear of it and the next request be served
            LOGGER.exception("request_failed")
            status, comment = PROCESSING_FAILURE, ""
        self._respond(message.context_id, encode_response(message.command, status, comment))
