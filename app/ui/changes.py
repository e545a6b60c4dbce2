"""Pages that wait for a change of the worklist: many of them, one connection to the database."""

from __future__ import annotations

import asyncio
from collections import Counter

from app.domain.errors import TooManyRequests
from app.store.change_feed import ChangeFeed

MOST_OF_A_SESSION = 4  # windows of one reader
MOST_IN_ALL = 500


class Changes:
    """Lets requests wait until the worklist has changed.

    Parameters
    ----------
    conninfo
        How to reach the database (libpq); never shown.
    """

    def __init__(self, conninfo: str) -> None:
        self._feed = ChangeFeed(conninfo, self._wake)
        self._waiting: dict[asyncio.Event, asyncio.AbstractEventLoop] = {}
        self._of: Counter[int | None] = Counter()

    @property
    def count(self) -> int:
        """Changes heard of so far; listening begins with the first question."""
        self._feed.start()
        return self._feed.count

    @property
    def listens(self) -> bool:
        """Whether changes are heard of at this moment."""
        return self._feed.listens

    async def after(self, known: int, *, session_id: int | None, seconds: float) -> tuple[int, bool]:
        """Return the count of changes as soon as it is another than `known`, or after `seconds`.

        Returns
        -------
        (int, bool)
            The count, and whether changes are heard of: without that a page has to look by itself.

        Raises
        ------
        TooManyRequests
            If too many requests wait, of this session or in all.
        """
        if self._of[session_id] >= MOST_OF_A_SESSION or self._of.total() >= MOST_IN_ALL:
            raise TooManyRequests("too many windows wait for changes of the worklist", retry_after=30)
        self._feed.start()
        woken = asyncio.Event()
        self._of[session_id] += 1
        self._waiting[woken] = asyncio.get_running_loop()
        try:
            if self._feed.count == known:
                async with asyncio.timeout(seconds):
                    await woken.wait()
        except TimeoutError:
            pass
        finally:
            del self._waiting[woken]
            self._of[session_id] -= 1
            if not self._of[session_id]:
                del self._of[session_id]
        return self._feed.count, self._feed.listens

    def close(self) -> None:
        """Stop listening; who waits is answered."""
        self._feed.close()
        self._wake(0)

    def _wake(self, _: int) -> None:
        for woken, loop in list(self._waiting.items()):
            if not loop.is_closed():
                loop.call_soon_threadsafe(woken.set)
