"""Pages that know how many there are, dated by the report and not by the clock."""

from __future__ import annotations

import time
from collections.abc import Callable
from datetime import datetime
from typing import Any

from reportlab.lib.pagesizes import A4
from reportlab.lib.units import mm
from reportlab.pdfgen.canvas import Canvas

MARGIN = 20 * mm


def numbered_canvas(line: str, written_at: datetime) -> Callable[..., Canvas]:
    """Return a canvas class for a document.

    Parameters
    ----------
    line
        Stands at the foot of every page, beside its number.
    written_at
        Creation and modification date of the PDF, aware.
    """

    class NumberedCanvas(Canvas):
        def __init__(self, *arguments: Any, **options: Any) -> None:
            super().__init__(*arguments, **options)
            self._pages: list[dict[str, Any]] = []
            stamp = self._doc._timeStamp  # of invariant mode: 1 January 2000, no offset
            stamp.t = written_at.timestamp()
            stamp.lt = time.gmtime(stamp.t)
            stamp.YMDhms = tuple(stamp.lt)[:6]

        def showPage(self) -> None:
            self._pages.append(dict(self.__dict__))
            self._startPage()

        def save(self) -> None:
            for number, page in enumerate(self._pages, start=1):
                self.__dict__.update(page)
                self.setFont("DejaVu", 7)
                self.drawString(MARGIN, 12 * mm, line)
                self.drawRightString(A4[0] - MARGIN, 12 * mm, f"Page {number} of {len(self._pages)}")
                super().showPage()
            super().save()

    return NumberedCanvas
