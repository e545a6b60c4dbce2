"""How long a study takes outside the model, and what an hour of a hospital does: `python -m bench.pipeline`.

The real system runs in processes of its own (`janus-med up`) on an embedded database. Times are those of the
database: from the completion of a study to its draft in the worklist. CR is a real chest radiograph that
the bundled model drafts; the rest is a small CT slice under several modalities, which stays without a draft.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import secrets
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from pydicom import dcmread
from pydicom.data import get_testdata_file
from pydicom.uid import generate_uid
from sqlalchemy import text

from app.domain.access import Role, service_actor
from app.services.accounts import add_user
from app.settings import Settings
from app.store.engine import Store, open_store
from app.store.migrate import upgrade
from app.workers.supervise import environment_of
from pacs_bridge.destination import Destination
from pacs_bridge.errors import BridgeError
from pacs_bridge.store_scu import send_instances
from tests.ports import free_port

MEASURES = ("P1", "P2")
SENDER = "BENCH"
MIX = (("CR", 120), ("US", 50), ("CT", 30), ("MR", 25))
IMAGES = {"CR": 1, "US": 4, "CT": 20, "MR": 10}
_STANDING = text("""
    SELECT study.study_uid, study.state, study.reason, study.completed_at,
           min(draft.created_at) AS drafted_at,
           (SELECT coalesce(sum(value::float), 0) FROM jsonb_each_text(
               (SELECT timings FROM drafts WHERE drafts.study_uid = study.study_uid ORDER BY id LIMIT 1)
            ) AS part(name, value) WHERE name LIKE '%\\_s') AS inside
      FROM studies AS study LEFT JOIN drafts AS draft ON draft.study_uid = study.study_uid
     GROUP BY study.study_uid
""")


def make_study(modality: str, number: int, images: int) -> list[Any]:
    """Return a study of its own patient."""
    uids = generate_uid(prefix=None), generate_uid(prefix=None)
    return [_image(modality, number, place, uids) for place in range(1, images + 1)]


def _image(modality: str, number: int, place: int, uids: tuple[str, str]) -> Any:
    if modality == "CR":
        # a real chest radiograph: the bundled model drafts it, a phantom it declines
        data_set = dcmread(str(get_testdata_file("RG1_UNCR.dcm", download=False)))
    else:
        data_set = dcmread(str(get_testdata_file("CT_small.dcm", download=False)))
        data_set.Modality = modality
        data_set.ImagePositionPatient = [0, 0, place]
    data_set.StudyInstanceUID, data_set.SeriesInstanceUID = uids
    data_set.SOPInstanceUID = data_set.file_meta.MediaStorageSOPInstanceUID = generate_uid(prefix=None)
    data_set.PatientID, data_set.PatientName = f"BENCH-{number}", f"Bench^{number}"
    data_set.IssuerOfPatientID, data_set.InstanceNumber = "BENCH", place
    return data_set


@contextmanager
def running_system(folder: Path) -> Iterator[tuple[Settings, Store]]:
    """Run the whole system until the block ends."""
    settings = Settings(
        data_dir=folder / "data",
        dicom_port=free_port(),
        ui_port=free_port(),
        allowed_ae_titles=(f"{SENDER}@127.0.0.1",),
        free_space_floor_gb=0.0,
    )
    upgrade(settings)
    with open_store(settings) as store:
        # without an account the reading room does not open
        add_user(
            store,
            service_actor("bench"),
            username="bench",
            printed_name="Bench",
            role=Role.VIEWER,
            password=secrets.token_urlsafe(24),
            now=datetime.now(UTC),
        )
    with (folder / "system.log").open("wb") as log:
        command = [sys.executable, "-m", "app.cli", "up"]
        process = subprocess.Popen(command, env=environment_of(settings), stdout=log, stderr=log)
        try:
            _wait_for(lambda: b"ready: http" in (folder / "system.log").read_bytes(), 180)
            with open_store(settings) as store:
                yield settings, store
        finally:
            process.terminate()
            process.wait(30)


def measure_latency(settings: Settings, store: Store, rounds: int) -> dict[str, Any]:
    """Return seconds outside the model for one image and for a CT of 324 slices.

    Images come one after the other: in a burst each would wait for the model's work on those before it. The
    CTs of all rounds wait side by side, for a CT is quiet for a minute before it is complete and the model
    leaves it.
    """
    found: dict[str, Any] = {}
    for name, modality, images, together in (
        ("one image", "CR", 1, 1),
        ("CT of 324 slices", "CT", 324, rounds),
    ):
        rows = []
        for first in range(0, rounds, together):
            studies = [make_study(modality, first + number, images) for number in range(together)]
            for study in studies:
                _send(settings, study)
            rows += _wait_for_drafts(store, [str(study[0].StudyInstanceUID) for study in studies], 240)
        outside = sorted(max(0.0, (r.drafted_at - r.completed_at).total_seconds() - r.inside) for r in rows)
        found[name] = {"rounds": rounds, "p50_s": _quantile(outside, 0.5), "p95_s": _quantile(outside, 0.95)}
    return found


def run_load(
    settings: Settings, store: Store, *, per_hour: int, hours: float, compression: float, seed: int
) -> dict[str, Any]:
    """Send a hospital's mix faster than real time, and tell what became of it."""
    studies = _shuffled(per_hour, hours, seed)
    gap = 3600.0 / per_hour / compression
    began, refused, sent = time.monotonic(), 0, []
    with ThreadPoolExecutor(8) as senders:
        waiting = []
        for number, modality in enumerate(studies):
            time.sleep(max(0.0, began + number * gap - time.monotonic()))
            study = make_study(modality, 10_000 + number, IMAGES[modality])
            waiting.append((str(study[0].StudyInstanceUID), senders.submit(_send, settings, study)))
        for study_uid, answer in waiting:
            if answer.result():
                sent.append(study_uid)
            else:
                refused += 1
    last_sent = time.monotonic()
    rows = _wait_for_drafts(store, sent, 600)
    failed = [row for row in rows if row.state == "UNDRAFTED" and _is_failure(row.reason)]
    return {
        "studies_per_hour": per_hour,
        "compression": compression,
        "sent": len(sent),
        "refused": refused,
        "lost": len(sent) - len(rows),
        "failed": len(failed),
        "drafted": sum(row.state == "DRAFTED" for row in rows),
        "undrafted": sum(row.state == "UNDRAFTED" for row in rows),
        "sending_s": round(last_sent - began, 1),
        "drain_s": round(time.monotonic() - last_sent, 1),
    }


def _shuffled(per_hour: int, hours: float, seed: int) -> list[str]:
    scale = per_hour / sum(count for _, count in MIX) * hours
    studies = [modality for modality, count in MIX for _ in range(round(count * scale))]
    random.Random(seed).shuffle(studies)
    return studies


def _is_failure(reason: str) -> bool:
    """Tell whether a study has no draft for another reason than that it is out of scope."""
    return any(words in reason for words in ("no answer", "unavailable", "attempt", "unexpected"))


def _send(settings: Settings, study: Sequence[Any]) -> bool:
    us = Destination(settings.ae_title, "127.0.0.1", settings.dicom_port)
    try:
        return bool(send_instances(list(study), us, calling_ae=SENDER))
    except BridgeError:
        return False


def _wait_for_drafts(store: Store, study_uids: Sequence[str], seconds: float) -> list[Any]:
    wanted, rows = set(study_uids), list[Any]()
    deadline = time.monotonic() + seconds
    while len(rows) < len(wanted) and time.monotonic() < deadline:
        time.sleep(1.0)
        with store.begin() as tx:
            rows = [
                row
                for row in tx.session.execute(_STANDING)
                if row.study_uid in wanted and row.drafted_at is not None
            ]
    return rows


def _quantile(values: Sequence[float], share: float) -> float | None:
    return round(values[min(len(values) - 1, int(share * len(values)))], 2) if values else None


def _wait_for(is_done: Any, seconds: float) -> None:
    deadline = time.monotonic() + seconds
    while not is_done():
        if time.monotonic() > deadline:
            raise TimeoutError("the system did not become ready: see its log")
        time.sleep(0.5)


def main() -> None:
    """Measure, and print one JSON document."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=10, help="studies of each latency measurement")
    parser.add_argument("--compression", type=float, default=20.0, help="times faster than real time")
    parser.add_argument("--hours", type=float, default=1.0, help="hours of the hospital in each load run")
    parser.add_argument("--rates", type=int, nargs="*", default=[225, 337], help="studies per hour")
    parser.add_argument("--seed", type=int, default=1)
    chosen = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="janus-med-bench-") as folder:
        Path(folder).chmod(0o755)
        with running_system(Path(folder)) as (settings, store):
            results: dict[str, Any] = {"cpus": os.cpu_count(), "load_average": os.getloadavg()[0]}
            results["latency"] = measure_latency(settings, store, chosen.rounds)
            results["load"] = [
                run_load(
                    settings,
                    store,
                    per_hour=rate,
                    hours=chosen.hours,
                    compression=chosen.compression,
                    seed=chosen.seed,
                )
                for rate in chosen.rates
            ]
    print(json.dumps(results, indent=1))


if __name__ == "__main__":
    main()
