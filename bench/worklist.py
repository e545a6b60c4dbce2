"""The worklist at 100,000 studies: every sort in both directions, every filter, deep pages, the next case.

    python -m bench.worklist [--studies 100000] [--rounds 7]

Measured is the service as a reader's page calls it: rights, access rules, the page of 50 rows, the count of
all, the audit entry. Not measured: HTTP and the browser. An embedded server in a folder of its own; medians
of the rounds count, the slowest stands beside them. What the processors spent for one question, in the
database and in the service together, stands beside both: it does not grow when other programs share the
machine, and is what a reader waits for where nothing else runs.
"""

from __future__ import annotations

import argparse
import os
import statistics
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import psutil

from app.domain.access import Actor, Role
from app.domain.delivery import DeliveryState
from app.domain.report import ReportState
from app.domain.study import StudyState
from app.domain.worklist import Dates, SortKey, Span, WorklistQuery
from app.services.reading import worklist
from app.settings import Settings
from app.store.embedded import EmbeddedPostgres
from app.store.engine import Store, open_store
from app.store.migrate import upgrade
from bench.worklist_seed import fill

READER = Actor("reader1", "Dr Reader 1", Role.ATTENDING, "127.0.0.1", user_id=1001)
PAGE = 50


def queries(studies: int) -> Iterator[tuple[str, WorklistQuery]]:
    """Return what is measured, by name."""
    for sort in SortKey:
        for descending in (False, True):
            way = "down" if descending else "up"
            yield f"sort {sort.value}, {way}", WorklistQuery(sort=sort, descending=descending, limit=PAGE)
            yield (
                f"sort {sort.value}, {way}, last page",
                WorklistQuery(sort=sort, descending=descending, limit=PAGE, offset=studies * 9 // 10),
            )
    today = datetime.now(UTC).date()
    month = Dates(Span.BETWEEN, today - timedelta(days=60), today - timedelta(days=30))
    filters = {
        "search, a name": WorklistQuery(text="schmidt"),
        "search, one accession": WorklistQuery(text="A00077777"),
        "search, nothing found": WorklistQuery(text="zzzz"),
        "patient": WorklistQuery(patient="garcia-a"),
        "patient id": WorklistQuery(patient_id="P00012"),
        "accession": WorklistQuery(accession="7777"),
        "description": WorklistQuery(description="bedside"),
        "modality": WorklistQuery(modality="CT"),
        "draft": WorklistQuery(states=(StudyState.UNDRAFTED,)),
        "report": WorklistQuery(report_states=(ReportState.DRAFTED, ReportState.IN_REVIEW)),
        "priority": WorklistQuery(priorities=(50,)),
        "reader": WorklistQuery(reader="Reader 7"),
        "delivery": WorklistQuery(delivery_states=(DeliveryState.DEAD,)),
        "images": WorklistQuery(fewest_images=3),
        "received today": WorklistQuery(received=Dates(Span.TODAY)),
        "received in 7 days": WorklistQuery(received=Dates(Span.WEEK)),
        "received between": WorklistQuery(received=month),
        "study date between": WorklistQuery(studied=month),
        "study date from 1900": WorklistQuery(studied=Dates(Span.BETWEEN, date(1900, 1, 1))),
        "three at once": WorklistQuery(modality="DX", description="chest", received=Dates(Span.WEEK)),
    }
    yield from ((f"filter {name}", query) for name, query in filters.items())


@dataclass(frozen=True)
class Cost:
    """What a question costs: milliseconds of each round, and of the processors for one; and what it found."""

    times: tuple[float, ...]
    processor: float
    found: int


def spent(server: psutil.Process) -> float:
    """Return the seconds that processors have spent for the database and for this process."""
    ended = server.cpu_times()
    total = ended.children_user + ended.children_system + time.process_time()
    for session in server.children():
        try:
            total += sum(session.cpu_times()[:2])
        except psutil.NoSuchProcess:
            continue  # it is among those that have ended
    return total


def measure(store: Store, server: psutil.Process, query: WorklistQuery, rounds: int) -> Cost:
    """Ask one question again and again; the first answer warms the caches and does not count."""
    found = worklist(store, READER, query, now=datetime.now(UTC)).total
    times, before = [], spent(server)
    for _ in range(rounds):
        began = time.perf_counter()
        worklist(store, READER, query, now=datetime.now(UTC))
        times.append((time.perf_counter() - began) * 1e3)
    return Cost(tuple(times), (spent(server) - before) * 1e3 / rounds, found)


def report(store: Store, server: psutil.Process, studies: int, rounds: int) -> None:
    """Measure everything and print a line each."""
    for name, query in queries(studies):
        cost = measure(store, server, query, rounds)
        middle, slowest = statistics.median(cost.times), max(cost.times)
        print(
            f"{name:36} {cost.found:>7} found   median {middle:7.1f} ms   slowest {slowest:7.1f} ms"
            f"   processor {cost.processor:6.1f} ms",
            flush=True,
        )
    print(f"load {os.getloadavg()[0]:.1f} on {os.cpu_count()} processors")


def server_of(settings: Settings) -> psutil.Process:
    """Return the process of the embedded server whose children do the work."""
    number = (settings.database_dir.expanduser() / "postmaster.pid").read_text().split("\n", 1)[0]
    return psutil.Process(int(number))


def main() -> None:
    """Fill a database, measure, print a table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--studies", type=int, default=100_000)
    parser.add_argument("--rounds", type=int, default=7)
    chosen = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="janus-med-worklist-") as folder:
        Path(folder).chmod(0o711)  # the database's system account enters it
        settings = Settings(data_dir=Path(folder))
        try:
            upgrade(settings)
            fill(settings, chosen.studies)
            with open_store(settings) as store:
                print(f"{chosen.studies} studies, pages of {PAGE}, {chosen.rounds} rounds")
                report(store, server_of(settings), chosen.studies, chosen.rounds)
        finally:
            EmbeddedPostgres(settings).stop()


if __name__ == "__main__":
    main()
