"""The embedding of a study: the direction in which the embeddings of its images lie together."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from janus_med.dicom_input import load_image
from janus_med.errors import GeometryError, UnreadableInput
from janus_med.preprocessing import load_libraries, preprocess

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence

    from janus_med.decoding import Decoder
    from janus_med.engine import JanusMed
    from janus_med.study import Study


def combine_embeddings(embeddings: Sequence[np.ndarray]) -> np.ndarray | None:
    """Return the mean direction of embeddings, (E,) float32 of length one; None when they have none.

    Parameters
    ----------
    embeddings
        (E,) float32 each, of one model.
    """
    if not embeddings:
        return None
    total = np.sum(embeddings, axis=0, dtype=np.float64)
    length = float(np.linalg.norm(total))
    return np.asarray(total / length, dtype=np.float32) if 0 < length < np.inf else None


def embed_study(
    study: Study, model: JanusMed, sop_instance_uids: Collection[str], *, decoder: Decoder
) -> np.ndarray | None:
    """Embed the images of a study that were drafted once, without writing a text again.

    Parameters
    ----------
    sop_instance_uids
        The images that the draft was made of.

    Returns
    -------
    numpy.ndarray or None
        (E,) float32 of length one; None when one of the images cannot be read any more.
    """
    import torch

    load_libraries()
    wanted = [one for one in study.instances if one.sop_instance_uid in sop_instance_uids]
    if len(wanted) < len(set(sop_instance_uids)):
        return None
    found = []
    for instance in wanted:
        try:
            prepared = preprocess(load_image(instance, decoder), model.info.image_size)
        except (UnreadableInput, GeometryError):
            return None
        with torch.no_grad():
            seen = model.model.perceive(prepared.pixel_values.to(model.model.janus.device))
        found.append(seen.understanding.embedding[0].cpu().numpy().astype(np.float32))
    return combine_embeddings(found)
