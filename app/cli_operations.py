"""Commands of operations: housekeeping, purge, holds, self-test, doctor."""

from __future__ import annotations

from collections import Counter
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Annotated

import typer

from app.cli_start import settings_of
from app.cli_store import command_actor, open_command_store

if TYPE_CHECKING:
    from app.domain.retention import RetentionPolicy
    from app.store.engine import Store

hold = typer.Typer(no_args_is_help=True)
retention = typer.Typer(no_args_is_help=True)


def register(cli: typer.Typer) -> None:
    """Add the commands to the command line."""
    cli.command()(keep)
    cli.command()(purge)
    cli.command()(selftest)
    cli.command()(doctor)
    cli.add_typer(retention, name="retention", help="What is kept for how long.")
    cli.add_typer(hold, name="hold", help="Studies that are never purged.")


def keep() -> None:
    """Run housekeeping: alerts, counts, retention, self-test."""
    from app.workers.keep import keep as run_housekeeping

    run_housekeeping(settings_of("housekeeping"))


def purge(
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Show what would go and why the rest stays.")
    ] = False,
    every: Annotated[
        bool, typer.Option("--all", help="Name every study that stays, not only their number.")
    ] = False,
) -> None:
    """Give up the pixels that the retention policy lets go."""
    from app.domain.errors import ConfigurationError
    from app.domain.retention import RetentionPolicy
    from app.settings import read_settings
    from app.workers.purge import SpoolKeeper, policy_of

    settings = read_settings()
    policy = policy_of(settings)
    with open_command_store() as store:
        if dry_run:
            _show_verdicts(store, policy, every=every)
            return
        if policy == RetentionPolicy():
            raise ConfigurationError("nothing is ever purged: every JANUS_MED_RETENTION_... setting is 0")
        count = SpoolKeeper(store, command_actor(), settings).purge(policy)
    typer.echo(f"{count} instances removed")


@retention.command("show")
def retention_show() -> None:
    """Show what is kept for how long, which patients are held, and what the policy would let go now."""
    from app.domain.retention import policy_lines
    from app.services.erasure import list_patient_holds
    from app.settings import read_settings
    from app.workers.purge import policy_of

    policy = policy_of(read_settings())
    for state, rule in policy_lines(policy):
        typer.echo(f"{state:38} {rule}")
    with open_command_store() as store:
        held = len(list_patient_holds(store, command_actor(), now=datetime.now(UTC)))
        typer.echo(f"{held} patients are held (janus-med patient holds)")
        _show_verdicts(store, policy, every=False)


@hold.command("set")
def hold_set(study: str, reason: Annotated[str, typer.Option(help="Why it must stay.")]) -> None:
    """Keep a study (by StudyInstanceUID) whatever the policy says."""
    from app.services.retention import hold_study

    with open_command_store() as store:
        hold_study(store, command_actor(), study, reason, now=datetime.now(UTC))
    typer.echo("held")


@hold.command("end")
def hold_end(study: str) -> None:
    """Let the policy decide about a study again."""
    from app.services.retention import end_hold

    with open_command_store() as store:
        end_hold(store, command_actor(), study, now=datetime.now(UTC))
    typer.echo("not held any more")


def selftest() -> None:
    """Send a phantom through listener, intake and drafting, now, and remove it again."""
    from app.domain.errors import ConfigurationError, PeerUnavailable
    from app.workers.selftest import SelfTest

    settings = settings_of("selftest")
    if not settings.selftest_minutes:
        raise ConfigurationError(
            "the listener does not take the self-test: set JANUS_MED_SELFTEST_MINUTES=15 for both"
        )
    with open_command_store() as store:
        result = SelfTest(store, settings).run()
    if result.problem:
        raise PeerUnavailable(result.problem)
    typer.echo(
        f"open from the listener to the draft ({result.outcome}) in {result.seconds:.1f} s; removed again"
    )


def doctor(
    as_json: Annotated[bool, typer.Option("--json", help="One JSON document instead of lines.")] = False,
) -> None:
    """Check versions, settings, database, spool, listener, model and destinations; say what to do."""
    from app.doctor import examine
    from app.logs import set_up_logging
    from app.settings import read_settings

    set_up_logging("doctor", level="ERROR")
    raise typer.Exit(examine(read_settings(), as_json=as_json))


def _show_verdicts(store: Store, policy: RetentionPolicy, *, every: bool) -> None:
    from app.services.retention import judge_studies

    stays: Counter[str] = Counter()
    going = size = 0
    for verdict in judge_studies(store, command_actor(), policy, now=datetime.now(UTC)):
        study = verdict.study
        if verdict.reason:
            stays[verdict.reason] += 1
        else:
            going, size = going + 1, size + study.size
        if every or not verdict.reason:
            typer.echo(f"{'stays' if verdict.reason else 'goes':6} {study.study_uid}  {verdict.reason}")
    typer.echo(f"{going} studies would go, {size / 1e9:.3f} GB")
    for reason, count in stays.most_common():
        typer.echo(f"{count} stay: {reason}")
