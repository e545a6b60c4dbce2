"""The check of a model folder that `janus-med doctor` makes, without loading the model."""

from __future__ import annotations

from app.settings import Settings


def verify_model(settings: Settings) -> str:
    """Check the model folder's digests and return what it holds.

    Raises
    ------
    janus_med.errors.ModelUnavailable
        Naming what is missing or differs.
    """
    from janus_med.checkpoint import bundled_folder, verify_folder

    folder = settings.model or bundled_folder()
    manifest = verify_folder(folder)
    return f"{manifest.id} in {folder}, digests match, weights {manifest.weights_sha256[:12]}"
