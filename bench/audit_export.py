"""Export and verification of a long audit log: seconds and peak memory, format by format.

    python -m bench.audit_export [--entries 1000000] [--rounds 3]

Makes a log on an embedded server of its own, with a right chain and a checkpoint every 1,000 entries, and
exports it with each writer, each in a process of its own. Beside it stands a plain dump of the table by
`COPY ... TO STDOUT`, written to the same disk: what cannot be undercut. Bars: 120 s, 300 MB (A3).
"""

from __future__ import annotations

import argparse
import json
import resource
import subprocess
import sys
import time
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from statistics import median

import psycopg

from app.domain.access import service_actor
from app.domain.audit import GENESIS, AuditEntry, digest_entry
from app.domain.checkpoint import Checkpoint, Occasion, checkpoint_bytes
from app.settings import Settings
from app.store.embedded import EmbeddedPostgres
from app.store.engine import open_database
from app.store.migrate import upgrade_database
from tests.postgres import TEST_KEYS, OpenFolder

NOW = datetime(2026, 11, 27, tzinfo=UTC)
FORMATS = ("copy", "csv", "jsonl", "dicom-xml", "fhir", "bundle", "verify", "stand-alone")
COLUMNS = "seq, at, event, outcome, username, role, source, patient_ref, study_uid, detail, previous, digest"
EVERY = 1000


def fill(owner: str, count: int) -> None:
    """Write entries past the application, as its chain would have them."""
    previous = GENESIS
    with psycopg.connect(owner) as connection:
        connection.execute("SET session_replication_role = replica")
        with connection.cursor().copy(f"COPY audit_log ({COLUMNS}) FROM STDIN") as copy:
            for seq in range(1, count + 1):
                entry = _entry(seq, previous)
                digest = digest_entry(entry.body())
                copy.write_row(
                    (seq, entry.at, entry.event, entry.outcome, entry.username, entry.role, entry.source,
                     entry.patient_ref, entry.study_uid, json.dumps(dict(entry.detail)), previous, digest)
                )  # fmt: skip
                previous = digest
        connection.execute("UPDATE audit_head SET seq = %s, digest = %s", [count, previous])


def _entry(seq: int, previous: str) -> AuditEntry:
    at = NOW + timedelta(seconds=seq)
    event, detail = "sentence accepted", {"report_id": seq, "sentence": f"ai-{seq % 9}", "revision": 1}
    if seq % EVERY == 0:
        made = Checkpoint(seq // EVERY, seq - 1, previous, at, Occasion.ROWS.value, TEST_KEYS.audit.key_id)
        event, detail = (
            "audit checkpoint",
            replace(made, seal=TEST_KEYS.audit.seal(checkpoint_bytes(made))).as_detail(),
        )
    return AuditEntry(
        seq, at, event, "success", f"reader{seq % 40}", "attending", "192.0.2.17", f"{seq % 5000:032x}",
        f"1.2.826.0.1.3680043.8.498.{seq % 20000}", detail, previous, "",
    )  # fmt: skip


def run_one(kind: str, application: str, folder: Path) -> None:
    """Do one export in this process and print seconds, megabytes of memory and of file."""
    from functools import partial

    from app.domain.audit import AuditFilter
    from app.services import verify_audit
    from app.services.audit import verify_log
    from app.services.audit_bundle import export_bundle, export_file
    from app.workers.audit_fhir_file import write_fhir_export
    from app.workers.audit_forms import AuditSource
    from app.workers.audit_xml_file import write_xml_export

    actor, path, now = service_actor("cli"), folder / kind, datetime.now(UTC)
    source = AuditSource("JANUS", "General Hospital")
    writers = {
        "dicom-xml": partial(write_xml_export, source=source),
        "fhir": partial(write_fhir_export, source=source),
    }
    began = time.perf_counter()
    if kind == "copy":
        with psycopg.connect(application) as connection, path.open("wb") as out:
            copied = f"COPY (SELECT {COLUMNS} FROM audit_log ORDER BY seq) TO STDOUT"
            with connection.cursor().copy(copied) as copy:
                for part in copy:
                    out.write(part)
    elif kind == "stand-alone":
        if verify_audit.main([str(folder / "bundle")]):
            raise SystemExit("the bundle does not verify")
    else:
        with open_database(application, TEST_KEYS) as store:
            if kind == "verify":
                verify_log(store, actor, now=now)
            elif kind == "bundle":
                export_bundle(store, actor, AuditFilter(), format="jsonl", path=path, now=now)
            else:
                export_file(
                    store, actor, AuditFilter(), format=kind, path=path, now=now, writer=writers.get(kind)
                )
    seconds = time.perf_counter() - began
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    size = path.stat().st_size / 2**20 if path.exists() else 0.0
    print(json.dumps([seconds, peak, size]))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--entries", type=int, default=1_000_000)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--one", nargs=3, help=argparse.SUPPRESS)
    asked = parser.parse_args()
    if asked.one:
        run_one(asked.one[0], asked.one[1], Path(asked.one[2]))
        return
    with OpenFolder() as folder:
        embedded = EmbeddedPostgres(Settings(data_dir=folder))
        reached = embedded.attach()
        upgrade_database(reached.owner)
        began = time.perf_counter()
        fill(reached.owner, asked.entries)
        print(f"{asked.entries} entries in {time.perf_counter() - began:.0f} s", flush=True)
        rounds: dict[str, list[list[float]]] = {kind: [] for kind in FORMATS}
        for _ in range(asked.rounds):
            for kind in FORMATS:
                command = [
                    sys.executable,
                    "-m",
                    "bench.audit_export",
                    "--one",
                    kind,
                    reached.application,
                    folder,
                ]
                done = subprocess.run(command, check=True, capture_output=True, text=True)
                rounds[kind].append(json.loads(done.stdout.splitlines()[-1]))
                print(kind, rounds[kind][-1], flush=True)
        base = median(one[0] for one in rounds["copy"])
        print("| what | seconds | times COPY | peak MB | file MB |\n|---|---|---|---|---|")
        for kind, found in rounds.items():
            seconds, peak, size = (median(values) for values in zip(*found, strict=True))
            print(f"| {kind} | {seconds:.1f} | {seconds / base:.1f} | {peak:.0f} | {size:.0f} |")
        embedded.stop()


if __name__ == "__main__":
    main()
