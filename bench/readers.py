"""Twenty readers at once beside one: worklist, next case, image, an edit, over HTTP, at 100,000 studies.

    python -m bench.readers [--studies 100000] [--readers 20] [--rounds 3] [--turns 3]

A real reading room as a process of its own on an embedded server, asked by as many sessions. One reader
and all of them take turns, so that what else the machine does meets both. A turn: the list, the next case
taken and opened, its report, an image (a real radiograph, in the cache of the server), a sentence, put down.
"Next case" is called as a service beside the server: the page calls it in a run of its script. Not measured:
the browser, Streamlit's own runs. What a reader waits is counted; they pause nowhere between their acts, as
no person works, so the load is that of many more people than twenty.
"""

from __future__ import annotations

import argparse
import statistics
import tempfile
import threading
import time
from collections import defaultdict
from collections.abc import Callable
from pathlib import Path

import httpx
import psycopg

from app.domain.access import Actor, Role
from app.domain.worklist import SortKey, WorklistQuery
from app.services.next_study import next_study
from app.services.reading import release_lock
from app.store.embedded import EmbeddedPostgres
from app.ui.csrf import CSRF_HEADER, SESSION_COOKIE, csrf_token
from bench.worklist_seed import fill
from tests.e2e.reading_room import House, open_house
from tests.ui import seed

Times = dict[str, list[float]]
_LIST = WorklistQuery(limit=50)
_FILM = "RG1_UNCR.dcm"


class Reader:
    """One session of one person."""

    def __init__(self, house: House, number: int, film: str) -> None:
        self.house, self.film = house, film
        token = f"bench-{number}-{time.time_ns()}"
        with house.store.begin() as tx:
            name = f"reader{number}"
            user = tx.users.by_username(name)
            if user is None:
                raise RuntimeError(f"there is no {name}")
            tx.users.open_session(user.user_id, token, source="127.0.0.1", now=seed.now_utc())
        self.actor = Actor(name, name, Role.ATTENDING, "127.0.0.1", user_id=user.user_id)
        headers = {CSRF_HEADER: csrf_token(token), "Origin": house.room.url, "Sec-Fetch-Site": "same-origin"}
        self.web = httpx.Client(
            base_url=house.room.url, cookies={SESSION_COOKIE: token}, headers=headers, timeout=60
        )

    def read(self, times: Times, lock: threading.Lock) -> None:
        """Take one turn."""

        def count(what: str, act: Callable[[], httpx.Response]) -> httpx.Response:
            began = time.perf_counter()
            answer = act()
            took = (time.perf_counter() - began) * 1e3
            if answer.status_code != 200:
                raise RuntimeError(f"{what}: {answer.status_code} {answer.text[:200]}")
            with lock:
                times[what].append(took)
            return answer

        count("worklist page", lambda: self.web.post("/api/worklist/page", json={"query": {"limit": 50}}))
        by_name = {"limit": 50, "sort": SortKey.PATIENT.value, "descending": False}
        count("worklist by patient", lambda: self.web.post("/api/worklist/page", json={"query": by_name}))
        began = time.perf_counter()
        review = next_study(self.house.store, self.actor, _LIST, now=seed.now_utc())
        if review is None or review.report is None:
            raise RuntimeError("no study is left")
        with lock:
            times["next case (service)"].append((time.perf_counter() - began) * 1e3)
        report, study = review.report.report_id, review.study.study_uid
        count("report", lambda: self.web.get(f"/api/studies/{study}/report"))
        text = {"section": "findings", "text": "The heart is not enlarged."}
        count("save a sentence", lambda: self.web.post(f"/api/reports/{report}/sentences", json=text))
        count("image", lambda: self.web.get(f"/pixels/{self.film}"))
        release_lock(self.house.store, self.actor, report, now=seed.now_utc())


def work(readers: list[Reader], turns: int) -> Times:
    """Let readers take their turns at the same time; return milliseconds by act."""
    times: Times = defaultdict(list)
    lock, problems = threading.Lock(), []

    def read(reader: Reader) -> None:
        try:
            for _ in range(turns):
                reader.read(times, lock)
        except Exception as problem:
            problems.append(problem)

    threads = [threading.Thread(target=read, args=(reader,)) for reader in readers]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    if problems:
        raise problems[0]
    return times


def usage(house: House) -> tuple[float, float]:
    """Return processor seconds and resident MB of the reading room."""
    import psutil

    if house.room.process is None:
        raise RuntimeError("the reading room is closed")
    process = psutil.Process(house.room.process.pid)
    everyone = [process, *process.children(recursive=True)]
    cpu = sum(sum(one.cpu_times()[:2]) for one in everyone)
    return cpu, sum(one.memory_info().rss for one in everyone) / 1e6


def bring_film(house: House, people: list[Reader]) -> str:
    """Bring in one film that every reader has opened; return its SOP Instance UID."""
    from app.services.reading import open_study

    received = house.send("film", _FILM)
    seed.record(house.store, received, seed.normal_draft(), now=seed.now_utc())
    for reader in people:
        review = open_study(house.store, reader.actor, received.study_uid, now=seed.now_utc())
        reader.film = received.sop_uid
        if review.report is not None:
            release_lock(house.store, reader.actor, review.report.report_id, now=seed.now_utc())
    return received.sop_uid


def p95(values: list[float]) -> float:
    """Return the 95th percentile."""
    return sorted(values)[min(len(values) - 1, int(0.95 * len(values)))]


def main() -> None:
    """Fill a database, measure, print a table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--studies", type=int, default=100_000)
    parser.add_argument("--readers", type=int, default=20)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--turns", type=int, default=3)
    chosen = parser.parse_args()
    with tempfile.TemporaryDirectory() as name, open_house(Path(name) / "ui.log") as house:
        fill(house.room.settings, chosen.studies)
        owner = EmbeddedPostgres(house.room.settings).attach().owner
        with psycopg.connect(owner, autocommit=True) as connection:
            connection.execute("DELETE FROM report_locks")
        people = [Reader(house, number + 1, "") for number in range(chosen.readers)]
        bring_film(house, people)
        work(people[:1], 1)  # warms the caches
        alone: Times = defaultdict(list)
        together: Times = defaultdict(list)
        busy = 0.0
        began_all = 0.0
        for _ in range(chosen.rounds):
            for what, values in work(people[:1], chosen.turns).items():
                alone[what] += values
            cpu, _ = usage(house)
            began = time.perf_counter()
            for what, values in work(people, chosen.turns).items():
                together[what] += values
            began_all += time.perf_counter() - began
            busy += usage(house)[0] - cpu
        print(f"| act, ms | 1 reader p50 | p95 | {chosen.readers} readers p50 | p95 | ratio of p50 |")
        print("|---|---|---|---|---|---|")
        for what, values in alone.items():
            one, many = statistics.median(values), statistics.median(together[what])
            row = f"{one:.0f} | {p95(values):.0f} | {many:.0f} | {p95(together[what]):.0f} | {many / one:.1f}"
            print(f"| {what} | {row} |")
        acts = sum(len(values) for values in together.values())
        print(f"reading room: {busy / began_all:.2f} processors busy, {usage(house)[1]:.0f} MB resident")
        print(f"{acts / began_all:.0f} acts a second with {chosen.readers} readers")


if __name__ == "__main__":
    main()
