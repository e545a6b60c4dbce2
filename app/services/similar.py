"""Signed studies that look like the one that is read, by stored embeddings, shown without whose they are.

No model runs here. The search is one product of a matrix of unit vectors with a vector (cosine); the matrix
is read from the database in blocks and kept by the process while the database has nothing newer.
"""

from __future__ import annotations

import threading
from dataclasses import dataclass, field
from datetime import datetime
from typing import TYPE_CHECKING

from app.domain.access import Action, Actor
from app.domain.audit import AuditEvent
from app.domain.deidentify import names_in, scrub
from app.domain.embedding import StudyEmbedding
from app.domain.errors import NotAuthorised, NotFound
from app.domain.patient_data import PatientKey
from app.domain.report import Section
from app.domain.similar import SHOWN, SignedNeighbour, SimilarStudies, SimilarStudy, age_band
from app.domain.study import Study
from app.domain.study_access import reader_of
from app.services.facts import fact_about
from app.services.permission import permit, record_denial
from app.services.study_access import begin_on_study, require_access
from app.store.engine import Store
from app.store.unit_of_work import UnitOfWork

if TYPE_CHECKING:
    import numpy as np

MEMORY_BYTES = 256 * 2**20
_BLOCK = 5_000
_ASKED_AT_ONCE = 100
_MOST_ASKED = 2_000


@dataclass
class _Space:
    """The vectors of one space, by number, and the version of the database that they are of."""

    version: tuple[int, int]
    numbers: np.ndarray
    vectors: np.ndarray
    left_out: int


@dataclass
class EmbeddingCache:
    """The newest embeddings of the space that was asked for last; bounded, safe between threads.

    Parameters
    ----------
    memory_bytes
        Most that is kept; what is older than fits is not searched, and the result says so.
    """

    memory_bytes: int = MEMORY_BYTES
    _kept: dict[str, _Space] = field(default_factory=dict, init=False)
    _lock: threading.Lock = field(default_factory=threading.Lock, init=False)

    def ranked(self, tx: UnitOfWork, wanted: StudyEmbedding) -> tuple[list[tuple[int, float]], int, int]:
        """Return number and cosine of the most similar, best first; how many were compared and left out."""
        import numpy as np

        with self._lock:
            space = self._up_to_date(tx, wanted)
        scores = space.vectors @ np.frombuffer(wanted.vector, dtype="<f4")
        best = np.argsort(-scores, kind="stable")[:_MOST_ASKED]
        ranked = [(int(space.numbers[row]), float(scores[row])) for row in best]
        return ranked, len(space.numbers), space.left_out

    def _up_to_date(self, tx: UnitOfWork, wanted: StudyEmbedding) -> _Space:
        known, version = self._kept.get(wanted.space), tx.embeddings.version(wanted.space)
        if known is None or known.version != version:
            # one space at a time: another model's vectors are not comparable anyway
            self._kept = {wanted.space: self._read(tx, wanted, known, version)}
        return self._kept[wanted.space]

    def _read(
        self, tx: UnitOfWork, wanted: StudyEmbedding, known: _Space | None, version: tuple[int, int]
    ) -> _Space:
        import numpy as np

        count, highest = version
        most = self.memory_bytes // (4 * wanted.width)
        grows = known is not None and not known.left_out and count <= most and highest > known.version[1]
        numbers, vectors, last = [], [], 0
        if known is not None and grows:
            numbers, vectors, last = [known.numbers], [known.vectors], known.version[1]
        elif count > most:
            last = tx.embeddings.newest_from(wanted.space, most=most)
        while block := tx.embeddings.block(wanted.space, after=last, most=_BLOCK):
            fitting = [(number, vector) for number, vector in block if len(vector) == len(wanted.vector)]
            numbers.append(np.array([number for number, _ in fitting], dtype=np.int64))
            joined = b"".join(vector for _, vector in fitting)
            vectors.append(np.frombuffer(joined, dtype="<f4").reshape(-1, wanted.width))
            last = block[-1][0]
        space = _Space(version, _join(numbers, np.int64), _stack(vectors, wanted.width), max(0, count - most))
        if grows and len(space.numbers) != count:
            # something was erased meanwhile: nothing of it stays
            return self._read(tx, wanted, None, version)
        return space


def find_similar(
    store: Store, actor: Actor, study_uid: str, cache: EmbeddingCache, *, now: datetime
) -> SimilarStudies:
    """Find the signed studies most like the one that is open, of other patients, that the reader may open.

    Raises
    ------
    NotAuthorised, StudyRestricted, NotFound
        If the role may not, or the study was not opened.
    """
    permit(store, actor, Action.FIND_SIMILAR, now=now, study_uid=study_uid)
    with begin_on_study(store, actor, Action.FIND_SIMILAR, now=now) as tx:
        study = _opened(tx, actor, study_uid, now)
        if study is not None:
            wanted = tx.embeddings.of_study(study_uid)
            found = SimilarStudies(reason="undrafted")
            if wanted is not None:
                found = _search(tx, actor, study, wanted, cache, now)
            detail = {
                "searched": found.searched,
                "shown": [one.number for one in found.studies],
                "space": "" if wanted is None else wanted.space[:16],
            }
            tx.audit.append(fact_about(tx, study, AuditEvent.SIMILAR_SEARCHED, actor, now=now, detail=detail))
            return found
    record_denial(store, actor, "search from a study that was not opened", now=now, study_uid=study_uid)
    raise NotAuthorised("open the study first")


def name_similar(store: Store, actor: Actor, study_uid: str, number: int, *, now: datetime) -> str:
    """Return which study a found one is, to open it: an act of its own, recorded beside both.

    Raises
    ------
    NotAuthorised, StudyRestricted, NotFound
        If the role may not, the study was not opened, or the reader may not open the other one.
    """
    permit(store, actor, Action.FIND_SIMILAR, now=now, study_uid=study_uid)
    with begin_on_study(store, actor, Action.FIND_SIMILAR, now=now) as tx:
        study = _opened(tx, actor, study_uid, now)
        if study is not None:
            found = tx.embeddings.signed_among([number], reader=reader_of(actor), now=now)
            if not found:
                raise NotFound("this study is not there any more, or may not be opened")
            other = tx.studies.get(found[0].study_uid)
            detail = {"beside": study_uid, "number": number}
            tx.audit.append(fact_about(tx, other, AuditEvent.SIMILAR_OPENED, actor, now=now, detail=detail))
            return other.study_uid
    record_denial(store, actor, "search from a study that was not opened", now=now, study_uid=study_uid)
    raise NotAuthorised("open the study first")


def _opened(tx: UnitOfWork, actor: Actor, study_uid: str, now: datetime) -> Study | None:
    study = tx.studies.get(study_uid)
    require_access(tx, actor, study_uid, now=now)
    was_opened, _ = tx.reports.last_opened(actor.username, study_uid)
    return study if was_opened else None


def _search(
    tx: UnitOfWork, actor: Actor, study: Study, wanted: StudyEmbedding, cache: EmbeddingCache, now: datetime
) -> SimilarStudies:
    ranked, searched, left_out = cache.ranked(tx, wanted)
    mine = _keys_of(tx, study)
    kept: dict[str, tuple[SignedNeighbour, float]] = {}
    for start in range(0, len(ranked), _ASKED_AT_ONCE):
        scores = dict(ranked[start : start + _ASKED_AT_ONCE])
        found = tx.embeddings.signed_among(list(scores), reader=reader_of(actor), now=now)
        for one in sorted(found, key=lambda one: (-scores[one.number], one.number)):
            if one.study_uid != study.study_uid and not one.patients & mine:
                kept.setdefault(one.study_uid, (one, scores[one.number]))
        if len(kept) >= SHOWN:
            break
    best = list(kept.values())[:SHOWN]
    staff = names_in(*tx.embeddings.staff_names()) if best else frozenset()
    shown = tuple(_show(tx, one, score, staff) for one, score in best)
    reason = "" if shown else "none"
    return SimilarStudies(shown, reason, searched, left_out)


def _keys_of(tx: UnitOfWork, study: Study) -> frozenset[PatientKey]:
    """Return every identifier of the patient, also those that the records have merged."""
    keys = {
        PatientKey(patient.patient_id, patient.issuer)
        for patient in (study.patient, study.current_patient)
        if patient.patient_id
    }
    return frozenset(known for key in keys for known in tx.patient_data.identifiers(key))


def _show(tx: UnitOfWork, found: SignedNeighbour, similarity: float, staff: frozenset[str]) -> SimilarStudy:
    study, text = tx.studies.get(found.study_uid), tx.reports.amendments.signed_text(found.report_id)
    patient = study.current_patient
    names = staff | names_in(study.patient.name, patient.name, study.referring_physician)
    identifiers = [study.accession_number, study.patient.patient_id, patient.patient_id]
    sections = {} if text is None else text.sections
    return SimilarStudy(
        number=found.number,
        similarity=min(similarity, 1.0),
        age=age_band(patient.birth_date, study.study_date),
        sex=patient.sex if patient.sex in {"F", "M", "O"} else "",
        modality=study.modality,
        sections={
            section.value: scrub(sections[section.value], names=names, identifiers=identifiers)
            for section in (Section.FINDINGS, Section.IMPRESSION)
            if sections.get(section.value)
        },
    )


def _join(parts: list[np.ndarray], dtype: type) -> np.ndarray:
    import numpy as np

    return np.concatenate(parts) if parts else np.empty(0, dtype=dtype)


def _stack(parts: list[np.ndarray], width: int) -> np.ndarray:
    import numpy as np

    return np.concatenate(parts) if parts else np.empty((0, width), dtype=np.float32)
