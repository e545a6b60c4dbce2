"""What the bridge raises, as errors of the domain: a task then knows whether trying again may help."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from app.domain.errors import PeerUnavailable, Rejected
from pacs_bridge.errors import BridgeError, Retriable


@contextmanager
def as_domain_errors() -> Iterator[None]:
    """Translate what the bridge raises inside.

    Raises
    ------
    PeerUnavailable
        It may succeed later.
    Rejected
        The peer refuses for good, or what it sent cannot be used.
    """
    try:
        yield
    except Retriable as error:
        raise PeerUnavailable(str(error)) from error
    except BridgeError as error:
        raise Rejected(str(error)) from error
