"""A canary patient through every path of the running system, then erased (T40).

Covered: `janus-med up` at its most talkative level, two studies over DICOM (drafted and signed; undrafted,
signed, not to be delivered, withdrawn), an instance of other content, a refused association, pages that do
not exist; then logs, metrics, temporary files, the server's own log and error pages are searched. After
erasing, the whole database (as pg_dump writes it, and its files) and the data folder are. Not covered: HL7
and the worklist (`tests/store/test_every_table.py` has orders), the browser's own store.
"""

from __future__ import annotations

import subprocess
import sys
import urllib.error
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import psycopg
import pytest
from pydicom import dcmread

from app.domain.access import Actor, service_actor
from app.domain.audit import AuditFilter, verify_chain
from app.domain.checks import confirm
from app.domain.patient_data import PatientKey
from app.domain.report import ReportState, Section
from app.domain.study import StudyState
from app.services.accounts import log_in
from app.services.checks import check_open_report
from app.services.reading import accept_sentence, add_sentence, open_study, reject_sentence, release_lock
from app.services.signatures import verify_signatures
from app.services.signing import sign
from app.services.withdrawal import withdraw
from app.settings import Destination, Settings
from app.store.dump import dump_database
from app.store.embedded import EmbeddedPostgres
from app.store.engine import Store, open_store
from app.store.migrate import upgrade
from app.workers.child import answers
from app.workers.supervise import environment_of
from tests.conftest import need
from tests.e2e.orthanc import run_orthanc
from tests.e2e.test_whole_path import STORESCU
from tests.faults.relay import relay_to
from tests.ports import free_port
from tests.postgres import OpenFolder
from tests.reliability import record
from tests.ui import seed
from tests.workers.conftest import wait_until
from tests.workers.processes import Process

CANARY = "QUOLLWORT"
PATIENT = f"{CANARY}-7"

pytestmark = [pytest.mark.slow, pytest.mark.timeout(900)]


@dataclass
class Site:
    """The running system, its data and temporary folders, and its store."""

    settings: Settings
    up: Process
    temporary: Path
    store: Store
    archive: int
    away: int

    def send(self, file: Path, calling: str = "SCANNER") -> int:
        command = [STORESCU, "-aet", calling, "-aec", "JANUSMED", "127.0.0.1", str(self.settings.dicom_port)]
        done = subprocess.run([*command, file], capture_output=True, check=False, timeout=120)
        return done.returncode

    def page(self, path: str) -> str:
        """Fetch a page, whatever its status."""
        url = f"http://127.0.0.1:{self.settings.ui_port}{path}"
        try:
            with urllib.request.urlopen(url, timeout=30) as answer:
                return answer.read().decode(errors="replace")
        except urllib.error.HTTPError as error:
            return error.read().decode(errors="replace")

    def state(self, study: str) -> StudyState | None:
        with self.store.begin() as tx:
            found = {
                s.study_uid: s.state
                for s in tx.patient_data.studies(PatientKey(PATIENT, ""), now=datetime.now(UTC))
            }
        return found.get(study)


@pytest.fixture
def site(tmp_path: Path) -> Iterator[Site]:
    """The whole system with an archive that answers and one that does not."""
    need(STORESCU.is_file(), "DCMTK (apt-get install dcmtk)")
    with OpenFolder() as folder, OpenFolder() as temporary, run_orthanc(tmp_path) as orthanc:
        away = free_port()
        settings = Settings(
            data_dir=folder,
            ui_port=free_port(),
            dicom_port=free_port(),
            allowed_ae_titles=("SCANNER",),
            quiet_seconds=1,
            log_level="INFO",
            delivery_retry_seconds=(2,) * 100,
            destinations=(
                Destination(name="PACS", ae_title="ORTHANC", host="127.0.0.1", port=orthanc.dicom_port),
                Destination(name="AWAY", ae_title="NOBODY", host="127.0.0.1", port=away),
            ),
        )
        upgrade(settings)
        with open_store(settings) as store:
            seed.add_people(store, now=seed.now_utc())
            try:
                with Process(settings, "up", TMPDIR=str(temporary)) as up:
                    up.wait_until_ready()
                    wait_until(lambda: answers(f"http://127.0.0.1:{settings.ui_port}/live"))
                    yield Site(settings, up, temporary, store, orthanc.dicom_port, away)
            finally:
                EmbeddedPostgres(settings).stop()


def named(file: Path, target: Path, **changes: str) -> tuple[Path, str]:
    """Write a copy of a file that the canary stands in; return it and its StudyInstanceUID."""
    dataset = dcmread(file)
    dataset.PatientName, dataset.PatientID = f"{CANARY}^ANNA", PATIENT
    dataset.IssuerOfPatientID = ""
    dataset.AccessionNumber = f"{CANARY}-A"[:16]
    dataset.StudyDescription = f"{CANARY} chest"
    dataset.ReferringPhysicianName = f"{CANARY}^REF"
    for keyword, value in changes.items():
        setattr(dataset, keyword, value)
    dataset.save_as(target)
    return target, str(dataset.StudyInstanceUID)


def hits(folder: Path, *without: str) -> tuple[list[str], int]:
    """Return the files below a folder that the canary stands in, and how many bytes were searched."""
    found, searched = [], 0
    for path in folder.rglob("*"):
        if path.is_file() and not any(path.is_relative_to(folder / part) for part in without):
            content = path.read_bytes()
            searched += len(content)
            if CANARY.encode() in content or CANARY.encode("utf-16-le") in content:
                found.append(str(path))
    return found, searched


def attending(site: Site) -> Actor:
    """Log the attending in."""
    return log_in(site.store, username="ada", password=seed.PASSWORD, source="test", now=datetime.now(UTC))[1]


def write_and_sign(site: Site, ada: Actor, study: str, destination: str) -> int:
    """Accept the draft, add a sentence with the canary to each section, and sign."""
    now = datetime.now(UTC)
    report = open_study(site.store, ada, study, now=now).report
    assert report is not None
    for sentence in report.sentences:
        # a template's open fields are not for this report
        decide = reject_sentence if "[" in sentence.text else accept_sentence
        decide(site.store, ada, report.report_id, sentence.key, now=now)
    for section in Section:
        report = add_sentence(
            site.store, ada, report.report_id, section, f"{CANARY} has healthy lungs.", now=now
        )
    checked = check_open_report(site.store, ada, report.report_id, now=now)
    sign(
        site.store, ada, report.report_id,
        version=report.version, password=seed.PASSWORD, destinations=[(destination, "report_sr")],
        confirmation=confirm(checked.report, checked.checks), now=now,
    )  # fmt: skip
    return report.report_id


def delivery_states(site: Site, report_id: int) -> set[str]:
    with site.store.begin() as tx:
        return {delivery.state.value for delivery in tx.deliveries.of_report(report_id)}


@pytest.mark.covers("T40", "C3", "T33")
def test_canary_leaves_no_trace_in_logs_and_none_anywhere_once_erased(
    site: Site, tmp_path: Path, chest_radiograph: Path, leg_radiograph: Path
) -> None:
    chest_file, chest = named(chest_radiograph, tmp_path / "chest.dcm")
    leg_file, leg = named(leg_radiograph, tmp_path / "leg.dcm")
    other_file, _ = named(chest_radiograph, tmp_path / "other.dcm", StudyDescription=f"{CANARY} other")
    assert site.send(chest_file) == 0
    assert site.send(leg_file) == 0
    assert site.send(other_file) != 0, "other content under a known UID is refused and set aside"
    assert site.send(chest_file, calling="STRANGER") != 0
    wait_until(
        lambda: site.state(leg) is StudyState.UNDRAFTED and site.state(chest) is StudyState.DRAFTED, 400
    )
    ada = attending(site)
    signed = write_and_sign(site, ada, chest, "PACS")
    stuck = write_and_sign(site, ada, leg, "AWAY")
    wait_until(lambda: delivery_states(site, signed) == {"SENT"})
    wait_until(lambda: delivery_states(site, stuck) == {"FAILED"})
    with site.store.begin() as tx:
        version = tx.reports.get(stuck).version
    withdraw(
        site.store, ada, stuck,
        version=version, password=seed.PASSWORD, reason=f"{CANARY} is healthy", now=datetime.now(UTC),
    )  # fmt: skip
    with relay_to(site.archive, port=site.away):
        wait_until(lambda: delivery_states(site, stuck) == {"CANCELLED", "SENT"})
    for report_id in (signed, stuck):
        release_lock(site.store, ada, report_id, now=datetime.now(UTC))
    pages = [
        site.page(path) for path in ("/metrics", f"/{CANARY.lower()}", "/pixels/1.2.3", "/dicomweb/studies")
    ]

    # the search finds what is there ...
    assert hits(site.settings.spool_dir)[0]
    # ... and nothing where nothing may be
    assert CANARY not in site.up.output().upper()
    assert all(CANARY not in page for page in pages)
    found, _ = hits(site.temporary)
    assert found == []
    found, _ = hits(site.settings.data_dir, "spool", "database/base", "database/pg_wal")
    assert found == []
    assert '"event": "ready"' in site.up.output() or '"event":"ready"' in site.up.output()

    erase = [
        sys.executable,
        "-m",
        "app.cli",
        "patient",
        "erase",
        PATIENT,
        "--reason",
        "ticket 12",
        "--confirm",
    ]
    done = run_until_idle(site, erase)
    assert done.returncode == 0, done.stderr
    assert "2 studies" in done.stdout
    assert "2 images, 1 instances in quarantine; 0 images wait" in done.stdout

    found, searched = hits(site.settings.data_dir, "database")
    assert found == []
    dump = tmp_path / "dump.sql"
    owner = EmbeddedPostgres(site.settings).attach().owner
    dump_database(owner, dump, plain=True)
    content = dump.read_bytes()
    assert b"erased-1" in content
    assert CANARY.encode() not in content.upper()
    searched += len(content)
    # the server's files: dead rows are gone after a rewrite; the write-ahead log is written over in its time
    with psycopg.connect(owner, autocommit=True) as connection:
        connection.execute("VACUUM (FULL, ANALYZE)")
        connection.execute("CHECKPOINT")
    found, size = hits(site.settings.database_dir, "pg_wal")
    assert found == []
    record(
        "canary",
        "an erased patient looked for in dump, data folder, logs, metrics and temporary files",
        f"0 hits in {(searched + size) / 1e6:.0f} MB",
        figures={"hits": 0, "megabytes": round((searched + size) / 1e6)},
    )
    with site.store.begin() as tx:
        count, _ = verify_chain(tx.audit.stream(AuditFilter()), head=tx.audit.head())
    assert count > 10
    check = verify_signatures(site.store, service_actor("cli"), now=datetime.now(UTC))
    assert (check.problems, check.erased) == ((), 3)
    with site.store.begin() as tx:
        assert tx.reports.get(signed).state is ReportState.SIGNED


def run_until_idle(site: Site, command: list[str]) -> subprocess.CompletedProcess[str]:
    """Run a command that is refused while something works on the patient's studies, until nothing does."""
    for _ in range(20):
        wait_until(lambda: _jobs(site) == 0)
        done = subprocess.run(
            command,
            env=environment_of(site.settings),
            capture_output=True,
            text=True,
            check=False,
            timeout=120,
        )
        if "work on it waits or runs" not in done.stderr:
            break
    return done


def _jobs(site: Site) -> int:
    with site.store.begin() as tx:
        return sum(
            study.jobs for study in tx.patient_data.studies(PatientKey(PATIENT, ""), now=datetime.now(UTC))
        )
