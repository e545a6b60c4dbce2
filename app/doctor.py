"""`janus-med doctor`: everything that a support call asks for, each line with what to do about it."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from enum import StrEnum

import typer

from app.addresses import is_loopback
from app.cli_errors import explain
from app.settings import Settings


class Verdict(StrEnum):
    """How a check ended: a warning works today and will not always."""

    OK = "ok"
    WARN = "warn"
    FAIL = "FAILED"


@dataclass(frozen=True)
class Finding:
    """What a check found.

    Attributes
    ----------
    advice
        What to do; empty when nothing is.
    """

    verdict: Verdict
    found: str
    advice: str = ""


@dataclass(frozen=True)
class Check:
    """One question and how to answer it.

    Attributes
    ----------
    ask
        Returns what was found, as a finding or as words when all is well; raises when it is not in order.
    """

    title: str
    ask: Callable[[Settings], Finding | str]


@dataclass(frozen=True)
class Line:
    """One line of the report."""

    title: str
    verdict: Verdict
    found: str
    advice: str


def examine(settings: Settings, *, as_json: bool = False) -> int:
    """Print the result of every check; return 0 when none failed, else 1."""
    from app.doctor_checks import checks

    lines = []
    for check in checks(settings):
        line = answer(check, settings)
        lines.append(line)
        if not as_json:
            typer.echo(f"{line.verdict.value:7} {line.title:28} {line.found}")
            if line.advice:
                typer.echo(f"{'':36} -> {line.advice}")
    failed = sum(line.verdict is Verdict.FAIL for line in lines)
    if as_json:
        typer.echo(json.dumps({"ok": not failed, "checks": [asdict(line) for line in lines]}, indent=1))
    return 1 if failed else 0


def answer(check: Check, settings: Settings) -> Line:
    """Ask one check; its error is its answer."""
    try:
        found = check.ask(settings)
    except Exception as error:  # each check stands for itself
        return Line(check.title, Verdict.FAIL, explain(error)[1], "")
    if isinstance(found, str):
        found = Finding(Verdict.OK, found)
    return Line(check.title, found.verdict, found.found, found.advice)


def warn(found: str, advice: str) -> Finding:
    """Return a finding that works today and wants attention."""
    return Finding(Verdict.WARN, found, advice)


def fail(found: str, advice: str) -> Finding:
    """Return a finding that has to be mended."""
    return Finding(Verdict.FAIL, found, advice)


def risky_settings(settings: Settings) -> Iterator[tuple[str, str]]:
    """Yield what is permitted but wants a second look, and what to do about it."""
    if settings.allow_plain_off_loopback:
        yield "DICOM is unencrypted on the network", "put the listener on a network of its own, or behind TLS"
    if not is_loopback(settings.ui_host) and not settings.ui_tls:
        yield (
            "the reading room is open to the network without TLS",
            "put a proxy with TLS in front, set UI_TLS",
        )
    if any("@" not in title for title in settings.allowed_ae_titles):
        yield (
            "an AE title may call from anywhere",
            "name its network: AE@NETWORK in JANUS_MED_ALLOWED_AE_TITLES, or networks in JANUS_MED_PEERS",
        )
    if settings.free_space_floor_gb < 1:
        yield "the floor of free space is below 1 GB", "raise JANUS_MED_FREE_SPACE_FLOOR_GB"
    if not settings.selftest_minutes:
        yield "no self-test runs", "set JANUS_MED_SELFTEST_MINUTES=15"
    if not settings.expected_sources:
        yield "no source's silence is an alert", "name the modalities in JANUS_MED_EXPECTED_SOURCES"
    if not settings.destinations:
        yield "signed reports go nowhere", "set JANUS_MED_DESTINATIONS"
    if settings.oidc is None and not settings.totp_roles:
        yield (
            "no second factor is asked for",
            "set JANUS_MED_TOTP_ROLES, or JANUS_MED_OIDC with a provider that asks",
        )
    if settings.quiet_seconds is not None and settings.quiet_seconds < 5:
        yield "studies count as complete after less than 5 s", "unset JANUS_MED_QUIET_SECONDS"
