"""Pictures decoded before they are asked for: those of a case as it opens, and of the case after it."""

from __future__ import annotations

import queue
import threading
from collections.abc import Callable, Sequence
from functools import partial

import structlog

from app.domain.study import Instance
from app.ui.pixels import PixelCache

log = structlog.get_logger()
_MOST_WISHES = 8
_MOST_PICTURES = 4

FindsImages = Callable[[], Sequence[Instance]]


class Warming:
    """Decodes ahead of the readers, one picture at a time, in a thread of its own.

    Nothing of it leaves the server: what a reader may see is asked when the browser comes for it.
    """

    def __init__(self, pixels: PixelCache) -> None:
        self._pixels = pixels
        self._wishes: queue.Queue[FindsImages] = queue.Queue(maxsize=_MOST_WISHES)
        threading.Thread(target=self._work, name="warming", daemon=True).start()

    def soon(self, find: FindsImages, *, after_s: float = 0.0) -> None:
        """Decode what a study shows first; `find` is called in the thread. Too many wishes are forgotten."""
        if after_s > 0:
            timer = threading.Timer(after_s, self.soon, (find,))
            timer.daemon = True
            timer.start()
            return
        try:
            self._wishes.put_nowait(find)
        except queue.Full:
            log.debug("not decoded ahead: too much waits already")

    def finish(self) -> None:
        """Wait until everything that was wished for is done."""
        self._wishes.join()

    def _work(self) -> None:
        self._try(self._pixels.start)
        while True:
            find = self._wishes.get()
            self._try(partial(self._decode, find))
            self._wishes.task_done()

    def _decode(self, find: FindsImages) -> None:
        for image in shown_first(find()):
            self._pixels.warm(image.sha256)

    def _try(self, act: Callable[[], None]) -> None:
        try:
            act()
        except Exception as error:  # nobody waits for it: the reader will be told when he asks
            log.info("not decoded ahead", error=type(error).__name__)


def shown_first(instances: Sequence[Instance]) -> tuple[Instance, ...]:
    """Return the images that a study is opened with: all of a few radiographs, the first of each stack."""
    images = [instance for instance in instances if instance.is_image]
    if len(images) > _MOST_PICTURES:
        images = list({image.series_uid: image for image in reversed(images)}.values())[::-1]
    return tuple(images[:_MOST_PICTURES])
