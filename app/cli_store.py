"""Commands on the database: audit log, migrations, accounts, work that was given up."""

from __future__ import annotations

import getpass
import os
import socket
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from app.domain.access import Actor, service_actor
from app.domain.errors import ConfigurationError

if TYPE_CHECKING:
    from app.services.audit import ExportFormat, ExportWriter
    from app.store.engine import Store

PASSWORD = "JANUS_MED_PASSWORD"  # noqa: S105 - the name of a variable
_TIMES = ["%Y-%m-%d", "%Y-%m-%dT%H:%M", "%Y-%m-%dT%H:%M:%S"]

audit = typer.Typer(no_args_is_help=True)
db = typer.Typer(no_args_is_help=True)
users = typer.Typer(no_args_is_help=True)
work = typer.Typer(invoke_without_command=True)


@contextmanager
def open_command_store() -> Iterator[Store]:
    """Open the store of the settings for one command."""
    from app.logs import set_up_logging
    from app.settings import read_settings
    from app.store.engine import open_store

    settings = read_settings()
    set_up_logging("cli", level="WARNING", keys_dir=settings.keys_dir)
    with open_store(settings) as store:
        yield store


def command_actor() -> Actor:
    """Return this command line as an actor: the account of the system stands in the source."""
    return replace(service_actor("cli"), source=f"cli {getpass.getuser()}@{socket.gethostname()}")


@audit.command("export")
def export(  # noqa: PLR0917 - options
    out: Annotated[Path, typer.Option(help="File to write; one that ends with .zip holds its verifier too.")],
    format_: Annotated[
        Literal["csv", "jsonl", "dicom-xml", "fhir"],
        typer.Option("--format", help="csv, jsonl, dicom-xml or fhir."),
    ] = "csv",
    since: Annotated[datetime | None, typer.Option(formats=_TIMES, help="From this time on (UTC).")] = None,
    until: Annotated[datetime | None, typer.Option(formats=_TIMES, help="Before this time (UTC).")] = None,
    user: Annotated[str, typer.Option(help="Of this user.")] = "",
    patient: Annotated[str, typer.Option(help="About this PatientID.")] = "",
    study: Annotated[str, typer.Option(help="About this StudyInstanceUID.")] = "",
) -> None:
    """Export the audit log; the export itself is an event of it."""
    from app.services.audit import AuditFilter
    from app.services.audit_bundle import export_bundle, export_file

    chosen = AuditFilter(
        since=since.replace(tzinfo=UTC) if since else None,
        until=until.replace(tzinfo=UTC) if until else None,
        username=user or None,
        patient_id=patient or None,
        study_uid=study or None,
    )
    with open_command_store() as store:
        export_to = export_bundle if out.suffix == ".zip" else export_file
        done = export_to(
            store,
            command_actor(),
            chosen,
            format=format_,
            path=out,
            now=datetime.now(UTC),
            writer=_own_writer(format_),
        )
    typer.echo(f"{done.count} entries in {out}; head {done.head_seq} {done.head_digest}")


def _own_writer(format_: ExportFormat) -> ExportWriter | None:
    """Return the writer of a format that the workers know; None for the formats of the log itself."""
    from functools import partial

    from app.settings import read_settings
    from app.workers.audit_fhir_file import write_fhir_export
    from app.workers.audit_forms import AuditSource
    from app.workers.audit_xml_file import write_xml_export

    writers = {"dicom-xml": write_xml_export, "fhir": write_fhir_export}
    if format_ not in writers:
        return None
    settings = read_settings()
    return partial(writers[format_], source=AuditSource(settings.ae_title, settings.institution))


@audit.command("verify")
def verify(
    file: Annotated[Path | None, typer.Argument(help="An exported file; without it the log itself.")] = None,
    anchor: Annotated[
        list[Path] | None,
        typer.Option(help="Export or checkpoint that was kept elsewhere: the log must go on from it."),
    ] = None,
    tsa_ca: Annotated[
        Path | None, typer.Option(help="Authorities (PEM): the log's time stamps are verified, too.")
    ] = None,
) -> None:
    """Verify the log, or an exported file (needs no database); names the first bad entry."""
    from app.services.audit import verify_file, verify_log
    from app.services.audit_anchor import read_anchors
    from app.workers.audit_fhir_file import is_fhir_export, verify_fhir_file
    from app.workers.audit_xml_file import is_xml_export, verify_xml_file

    if file is not None:
        check = (
            verify_xml_file
            if is_xml_export(file)
            else verify_fhir_file
            if is_fhir_export(file)
            else verify_file
        )
        count, head = check(file)
        typer.echo(f"{file}: {count} entries verified, head {head}")
        return
    with open_command_store() as store:
        anchors = [kept for path in anchor or () for kept in read_anchors(path)]
        state = verify_log(store, command_actor(), now=datetime.now(UTC), anchors=anchors)
        if tsa_ca is not None:
            from app.workers.stamp_audit import read_authority, verify_stamps

            typer.echo(f"{verify_stamps(store, read_authority('', tsa_ca).roots)} time stamps verified")
    typer.echo(
        f"{state.count} entries verified, head {state.head}; {state.checkpoints} checkpoints and "
        f"{len(anchors)} anchors hold, {state.exposed} entries after the last checkpoint"
    )


@db.command("upgrade")
def upgrade() -> None:
    """Bring the database to this release."""
    from app.settings import read_settings
    from app.store.migrate import upgrade as migrate

    typer.echo(f"the database is at revision {migrate(read_settings())}")


@users.command("add")
def add(
    username: str,
    name: Annotated[str, typer.Option(help="Name as printed under reports.")],
    role: Annotated[Literal["viewer", "resident", "attending", "admin", "auditor"], typer.Option()],
    password_file: Annotated[Path | None, typer.Option(help="File whose first line is the password.")] = None,
) -> None:
    """Add an account; the password is asked for, or read from a file or from JANUS_MED_PASSWORD."""
    from app.domain.access import Role
    from app.services.accounts import add_user

    password = _read_password(password_file)
    with open_command_store() as store:
        user = add_user(
            store,
            command_actor(),
            username=username,
            printed_name=name,
            role=Role(role),
            password=password,
            now=datetime.now(UTC),
        )
    typer.echo(f"added {user.username} ({user.role.value})")


@users.command("list")
def list_accounts() -> None:
    """List the accounts."""
    from app.services.accounts import list_users

    with open_command_store() as store:
        for user in list_users(store, command_actor()):
            state = "  disabled" if user.disabled else ""
            typer.echo(f"{user.username:20} {user.role.value:10} {user.printed_name}{state}")


@work.callback()
def draft_studies(context: typer.Context) -> None:
    """Run the drafting worker, or one of the commands below."""
    if context.invoked_subcommand is not None:
        return
    from app.cli_start import settings_of
    from app.workers.draft import work as run_drafting

    run_drafting(settings_of("drafting"))


@work.command("dead")
def dead() -> None:
    """List work that was given up, with the reason."""
    from app.services.work import dead_letters

    with open_command_store() as store:
        letters = dead_letters(store, command_actor(), now=datetime.now(UTC))
    if not letters:
        typer.echo("no work was given up")
    for letter in letters:
        typer.echo(
            f"{letter.dead_letter_id:6}  {letter.died_at:%Y-%m-%d %H:%M}  {letter.task:14}  "
            f"{letter.attempts} attempts  {letter.study_uid}  {letter.reason}"
        )


@work.command("retry")
def retry(
    number: Annotated[int | None, typer.Argument(help="Number of the dead letter.")] = None,
    every: Annotated[bool, typer.Option("--all", help="Retry all of them.")] = False,
) -> None:
    """Put work that was given up into the queue again."""
    from app.services.work import dead_letters, retry_dead_letter

    if (number is None) != every:
        raise typer.BadParameter("name the number of a dead letter, or --all")
    now = datetime.now(UTC)
    with open_command_store() as store:
        chosen = (
            [number]
            if number is not None
            else [letter.dead_letter_id for letter in dead_letters(store, command_actor(), now=now)]
        )
        for each in chosen:
            letter = retry_dead_letter(store, command_actor(), each, now=now)
            typer.echo(f"{letter.task} of dead letter {each} is in the queue again")


@work.command("embed")
def embed() -> None:
    """Give drafts of before their embedding, so that the search for similar studies finds them."""
    from app.settings import read_settings
    from app.workers.fill_embeddings import fill_embeddings

    with open_command_store() as store:
        outcomes = [done for _, done in fill_embeddings(read_settings(), store)]
    typer.echo(f"{sum(outcomes)} drafts embedded, {len(outcomes) - sum(outcomes)} without readable images")


def _read_password(path: Path | None) -> str:
    if path is not None:
        password = path.read_text(encoding="utf-8").split("\n", 1)[0]
    elif PASSWORD in os.environ:
        password = os.environ[PASSWORD]
    elif sys.stdin.isatty():
        password = typer.prompt("Password", hide_input=True, confirmation_prompt=True)
    else:
        raise ConfigurationError(f"no password: use --password-file, {PASSWORD}, or a terminal")
    if not password:
        raise ConfigurationError("the password is empty")
    return password
