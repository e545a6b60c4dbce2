"""Which destinations a report goes to, and which receiver a delivery means by its destination's name."""

from __future__ import annotations

from collections.abc import Sequence

from app.destinations import AnyDestination
from app.domain.errors import Rejected
from app.domain.routing import destinations_for
from app.domain.study import Study


def choose_destinations(study: Study, configured: Sequence[AnyDestination]) -> tuple[tuple[str, str], ...]:
    """Return (destination's name, format) of everything that a signed report of this study becomes.

    Parameters
    ----------
    study
        With what the routing rules decided (O5): their table is the whole answer, and a destination that it
        leaves out gets nothing. Without rules every destination gets every report.
    """
    return tuple((to.name, kind) for to, kind in destinations_for(study.routing, configured))


def find_destination(name: str, configured: Sequence[AnyDestination]) -> AnyDestination:
    """Return the destination that a delivery names.

    Deliveries of the first release name their destination by ``AE@host:port``: those find the destination
    that has this address.

    Raises
    ------
    Rejected
        If no destination of that name is configured.
    """
    for destination in configured:
        if destination.name == name:
            return destination
    for destination in configured:
        if destination.kind == "dicom" and destination.address == name:
            return destination
    raise Rejected(
        f"no destination is called {name}: configure it in JANUS_MED_DESTINATIONS (or was it renamed?), "
        "then Retry"
    )
