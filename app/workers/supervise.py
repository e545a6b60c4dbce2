"""`janus-med up`: the database and every process of the system under one parent.

A process that ends is started again, after a wait that doubles up to 30 s; one that refuses its
configuration stops everything with its own message. Whatever happens to the parent, no child outlives it
(`lifeline`).
"""

from __future__ import annotations

import json
import os
import signal
import sys
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from types import FrameType, TracebackType

from app.addresses import own_address
from app.domain.errors import ConfigurationError, DatabaseUnavailable, Fatal
from app.settings import Settings
from app.workers.child import Child, ChildPlan, Emit
from app.workers.lifeline import Lifeline
from app.workers.own_listener import require_listener_ports
from app.workers.ports import require_free

CONFIGURATION_EXIT = 2
_STOP_SECONDS = 8.0
_READY_SECONDS = 120.0
_POLL_SECONDS = 0.1
_DATABASE_CHECK_SECONDS = 5.0


def plan_children(settings: Settings) -> tuple[ChildPlan, ...]:
    """Return the processes of the system."""
    command = (sys.executable, "-m", "app.cli")
    host = own_address(settings.ui_host)
    host = f"[{host}]" if ":" in host else host  # RFC 3986 3.2.2
    hl7 = (ChildPlan("hl7", (*command, "hl7")),) if settings.hl7_port else ()
    return (
        ChildPlan("listener", (*command, "listen")),
        *hl7,
        ChildPlan("drafting", (*command, "work")),
        ChildPlan("delivery", (*command, "deliver")),
        ChildPlan("housekeeping", (*command, "keep")),
        ChildPlan("ui", (*command, "ui"), url=f"http://{host}:{settings.ui_port}/live"),
    )


def environment_of(settings: Settings) -> dict[str, str]:
    """Return this process's environment with exactly these settings, so that children read the same ones."""
    environment = {name: value for name, value in os.environ.items() if not name.startswith("JANUS_MED_")}
    for name, value in settings.model_dump(mode="json").items():
        if value not in (None, ""):
            text = value if isinstance(value, str) else json.dumps(value)
            environment[f"JANUS_MED_{name.upper()}"] = text
    return environment


def check_ports(settings: Settings) -> None:
    """Raise `ConfigurationError` when a port of the system is taken, naming who has it."""
    require_listener_ports(settings)
    require_free(settings.hl7_host, settings.hl7_port, setting="JANUS_MED_HL7_PORT", purpose="HL7")
    require_free(settings.ui_host, settings.ui_port, setting="JANUS_MED_UI_PORT", purpose="web UI")


class Supervisor:
    """Starts children, keeps them running, and stops them all.

    Parameters
    ----------
    emit
        Gets every line of a child, with the child's name.
    keep_database
        Called every few seconds; brings a crashed embedded database back.
    """

    def __init__(
        self,
        plans: Sequence[ChildPlan],
        environment: Mapping[str, str],
        *,
        emit: Emit,
        keep_database: Callable[[], object] = lambda: None,
    ) -> None:
        self._lifeline = Lifeline()
        self._emit = emit
        self._keep_database = keep_database
        self.children = [Child(plan, environment, self._lifeline, emit) for plan in plans]

    def __enter__(self) -> Supervisor:
        for child in self.children:
            child.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    def wait_until_ready(self, seconds: float, *, stop: threading.Event, without: Sequence[str] = ()) -> bool:
        """Wait until every child but those of `without` does its work; False when asked to stop before.

        Raises
        ------
        ConfigurationError
            If a child refuses its configuration.
        Fatal
            If a child is not ready in time; the message names it.
        """
        deadline = time.monotonic() + seconds
        while not stop.is_set():
            self._tend()
            awaited = [child for child in self.children if child.plan.name not in without]
            waiting = [child.plan.name for child in awaited if not child.is_ready]
            if not waiting:
                return True
            if time.monotonic() > deadline:
                raise Fatal(f"not ready after {seconds:.0f} s: {', '.join(waiting)} (see the lines above)")
            stop.wait(_POLL_SECONDS)
        return False

    def watch(self, stop: threading.Event) -> None:
        """Keep the children running until `stop` is set."""
        next_check = time.monotonic() + _DATABASE_CHECK_SECONDS
        while not stop.wait(_POLL_SECONDS):
            self._tend()
            if time.monotonic() > next_check:
                self._check_database()
                next_check = time.monotonic() + _DATABASE_CHECK_SECONDS

    def stop(self) -> None:
        """Ask every child to stop, then end those that did not; return when none is left."""
        deadline = time.monotonic() + _STOP_SECONDS
        for child in self.children:
            child.ask_to_stop()
        for child in self.children:
            if not child.wait(deadline):
                self._emit("supervisor", f"{child.plan.name} did not stop in time and was killed")
            child.kill()
        self._lifeline.close()

    def _tend(self) -> None:
        for child in self.children:
            code = child.exit_code
            if code == CONFIGURATION_EXIT:
                raise ConfigurationError(f"{child.plan.name}: {_last_words(child)}")
            wait = child.start_again_when_due()
            if wait is not None:
                self._emit("supervisor", f"{child.plan.name} ended ({code}), starts again in {wait:g} s")

    def _check_database(self) -> None:
        try:
            self._keep_database()
        except DatabaseUnavailable as error:
            self._emit("supervisor", str(error))


def stop_on_signals() -> threading.Event:
    """Return an event that SIGINT and SIGTERM set."""
    stop = threading.Event()

    def set_stop(number: int, frame: FrameType | None) -> None:
        stop.set()

    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, set_stop)
    return stop


def up(settings: Settings) -> None:
    """Run the whole system until SIGINT or SIGTERM."""
    from app.services.openid_provider import open_provider
    from app.store.embedded import EmbeddedPostgres
    from app.store.migrate import upgrade

    stop = stop_on_signals()
    check_ports(settings)
    if settings.oidc is not None:
        # the reading room would refuse to start, again and again
        open_provider(settings.oidc)
    embedded = None if settings.database_url else EmbeddedPostgres(settings)
    try:
        if embedded is not None:
            embedded.attach()
        upgrade(settings)
        keep = embedded.attach if embedded is not None else (lambda: None)
        with Supervisor(
            plan_children(settings), environment_of(settings), emit=print_line, keep_database=keep
        ) as supervisor:
            _announce(supervisor, settings, stop)
            supervisor.watch(stop)
            print_line("supervisor", "stopping")
    finally:
        if embedded is not None:
            embedded.stop()


def _announce(supervisor: Supervisor, settings: Settings, stop: threading.Event) -> None:
    """Say when all is ready; what is slow to start, such as a large model, does not stop the rest."""
    try:
        if supervisor.wait_until_ready(_READY_SECONDS, stop=stop):
            print_line("supervisor", f"ready: http://{settings.ui_host}:{settings.ui_port}")
    except Fatal as error:
        print_line("supervisor", str(error))


def print_line(name: str, line: str) -> None:
    """Print a child's line: with its name in front for people, as it is for collectors."""
    prefix = f"{name:>10} | " if sys.stdout.isatty() or not line.startswith("{") else ""
    print(f"{prefix}{line}", flush=True)


def _last_words(child: Child) -> str:
    time.sleep(_POLL_SECONDS)  # its last line may still be on the way
    words = [line for line in child.last_lines if line.startswith("janus-med: ")]
    return words[-1].removeprefix("janus-med: ") if words else f"ended with status {child.exit_code}"
