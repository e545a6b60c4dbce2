"""What the routing rules decided for one study: kept with it, and asked when it is drafted and delivered."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol, TypeVar

from app.domain.priority import Priority


@dataclass(frozen=True)
class Routing:
    """The decision for one study revision.

    Attributes
    ----------
    fired, failed
        Names of the rules that fired, and of those that could not be evaluated, in the order of the file.
    draft, draft_reason
        Whether a model drafts the study; if not, what stands behind "no AI draft".
    model
        Name or folder of the model that drafts; empty for the one of the settings.
    excluded
        Why the study is not in the worklist; empty when it is.
    priority
        None when the order decides.
    destinations
        Result formats by name of the destination; None when the settings decide.
    restrict_to
        Groups that the study is restricted to; empty leaves it open.
    rules_sha256
        Digest of the rules that decided.
    """

    fired: tuple[str, ...] = ()
    failed: tuple[str, ...] = ()
    draft: bool = True
    draft_reason: str = ""
    model: str = ""
    excluded: str = ""
    priority: Priority | None = None
    destinations: Mapping[str, tuple[str, ...]] | None = None
    restrict_to: tuple[str, ...] = ()
    rules_sha256: str = ""

    def to_json(self) -> dict[str, Any]:
        """Return the decision as it is stored."""
        priority = self.priority
        return {
            "fired": list(self.fired),
            "failed": list(self.failed),
            "draft": self.draft,
            "draft_reason": self.draft_reason,
            "model": self.model,
            "excluded": self.excluded,
            "priority": None if priority is None else {"rank": priority.rank, "reason": priority.reason},
            "destinations": None
            if self.destinations is None
            else {name: list(formats) for name, formats in self.destinations.items()},
            "restrict_to": list(self.restrict_to),
            "rules_sha256": self.rules_sha256,
        }


def routing_of(stored: Mapping[str, Any]) -> Routing:
    """Return the decision that `Routing.to_json` has stored."""
    priority, destinations = stored["priority"], stored["destinations"]
    return Routing(
        fired=tuple(stored["fired"]),
        failed=tuple(stored["failed"]),
        draft=stored["draft"],
        draft_reason=stored["draft_reason"],
        model=stored["model"],
        excluded=stored["excluded"],
        priority=None if priority is None else Priority(priority["rank"], priority["reason"]),
        destinations=None
        if destinations is None
        else {name: tuple(formats) for name, formats in destinations.items()},
        # decisions of before 0015 have none
        restrict_to=tuple(stored.get("restrict_to", ())),
        rules_sha256=stored["rules_sha256"],
    )


@dataclass(frozen=True)
class Targets:
    """What the settings know of destinations: their names, and every result format that there is."""

    names: Collection[str]
    formats: Collection[str]


class Configured(Protocol):
    """A destination of the settings: its name, and the formats it gets when no rule says otherwise."""

    @property
    def name(self) -> str:
        """How rules and the worklist call it."""
        ...

    @property
    def kinds(self) -> Sequence[str]:
        """Result formats by default."""
        ...


Destination = TypeVar("Destination", bound=Configured)


def destinations_for(
    study_routing: Routing | None, configured: Sequence[Destination]
) -> tuple[tuple[Destination, str], ...]:
    """Return (destination, result format) of every object that a final report becomes (O5).

    A rule's table is the whole answer: a destination that it leaves out gets nothing. One that it names but
    that is no longer configured cannot be reached, and is left out.
    """
    chosen = None if study_routing is None else study_routing.destinations
    return tuple(
        (destination, kind)
        for destination in configured
        for kind in dict.fromkeys(destination.kinds if chosen is None else chosen.get(destination.name, ()))
    )
