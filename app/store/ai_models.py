"""AI models that were loaded here, and which of them may not draft."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import func, select
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Session

from app.domain.ai_model import KnownModel, ModelIdentity, stopped_reason
from app.domain.errors import NotFound
from app.store.tables import ReportRow
from app.store.tables_models import ModelRow


class AiModels:
    """Models as part of one unit of work."""

    def __init__(self, session: Session) -> None:
        self._session = session

    def put(self, identity: ModelIdentity, *, preset: str, card: str, now: datetime) -> int:
        """Keep that a model was loaded, with its card as it is now, and return its number."""
        key = {
            "model_id": identity.model_id,
            "weights_sha256": identity.weights_sha256,
            "adapters_sha256": identity.adapters_sha256,
        }
        news = {"preset": preset, "card": card, "last_loaded_at": now}
        kept = insert(ModelRow).values(**key, **news, first_loaded_at=now, stopped_by="", stop_reason="")
        replaced = kept.on_conflict_do_update(index_elements=list(key), set_=news)
        return self._session.scalars(replaced.returning(ModelRow.id)).one()

    def every(self) -> tuple[KnownModel, ...]:
        """Return every model, the last loaded first, with the reports that began with a draft of its name."""
        counted = select(ReportRow.ai_model, func.count()).group_by(ReportRow.ai_model)
        reports = dict(self._session.execute(counted).all())
        rows = self._session.scalars(select(ModelRow).order_by(ModelRow.last_loaded_at.desc(), ModelRow.id))
        return tuple(_as_model(row, reports.get(_identity(row).name, 0)) for row in rows)

    def lock(self, number: int) -> KnownModel:
        """Return a model and hold it until the transaction ends; `NotFound` when there is none."""
        row = self._session.get(ModelRow, number, with_for_update=True, populate_existing=True)
        if row is None:
            raise NotFound(f"there is no AI model {number}")
        return _as_model(row)

    def find(self, identity: ModelIdentity) -> KnownModel | None:
        """Return the model of an identity; None when it was never loaded here."""
        wanted = select(ModelRow).where(
            ModelRow.model_id == identity.model_id,
            ModelRow.weights_sha256 == identity.weights_sha256,
            ModelRow.adapters_sha256 == identity.adapters_sha256,
        )
        row = self._session.scalars(wanted).one_or_none()
        return _as_model(row) if row is not None else None

    def stop_of(self, identity: ModelIdentity) -> str:
        """Say why a model may not draft, "" when it may."""
        known = self.find(identity)
        return stopped_reason(identity) if known is not None and known.is_stopped else ""

    def save_stop(self, model: KnownModel) -> None:
        """Write whether a model may draft."""
        row = self._session.get_one(ModelRow, model.number)
        row.stopped_at, row.stopped_by, row.stop_reason = (
            model.stopped_at,
            model.stopped_by,
            model.stop_reason,
        )
        self._session.flush()


def _identity(row: ModelRow) -> ModelIdentity:
    return ModelIdentity(row.model_id, row.weights_sha256, row.adapters_sha256)


def _as_model(row: ModelRow, reports: int = 0) -> KnownModel:
    return KnownModel(
        number=row.id,
        identity=_identity(row),
        preset=row.preset,
        card=row.card,
        first_loaded_at=row.first_loaded_at,
        last_loaded_at=row.last_loaded_at,
        stopped_at=row.stopped_at,
        stopped_by=row.stopped_by,
        stop_reason=row.stop_reason,
        reports=reports,
    )
