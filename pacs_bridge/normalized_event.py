"""A normalized request as pynetdicom hands it out, brought to a service of ours."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from pydicom.dataset import Dataset

from pacs_bridge.dimse_service import NormalizedCommand, NormalizedRequest, NormalizedService
from pacs_bridge.received import AssociationFacts


def answer_event(
    event: Any, facts: AssociationFacts, service: NormalizedService, command: NormalizedCommand
) -> int:
    """Hand a request to a service and return the status of the answer.

    A data set that cannot be read counts as an empty one: the service says what it misses.
    """
    request, is_action = event.request, command is NormalizedCommand.ACTION
    try:
        content = event.action_information if is_action else event.event_information
        # values are decoded when asked for: what cannot be is found here, not in the service
        content.walk(lambda _, element: element.value)
    except Exception:  # whatever pydicom finds in a stranger's bytes
        content = Dataset()
    prefix = "Requested" if is_action else "Affected"
    return service.answer(
        NormalizedRequest(
            command=command,
            association=facts,
            sop_class_uid=str(getattr(request, f"{prefix}SOPClassUID")),
            sop_instance_uid=str(getattr(request, f"{prefix}SOPInstanceUID")),
            type_id=int((request.ActionTypeID if is_action else request.EventTypeID) or 0),
            content=content,
            received_at=datetime.now(UTC),
        )
    )
