"""The alert about a model that cannot be used: raised where it is loaded, cleared when it is."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

from app.domain.alert import AlertKind
from app.domain.errors import DatabaseUnavailable
from app.services.watch import set_alert
from app.store.engine import Store


def tell_model(store: Store, folder: Path | None, problem: str) -> None:
    """Raise the alert about a model, or clear it when there is no problem.

    Parameters
    ----------
    folder
        The model's; None for the one of the settings.
    """
    subject = folder.name if folder is not None else "bundled model"
    try:
        set_alert(store, AlertKind.MODEL_UNUSABLE, subject, problem, now=datetime.now(UTC))
    except DatabaseUnavailable:
        return  # it is loaded, or tried, again
