"""`janus-med doctor`: is everything there that the system needs, and what to do about what is not."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial

import typer

from app.cli_errors import explain
from app.destinations import AnyDestination
from app.settings import Settings


@dataclass(frozen=True)
class Check:
    """One question and how to answer it.

    Attributes
    ----------
    ask
        Returns what was found; raises when it is not in order.
    """

    title: str
    ask: Callable[[Settings], str]


def examine(settings: Settings) -> int:
    """Print the result of every check; return 0 when all are in order, else 1."""
    failed = 0
    for check in checks(settings):
        try:
            verdict, found = "ok", check.ask(settings)
        except Exception as error:  # each check stands for itself
            failed += 1
            verdict, found = "FAILED", explain(error)[1]
        typer.echo(f"{verdict:7} {check.title:28} {found}")
    return 1 if failed else 0


def checks(settings: Settings) -> Iterator[Check]:
    """Return the checks in the order in which a failure explains the next."""
    yield Check("spool folder", _check_spool)
    yield Check("database", _check_database)
    yield Check("routing rules", _check_rules)
    yield Check("model", _check_model)
    yield Check("listener", _check_listener)
    yield Check("web UI", _check_ui)
    for destination in settings.destinations:
        yield Check(f"destination {destination.name}", partial(_check_destination, destination))
    if not settings.destinations:
        yield Check("destinations", _no_destination)


def _check_spool(settings: Settings) -> str:
    from app.domain.errors import ConfigurationError

    settings.spool_dir.mkdir(mode=0o700, parents=True, exist_ok=True)
    usage = shutil.disk_usage(settings.spool_dir)
    floor = settings.free_space_floor(usage.total)
    if usage.free < floor:
        raise ConfigurationError(
            f"{usage.free / 1e9:.1f} GB free in {settings.spool_dir}: storage is refused "
            f"below {floor / 1e9:.1f} GB"
        )
    return f"{settings.spool_dir}, {usage.free / 1e9:.1f} GB free, storage is refused below {floor / 1e9:.1f}"


def _check_database(settings: Settings) -> str:
    from app.store.engine import open_store

    with open_store(settings) as store, store.begin() as unit:
        users, letters = len(unit.users.all()), len(unit.work.dead_letters())
        entries, _ = unit.audit.head()
    kind = "server" if settings.database_url else f"embedded in {settings.database_dir}"
    return f"{kind}, migrated; {users} accounts, {entries} audit entries, {letters} dead letters"


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


def _check_model(settings: Settings) -> str:
    from app.workers.draft import verify_model

    return verify_model(settings)


def _check_listener(settings: Settings) -> str:
    from app.domain.errors import ConfigurationError
    from app.workers.child import takes_connections
    from app.workers.listen import listener_config

    config = listener_config(settings)
    if not config.peers:
        raise ConfigurationError("nobody may send: set JANUS_MED_ALLOWED_AE_TITLES")
    state = "listening" if takes_connections(config.port) else "not running"
    return f"{config.ae_title}@{config.address}:{config.port}, {state}, {len(config.peers)} senders allowed"


def _check_ui(settings: Settings) -> str:
    from app.workers.child import answers

    url = f"http://{settings.ui_host}:{settings.ui_port}"
    return f"{url}, {'answers' if answers(f'{url}/live') else 'not running'}"


def _check_destination(destination: AnyDestination, settings: Settings) -> str:
    from app.workers.destination_check import check_destination

    return check_destination(destination, calling_ae=settings.ae_title)


def _no_destination(_: Settings) -> str:
    return "none: signed reports stay here (JANUS_MED_DESTINATIONS)"
