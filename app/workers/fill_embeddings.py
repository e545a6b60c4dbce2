"""Gives drafts of before their embedding, so that the search for similar studies finds them too."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from app.domain.ai_model import identify
from app.domain.draft import Draft
from app.domain.embedding import StudyEmbedding, name_space
from app.domain.errors import ConfigurationError, NotFound
from app.services.drafting import drafts_without_embedding, record_embedding
from app.settings import Settings
from app.store.engine import Store
from app.workers.study_images import read_images

if TYPE_CHECKING:
    from janus_med.decoding import Decoder
    from janus_med.engine import JanusMed


def fill_embeddings(settings: Settings, store: Store) -> Iterator[tuple[str, bool]]:
    """Embed every draft of the model of the settings that has no embedding; newest first, once.

    Yields
    ------
    tuple of str and bool
        StudyInstanceUID, and whether its images are still here and could be read.

    Raises
    ------
    ConfigurationError
        If the model cannot be loaded.
    """
    from janus_med.decoding import Decoder
    from janus_med.engine import JanusMed
    from janus_med.errors import JanusMedError

    try:
        model = JanusMed.load(settings.model, device=settings.device)
    except JanusMedError as error:
        raise ConfigurationError(f"no model: {error}") from None
    identity = identify(asdict(model.info))
    before: int | None = None
    with Decoder() as decoder:
        while drafts := drafts_without_embedding(store, identity, before=before):
            for draft in drafts:
                embedding = _embed(settings, store, model, decoder, draft)
                if embedding is not None:
                    record_embedding(store, draft.draft_id, embedding, now=datetime.now(UTC))
                yield draft.study_uid, embedding is not None
            before = drafts[-1].draft_id


def _embed(
    settings: Settings, store: Store, model: JanusMed, decoder: Decoder, draft: Draft
) -> StudyEmbedding | None:
    from janus_med.study_embedding import embed_study

    try:
        with store.begin() as tx:
            instances = tx.studies.instances(draft.study_uid, up_to_revision=draft.revision)
    except NotFound:
        return None
    study, _ = read_images(settings.spool_dir / "objects", draft.study_uid, instances)
    made_of = [str(uid) for uid in draft.content.provenance.get("sop_instance_uids", ())]
    if study is None or not made_of:
        return None
    vector = embed_study(study, model, made_of, decoder=decoder)
    if vector is None:
        return None
    space = name_space(asdict(model.info), model.info.preprocessing_sha256)
    return StudyEmbedding(space, vector.astype("<f4").tobytes())
