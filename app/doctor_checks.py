"""The checks of `janus-med doctor`, in the order in which a failure explains the next."""

from __future__ import annotations

import os
import platform
import shutil
from collections.abc import Iterator
from datetime import UTC, datetime
from functools import partial
from importlib.metadata import version

from app.destinations import AnyDestination
from app.doctor import Check, Finding, fail, risky_settings, warn
from app.document_settings import DocumentSignature
from app.login_settings import OidcSettings
from app.settings import Settings

_PARTS = (
    "pydicom",
    "pynetdicom",
    "sqlalchemy",
    "psycopg",
    "procrastinate",
    "streamlit",
    "torch",
    "transformers",
)
_WORST_SKEW_SECONDS = 5.0
_RENEW_DAYS = 30


def checks(settings: Settings) -> Iterator[Check]:
    """Return the checks for these settings."""
    yield Check("versions", lambda _: _versions())
    yield Check("safe to start", _check_safety)
    for found, advice in risky_settings(settings):
        yield Check("settings", partial(_tell_risk, found, advice))
    yield Check("disk", _check_disk)
    yield Check("spool", _check_spool)
    yield Check("database", _check_database)
    yield Check("clock", _check_clock)
    yield Check("alerts", _check_alerts)
    yield Check("processes", _check_processes)
    yield Check("routing rules", _check_rules)
    if settings.oidc is not None:
        yield Check("single sign-on", partial(_check_sign_on, settings.oidc))
    if settings.document_signature is not None:
        yield Check("document signature", partial(_check_signature, settings.document_signature))
    yield Check("model", _check_model)
    yield Check("listener", _check_listener)
    yield Check("web UI", _check_ui)
    for destination in settings.destinations:
        yield Check(f"destination {destination.name}", partial(_check_destination, destination))


def _tell_risk(found: str, advice: str, _: Settings) -> Finding:
    return warn(found, advice)


def _check_safety(settings: Settings) -> str:
    from app.start_checks import require_safe

    require_safe(settings, "supervisor", now=datetime.now(UTC))
    return "no process refuses these settings"


def _versions() -> str:
    from app.store.readiness import SCHEMA_REVISION

    parts = ", ".join(f"{name} {version(name)}" for name in _PARTS)
    return (
        f"janus-med {version('janus-med')}, schema {SCHEMA_REVISION}, Python {platform.python_version()}, "
        f"{platform.system()} {platform.release()}, {os.cpu_count()} CPUs; {parts}"
    )


def _check_disk(settings: Settings) -> Finding | str:
    settings.spool_dir.mkdir(mode=0o700, parents=True, exist_ok=True)
    usage = shutil.disk_usage(settings.spool_dir)
    floor = settings.free_space_floor(usage.total)
    found = (
        f"{settings.spool_dir}, {usage.free / 1e9:.1f} GB free, storage is refused below {floor / 1e9:.1f}"
    )
    if usage.free < floor:
        return fail(found, "make space; nothing is purged for it beyond the retention policy")
    if not os.access(settings.spool_dir, os.W_OK):
        return fail(f"{settings.spool_dir} cannot be written", "run under the account of the processes")
    if usage.free < 2 * floor:
        return warn(found, "make space before receiving stops")
    return found


def _check_spool(settings: Settings) -> Finding | str:
    from pacs_bridge.inspection import inspect_spool
    from pacs_bridge.spool_layout import SpoolLayout

    layout = SpoolLayout(settings.spool_dir)
    if not layout.objects.is_dir():
        return "empty: no listener has run yet"
    seen = inspect_spool(layout)
    found = (
        f"{seen.objects} objects, {seen.records} records, {seen.incoming} wait for intake, "
        f"{seen.quarantined} in quarantine, {seen.temporary} unfinished"
    )
    if seen.missing_objects:
        return fail(
            f"{found}; {len(seen.missing_objects)} acknowledged instances have no object",
            "restore spool/objects from a backup, or ask the senders for them again",
        )
    if not seen.is_sound:
        lost = seen.unrecorded + seen.not_handed_over
        return warn(f"{found}; {lost} half done", "restart the listener: it finishes them")
    return found


def _check_database(settings: Settings) -> str:
    from app.store.engine import open_store

    # opening it checks the version, the durability settings, the schema and the key
    with open_store(settings) as store, store.begin() as unit:
        users, letters = len(unit.users.all()), len(unit.work.dead_letters())
        entries, _ = unit.audit.head()
    kind = "server" if settings.database_url else f"embedded in {settings.database_dir}"
    return (
        f"{kind}, migrated, keeps what it confirms; "
        f"{users} accounts, {entries} audit entries, {letters} dead letters"
    )


def _check_clock(settings: Settings) -> Finding | str:
    from app.store.engine import open_store

    with open_store(settings) as store, store.begin() as unit:
        before = datetime.now(UTC)
        skew = (unit.figures.database_time() - before).total_seconds()
    found = f"{skew:+.1f} s between the database's clock and ours"
    if abs(skew) > _WORST_SKEW_SECONDS:
        return warn(found, "synchronise both with NTP: times of signatures and audit entries are ours")
    return found


def _check_alerts(settings: Settings) -> Finding | str:
    from app.store.engine import open_store

    with open_store(settings) as store, store.begin() as unit:
        alerts = unit.alerts.open()
        undecided = unit.stuck.undecided()
    if not alerts and not undecided:
        return "none open, nothing in quarantine"
    found = f"{len(alerts)} open, {undecided} instances in quarantine wait for a decision"
    words = "; ".join(f"{alert.kind.value}: {alert.subject}" for alert in alerts[:5])
    return warn(f"{found}{': ' if words else ''}{words}", "see the operations view")


def _check_processes(settings: Settings) -> Finding | str:
    from app.store.engine import open_store

    now = datetime.now(UTC)
    with open_store(settings) as store, store.begin() as unit:
        alive = {line.process for line in unit.figures.processes() if line.is_alive(now)}
    missing = [
        name for name in ("listener", "drafting", "delivery", "housekeeping", "ui") if name not in alive
    ]
    if not alive:
        return "none runs"
    if missing:
        return warn(f"{', '.join(sorted(alive))} run; not {', '.join(missing)}", "start them: janus-med up")
    return f"{', '.join(sorted(alive))} run"


def _check_model(settings: Settings) -> str:
    from app.workers.model_check import verify_model

    return verify_model(settings)


def _check_listener(settings: Settings) -> Finding | str:
    from app.addresses import own_address
    from app.workers.child import takes_connections
    from app.workers.listen import listener_config, peers_of

    config = listener_config(settings)
    where = f"{config.ae_title}@{config.address}:{config.port}"
    if not peers_of(settings):
        return fail(f"{where}: nobody may send", "set JANUS_MED_ALLOWED_AE_TITLES")
    senders = f"{len(peers_of(settings))} senders allowed"
    if not takes_connections(config.port, own_address(config.address)):
        return f"{where}, not running, {senders}"
    if not settings.selftest_minutes:
        return f"{where}, listening (not asked by C-ECHO: the self-test is off), {senders}"
    return f"{where}, {_echo_ourselves(settings)}, {senders}"


def _echo_ourselves(settings: Settings) -> str:
    from app.domain.retention import SELF_TEST_TITLE
    from app.workers.own_listener import own_listener
    from pacs_bridge.destination import Timeouts
    from pacs_bridge.store_scu import echo

    echo(own_listener(settings), calling_ae=SELF_TEST_TITLE, timeouts=Timeouts(5.0, 5.0, 5.0, 5.0))
    return "answers C-ECHO"


def _check_ui(settings: Settings) -> str:
    from app.workers.child import answers

    url = f"http://{settings.ui_host}:{settings.ui_port}"
    return f"{url}, {'answers' if answers(f'{url}/live') else 'not running'}"


def _check_sign_on(oidc: OidcSettings, _: Settings) -> str:
    from app.services.openid_provider import open_provider

    open_provider(oidc).ask_anew(now=datetime.now(UTC))
    return f"{oidc.issuer} answers, its keys can be read; {len(oidc.roles)} groups have a role"


def _check_signature(signature: DocumentSignature, _: Settings) -> Finding | str:
    from app.store.document_key import read_document_key

    now = datetime.now(UTC)
    key = read_document_key(signature, now=now)
    assert key is not None
    days = (key.ends_at - now).days
    if days < _RENEW_DAYS:
        return warn(
            f"the certificate for documents ends in {days} days",
            "have it renewed: without it no signed report leaves as PDF",
        )
    return f"the certificate for documents is valid until {key.ends_at:%Y-%m-%d}"


def _check_rules(settings: Settings) -> str:
    from app.domain.errors import RulesBroken
    from app.domain.rules_toml import read_rules
    from app.services.rules_file import read_file

    path = settings.rules_path
    try:
        rules = read_rules(read_file(path), targets=settings.rule_targets)
    except RulesBroken as error:
        mistakes = "; ".join(str(error).splitlines())
        raise RulesBroken(f"{path} is broken, the last good rules stay in force: {mistakes}") from None
    return f"{path}, {len(rules.rules)} rules" if path.exists() else f"none: no file {path}"


def _check_destination(destination: AnyDestination, settings: Settings) -> str:
    from app.workers.destination_check import check_destination

    return check_destination(destination, calling_ae=settings.ae_title)
