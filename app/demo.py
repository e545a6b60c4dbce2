"""`janus-med demo`: the whole system on this machine, with a PACS beside it, real studies and somebody to
sign.
"""

from __future__ import annotations

import fcntl
import os
import shutil
import sys
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path

from app.demo_page import Page
from app.demo_settings import PACS_AE_TITLE, DemoPlan, add_users, plan_demo
from app.demo_studies import DemoStudy, prepare_studies, send_studies
from app.demo_walk import export_and_verify, sign_and_deliver
from app.domain.errors import ConfigurationError, Fatal
from app.domain.study import Study, StudyState
from app.services.first_accounts import DEMO_MARK
from app.store.embedded import EmbeddedPostgres
from app.store.engine import Store, open_store
from app.store.migrate import upgrade
from app.workers.child import ChildPlan
from app.workers.ports import require_free
from app.workers.supervise import (
    Supervisor,
    check_ports,
    environment_of,
    plan_children,
    stop_on_signals,
)

_NEEDED_BYTES = 500_000_000
_READY_SECONDS = 120.0
_DRAFT_SECONDS = 180.0
_SETTLED = frozenset({StudyState.DRAFTED, StudyState.UNDRAFTED})


class Interrupted(Exception):
    """The person has stopped the demo before it was ready."""


def run_demo(
    *,
    headless: bool,
    data_dir: Path | None,
    dicom_port: int | None,
    ui_port: int | None,
    pacs_port: int | None,
) -> None:
    """Run the demo until Ctrl-C; headless, walk its path and return.

    Raises
    ------
    ConfigurationError
        If a port is taken, the disk is nearly full, or the demo runs already.
    Fatal
        If a step fails; the message names it.
    """
    from app.logs import set_up_logging

    began, stop = time.monotonic(), stop_on_signals()
    set_up_logging("demo", level="ERROR")
    plan = plan_demo(data_dir, dicom_port=dicom_port, ui_port=ui_port, pacs_port=pacs_port)
    page = Page()
    try:
        with ExitStack() as stack:
            stack.enter_context(_prepared(plan))
            store = _start_database(stack, plan, page, stop)
            supervisor = _start_processes(stack, plan, page, stop)
            studies = _send(plan, page, stop)
            states, waits = _wait_for_drafts(store, studies, page, stop)
            if headless:
                _walk(store, plan, page, states, waits)
            else:
                page.show_way_in(plan, studies, time.monotonic() - began)
                page.warn_of_missing_draft(states["chest"][1])
                supervisor.watch(stop)
            page.say("stopping ...")
            stopping = time.monotonic()
        page.say(f"stopped in {time.monotonic() - stopping:.1f} s")
    except Interrupted:
        page.say("stopped")
        raise SystemExit(130) from None


@contextmanager
def _prepared(plan: DemoPlan) -> Iterator[None]:
    """Check what can be checked before anything is started, and take the folder."""
    # as root the database runs as an account of its own that must be able to enter
    plan.folder.mkdir(mode=0o711 if os.geteuid() == 0 else 0o700, parents=True, exist_ok=True)
    mark = plan.folder / DEMO_MARK
    if not mark.exists() and any((plan.folder / name).exists() for name in ("database", "spool", "keys")):
        raise ConfigurationError(
            f"{plan.folder} holds data that is not the demo's, and the demo adds accounts whose passwords "
            "everybody knows: choose another --data-dir or JANUS_MED_DATA_DIR"
        )
    with mark.open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise ConfigurationError(
                f"the demo runs already in {plan.folder}: stop it, or choose another --data-dir "
                "and other ports"
            ) from None
        free = shutil.disk_usage(plan.folder).free
        if free < _NEEDED_BYTES:
            raise ConfigurationError(
                f"only {free / 1e6:.0f} MB are free in {plan.folder}, the demo needs "
                f"{_NEEDED_BYTES / 1e6:.0f} MB: free some, or choose another --data-dir"
            )
        check_ports(plan.settings)
        require_free("127.0.0.1", plan.pacs_port, setting="--pacs-port", purpose="the demo's PACS")
        yield


def _start_database(stack: ExitStack, plan: DemoPlan, page: Page, stop: threading.Event) -> Store:
    with page.step("database"):
        embedded = EmbeddedPostgres(plan.settings)
        stack.callback(embedded.stop)
        embedded.attach()
        upgrade(plan.settings)
        store = stack.enter_context(open_store(plan.settings))
        add_users(store)
    _go_on_unless(stop)
    return store


def _start_processes(stack: ExitStack, plan: DemoPlan, page: Page, stop: threading.Event) -> Supervisor:
    log = stack.enter_context((plan.folder / "demo.log").open("w", encoding="utf-8", buffering=1))
    with page.step("PACS, listener, delivery, web UI"):
        supervisor = stack.enter_context(
            Supervisor(
                (_pacs(plan), *plan_children(plan.settings)),
                environment_of(plan.settings),
                emit=lambda name, line: _write(log, name, line),
                keep_database=EmbeddedPostgres(plan.settings).attach,
            )
        )
        try:
            ready = supervisor.wait_until_ready(_READY_SECONDS, stop=stop, without=("drafting",))
        except Fatal as error:
            raise Fatal(f"{error}; the log is {log.name}") from None
    if not ready:
        raise Interrupted
    return supervisor


def _pacs(plan: DemoPlan) -> ChildPlan:
    command = (sys.executable, "-m", "app.workers.lifeline", "pacs_bridge.archive")
    arguments = ("--folder", str(plan.pacs_folder), "--port", str(plan.pacs_port))
    names = ("--ae-title", PACS_AE_TITLE, "--allow", plan.settings.ae_title)
    return ChildPlan("pacs", (*command, *arguments, *names), port=plan.pacs_port)


def _send(plan: DemoPlan, page: Page, stop: threading.Event) -> tuple[DemoStudy, ...]:
    studies = prepare_studies(plan.folder / "samples")
    with page.step(f"sent {sum(len(s.files) for s in studies)} images over DICOM"):
        send_studies(
            studies, port=plan.settings.dicom_port, called=plan.settings.ae_title, calling=PACS_AE_TITLE
        )
    _go_on_unless(stop)
    return studies


def _wait_for_drafts(
    store: Store, studies: Sequence[DemoStudy], page: Page, stop: threading.Event
) -> tuple[dict[str, tuple[DemoStudy, Study]], dict[str, float]]:
    """Wait until each study has its draft or the reason why none; return states and waits in seconds."""
    deadline = time.monotonic() + _DRAFT_SECONDS
    waits: dict[str, float] = {}
    with page.step("drafts"):
        while True:
            states = _states(store, studies)
            settled = {key for key, (_, study) in states.items() if study.state in _SETTLED}
            for key in settled - waits.keys():
                waits[key] = _wait_of(store, states[key][1])
            if len(settled) == len(studies):
                return states, waits
            if time.monotonic() > deadline:
                missing = ", ".join(s.title for s in studies if s.key not in settled)
                raise Fatal(f"no draft after {_DRAFT_SECONDS:.0f} s for: {missing}")
            if stop.wait(0.2):
                raise Interrupted


def _states(store: Store, studies: Sequence[DemoStudy]) -> dict[str, tuple[DemoStudy, Study]]:
    with store.begin() as unit:
        found = unit.studies.lock_existing([study.study_uid for study in studies])
    return {s.key: (s, found[s.study_uid]) for s in studies if s.study_uid in found}


def _wait_of(store: Store, study: Study) -> float:
    """Return the seconds from completion to draft."""
    with store.begin() as unit:
        report = unit.reports.of_revision(study.study_uid, study.revision)
        draft = unit.reports.drafts.get(report.draft_id) if report else None
    if draft is None or study.completed_at is None:
        return 0.0
    return (draft.created_at - study.completed_at).total_seconds()


def _walk(
    store: Store,
    plan: DemoPlan,
    page: Page,
    states: dict[str, tuple[DemoStudy, Study]],
    waits: dict[str, float],
) -> None:
    sent, chest = states["chest"]
    if chest.state is not StudyState.DRAFTED:
        raise Fatal(f"the chest radiograph got no draft: {chest.reason}")
    with page.step("signed report in the PACS"):
        signed = sign_and_deliver(store, plan, sent)
    with page.step("audit log exported and verified"):
        audit = export_and_verify(store, plan)
    page.show_summary(_states(store, [s for s, _ in states.values()]), signed, audit, waits)


def _write(log: object, name: str, line: str) -> None:
    print(f"{name}: {line}", file=log)  # type: ignore[call-overload]


def _go_on_unless(stop: threading.Event) -> None:
    if stop.is_set():
        raise Interrupted
