"""The desk as a receiving process sees it: everything is asked of, or told to, the parent."""

from __future__ import annotations

import itertools
import threading
from concurrent.futures import Future
from typing import Any

from pacs_bridge.admission import Rejection
from pacs_bridge.channel import Channel, pack, pack_request, unpack
from pacs_bridge.dimse_service import NormalizedRequest
from pacs_bridge.errors import PROCESSING_FAILURE
from pacs_bridge.received import AssociationFacts

_PATIENCE_SECONDS = 60.0


class RemoteDesk:
    """A `Desk` at the other end of a channel.

    Parameters
    ----------
    channel
        To the parent; what it answers is given to `settle`.
    """

    def __init__(self, channel: Channel) -> None:
        self._channel = channel
        self._numbers = itertools.count(1)
        self._asked: dict[int, Future[Any]] = {}
        self._lock = threading.Lock()

    def admit(self, facts: AssociationFacts) -> Rejection | None:
        """Ask for a place."""
        rejection = unpack(self._ask("admit", facts=pack(facts)))
        return rejection if isinstance(rejection, Rejection) else None

    def vacate(self, association_id: str) -> None:
        """Give the place free."""
        self._channel.send({"call": "vacate", "association": association_id})

    def carry(self, association_id: str, study_uid: str) -> None:
        """Have a study noted before going on."""
        self._ask("carry", association=association_id, study=study_uid)

    def leave(self, association_id: str) -> None:
        """Have the association forgotten."""
        self._channel.send({"call": "leave", "association": association_id})

    def tell(self, name: str, *arguments: object) -> None:
        """Pass an event on, in order."""
        self._channel.send({"call": "tell", "event": name, "arguments": [pack(a) for a in arguments]})

    def answer(self, request: NormalizedRequest) -> int:
        """Let the parent's service answer."""
        status = self._ask("answer", request=pack_request(request))
        return status if isinstance(status, int) else PROCESSING_FAILURE

    def settle(self, number: int, value: Any) -> None:
        """Take the parent's answer to a question."""
        with self._lock:
            asked = self._asked.pop(number, None)
        if asked is not None:
            asked.set_result(value)

    def _ask(self, call: str, **fields: Any) -> Any:
        answer: Future[Any] = Future()
        with self._lock:
            number = next(self._numbers)
            self._asked[number] = answer
        self._channel.send({"call": call, "number": number, **fields})
        return answer.result(_PATIENCE_SECONDS)
