"""Similar signed studies among 100,000 embeddings, on an embedded server in a folder of its own.

    python -m bench.similar [--studies 100000] [--width 128] [--rounds 9]

Measured is the service as a reader's request runs it, without HTTP: the first search of a process, which
reads every vector from the database, and the later ones, beside the bare product of the matrix with a vector,
which cannot be undercut. Medians of the rounds count. Half of the studies are signed, one patient each; their
texts are empty, so taking names out of them is not measured.
"""

from __future__ import annotations

import argparse
import statistics
import tempfile
import time
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import psycopg

from app.domain.access import Actor, Role
from app.services.reading import open_study
from app.services.similar import EmbeddingCache, find_similar
from app.settings import Settings
from app.store.embedded import EmbeddedPostgres
from app.store.engine import Store, open_store
from app.store.migrate import upgrade

_SEED = """
INSERT INTO users (id, username, printed_name, role, password_hash, disabled, failed_attempts, created_at)
VALUES (1, 'ada', 'Ada', 'attending', '', false, 0, now());
INSERT INTO patients (patient_id, issuer, name, birth_date, sex, reference)
SELECT 'P' || n, '', 'FAMILY' || n || '^GIVEN', '19600101', 'F', md5(n::text)
FROM generate_series(1, %(studies)s) n;
INSERT INTO studies (study_uid, patient_row_id, accession_number, study_id, study_date, study_time,
    description, referring_physician, modality, body_part, state, reason, revision, priority,
    priority_reason, calling_ae, called_ae, received_at, last_instance_at)
SELECT '1.2.' || n, p.id, 'A' || n, '', '20260101', '', 'CHEST', 'REFERRER^R', 'CR', 'CHEST', 'DRAFTED', '',
    1, 0, 'routine', 'SENDER', 'JANUSMED', now(), now()
FROM generate_series(1, %(studies)s) n JOIN patients p ON p.patient_id = 'P' || n;
INSERT INTO drafts (id, study_uid, revision, status, reason, model, findings, sentences, report, issues,
    timings, provenance, created_at)
SELECT n, '1.2.' || n, 1, 'drafted', '', '{}', '[]', '[]', '{}', '[]', '{}', '{}', now()
FROM generate_series(1, %(studies)s) n;
INSERT INTO reports (study_uid, revision, draft_id, ai_model, state, version, updated_at)
SELECT '1.2.' || n, 1, n, '', CASE WHEN n %% 2 = 0 THEN 'SIGNED' ELSE 'DRAFTED' END, 1, now()
FROM generate_series(1, %(studies)s) n;
"""


def fill(settings: Settings, studies: int, width: int) -> None:
    """Fill an empty database."""
    vectors = np.random.default_rng(0).normal(size=(studies, width)).astype(np.float32)
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    embedded = EmbeddedPostgres(settings)
    with psycopg.connect(embedded.attach().owner, autocommit=True) as connection:
        for statement in _SEED.split(";\n"):
            if statement.strip():
                connection.execute(statement, {"studies": studies})
        into = "COPY draft_embeddings (draft_id, study_uid, space, vector, made_at) FROM STDIN"
        now = datetime.now(UTC)
        with connection.cursor() as cursor, cursor.copy(into) as copy:
            for number in range(1, studies + 1):
                copy.write_row((number, f"1.2.{number}", "space", vectors[number - 1].tobytes(), now))
        connection.execute("VACUUM ANALYZE")
    embedded.detach()


def seconds(act: Callable[[], object]) -> float:
    """Return how long an act takes."""
    began = time.perf_counter()
    act()
    return time.perf_counter() - began


def measure(store: Store, studies: int, width: int, rounds: int) -> dict[str, list[float]]:
    """Return the seconds of each round, by what was measured; sides take turns."""
    ada = Actor("ada", "Ada", Role.ATTENDING, "127.0.0.1", user_id=1)
    open_study(store, ada, "1.2.1", now=datetime.now(UTC))
    matrix = np.random.default_rng(1).normal(size=(studies, width)).astype(np.float32)
    found: dict[str, list[float]] = {"first search": [], "later search": [], "bare product": []}
    for _ in range(rounds):
        cache = EmbeddingCache()

        def search(cache: EmbeddingCache = cache) -> object:
            return find_similar(store, ada, "1.2.1", cache, now=datetime.now(UTC))

        found["first search"].append(seconds(search))
        found["later search"].append(seconds(search))
        found["bare product"].append(seconds(lambda: matrix @ matrix[0]))
    return found


def main() -> None:
    """Fill a database, measure, print a table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--studies", type=int, default=100_000)
    parser.add_argument("--width", type=int, default=128)
    parser.add_argument("--rounds", type=int, default=9)
    chosen = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="janus-med-similar-") as folder:
        Path(folder).chmod(0o711)  # the database's system account enters it
        settings = Settings(data_dir=Path(folder))
        try:
            upgrade(settings)
            fill(settings, chosen.studies, chosen.width)
            with open_store(settings) as store:
                print(f"{chosen.studies} embeddings of {chosen.width}, {chosen.rounds} rounds")
                for name, times in measure(store, chosen.studies, chosen.width, chosen.rounds).items():
                    middle, slowest = statistics.median(times), max(times)
                    print(f"{name:14} median {1e3 * middle:8.1f} ms   slowest {1e3 * slowest:8.1f} ms")
        finally:
            EmbeddedPostgres(settings).stop()


if __name__ == "__main__":
    main()
