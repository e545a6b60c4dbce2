"""DICOMweb searches in a database of 100,000 studies, on an embedded server in a folder of its own.

    python -m bench.qido [--studies 100000] [--rounds 9]

Measured is what a search costs in the database: choosing the page, counting what remains, describing its
rows. Not measured: HTTP, and the headers that are read from the spool for each row of the answer. Four
studies a patient, two series of two instances a study, ten years of dates. Medians count; the slowest round
is printed beside them.
"""

from __future__ import annotations

import argparse
import statistics
import tempfile
import time
from pathlib import Path

import psycopg

from app.domain.dicomweb import Between, Key, Level, Like, OneOf, Search
from app.settings import Settings
from app.store.embedded import EmbeddedPostgres
from app.store.engine import Store, open_store
from app.store.migrate import upgrade

PAGE = 100
_SEED = """
INSERT INTO patients (patient_id, issuer, name, birth_date, sex, reference)
SELECT 'P' || n, '', 'FAMILY' || n || '^GIVEN', '19600101', 'F', md5(n::text)
FROM generate_series(0, %(patients)s - 1) n;
INSERT INTO studies (study_uid, patient_row_id, accession_number, study_id, study_date, study_time,
    description, referring_physician, modality, body_part, state, reason, revision, priority,
    priority_reason, calling_ae, called_ae, received_at, last_instance_at)
SELECT '1.2.' || n, p.id, 'A' || n, 'S' || n, to_char(date '2017-01-01' + n * 3652 / %(studies)s, 'YYYYMMDD'),
    lpad((n * 7919 %% 240000)::text, 6, '0'), 'CHEST', 'REFERRER^R', 'CR', 'CHEST', 'COMPLETE', '', 1, 0,
    'routine', 'SENDER', 'JANUSMED', now(), now()
FROM generate_series(0, %(studies)s - 1) n JOIN patients p ON p.patient_id = 'P' || n %% %(patients)s;
INSERT INTO instances (sop_uid, study_uid, series_uid, sop_class_uid, transfer_syntax_uid, modality,
    series_number, instance_number, rows, columns, sha256, size, revision, received_at)
SELECT '1.2.' || n || '.' || s || '.' || i, '1.2.' || n, '1.2.' || n || '.' || s,
    '1.2.840.10008.5.1.4.1.1.1', '1.2.840.10008.1.2.1', 'CR', s, i, 2500, 2048,
    md5(n::text || s || i) || md5(n::text), 10000000, 1, now()
FROM generate_series(0, %(studies)s - 1) n, generate_series(1, 2) s, generate_series(1, 2) i;
"""


def searches(studies: int) -> dict[str, Search]:
    """Return what is measured, by name."""

    def at(level: Level, *matches: tuple[Key, OneOf | Like | Between], offset: int = 0) -> Search:
        return Search(level, matches, PAGE, offset)

    uid = OneOf(("1.2.77",))
    return {
        "studies, first page": at(Level.STUDY),
        "studies, last page": at(Level.STUDY, offset=studies - PAGE),
        "by PatientID": at(Level.STUDY, (Key.PATIENT_ID, OneOf(("P77",)))),
        "by AccessionNumber": at(Level.STUDY, (Key.ACCESSION_NUMBER, OneOf(("A77",)))),
        "by StudyID": at(Level.STUDY, (Key.STUDY_ID, OneOf(("S77",)))),
        "by one StudyDate": at(Level.STUDY, (Key.STUDY_DATE, OneOf(("20200229",)))),
        "by a month of dates": at(Level.STUDY, (Key.STUDY_DATE, Between("20200201", "20200229"))),
        "by name, FAMILY77*": at(Level.STUDY, (Key.PATIENT_NAME, Like("FAMILY77*"))),
        "by ModalitiesInStudy": at(Level.STUDY, (Key.MODALITIES_IN_STUDY, OneOf(("CR",)))),
        "series of a study": at(Level.SERIES, (Key.STUDY_UID, uid)),
        "instances of a study": at(Level.INSTANCE, (Key.STUDY_UID, uid)),
        "all instances, first page": at(Level.INSTANCE),
    }


def fill(settings: Settings, studies: int) -> None:
    """Fill an empty database."""
    embedded = EmbeddedPostgres(settings)
    with psycopg.connect(embedded.attach().owner, autocommit=True) as connection:
        values = {"studies": studies, "patients": max(studies // 4, 1)}
        for statement in _SEED.split(";\n"):
            if statement.strip():
                connection.execute(statement, values)
        connection.execute("VACUUM ANALYZE")
    embedded.detach()


def measure(store: Store, search: Search, rounds: int) -> tuple[list[float], int]:
    """Return milliseconds of each round, and how many rows were found in all."""
    times, found = [], 0
    for _ in range(rounds + 1):
        with store.begin() as tx:
            began = time.perf_counter()
            page = tx.dicomweb.search(search)
            times.append((time.perf_counter() - began) * 1e3)
            found = search.offset + len(page.rows) + page.remaining
    return times[1:], found  # the first one warms the caches


def main() -> None:
    """Fill a database, measure, print a table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--studies", type=int, default=100_000)
    parser.add_argument("--rounds", type=int, default=9)
    chosen = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="janus-med-qido-") as folder:
        Path(folder).chmod(0o711)  # the database's system account enters it
        settings = Settings(data_dir=Path(folder))
        try:
            upgrade(settings)
            fill(settings, chosen.studies)
            with open_store(settings) as store:
                print(f"{chosen.studies} studies, pages of {PAGE}, {chosen.rounds} rounds")
                for name, search in searches(chosen.studies).items():
                    times, found = measure(store, search, chosen.rounds)
                    middle, slowest = statistics.median(times), max(times)
                    print(f"{name:28} {found:>7} found   median {middle:7.1f} ms   slowest {slowest:7.1f} ms")
        finally:
            EmbeddedPostgres(settings).stop()


if __name__ == "__main__":
    main()
