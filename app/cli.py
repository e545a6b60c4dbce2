"""The command `janus-med`. Each command imports what it needs, so that help is instant."""

from __future__ import annotations

import signal
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from app.cli_access import access
from app.cli_backup import register as register_backup
from app.cli_errors import run
from app.cli_hl7 import hl7
from app.cli_keys import keys, signatures
from app.cli_operations import register as register_operations
from app.cli_patients import patients
from app.cli_rules import rules
from app.cli_start import settings_of
from app.cli_store import audit, db, users, work
from app.workers.lifeline import hold_lifeline

if TYPE_CHECKING:
    from app.settings import Settings
    from app.ui.server import MoreRoutes

cli = typer.Typer(
    name="janus-med",
    help="From the PACS to a signed report: listener, draft, reading room, delivery, audit log.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)
cli.add_typer(access, name="access", help="Groups, restricted studies, emergency accesses.")
cli.add_typer(audit, name="audit", help="Export and verify the audit log.")
cli.add_typer(db, name="db", help="The database.")
cli.add_typer(keys, name="keys", help="The keys that seal signatures.")
cli.add_typer(signatures, name="signatures", help="Verify the signatures under reports.")
cli.add_typer(patients, name="patient", help="Export, hold or erase everything of one patient.")
cli.add_typer(rules, name="rules", help="Check the routing rules, and try them on a DICOM file.")
cli.add_typer(users, name="users", help="Local accounts.")
cli.add_typer(work, name="work", help="Run the drafting worker; see and retry work that was given up.")
_PASS_ON = {"allow_extra_args": True, "ignore_unknown_options": True, "help_option_names": []}


@cli.command()
def demo(
    headless: Annotated[bool, typer.Option("--headless", help="Walk the path without a person.")] = False,
    data_dir: Annotated[Path | None, typer.Option(help="Folder of the demo's data.")] = None,
    dicom_port: Annotated[int | None, typer.Option(help="Port of our listener.")] = None,
    ui_port: Annotated[int | None, typer.Option(help="Port of the web UI.")] = None,
    pacs_port: Annotated[int | None, typer.Option(help="Port of the archive that plays the PACS.")] = None,
) -> None:
    """Everything on this machine, with real studies sent over DICOM."""
    from app.demo import run_demo

    run_demo(
        headless=headless, data_dir=data_dir, dicom_port=dicom_port, ui_port=ui_port, pacs_port=pacs_port
    )


@cli.command()
def up() -> None:
    """Run database, listener, workers and reading room under one supervisor."""
    from app.workers.supervise import up as run_system

    run_system(settings_of("supervisor"))


@cli.command()
def listen() -> None:
    """Run the DICOM listener."""
    from app.workers.listen import listen as run_listener

    run_listener(settings_of("listener"))


@cli.command()
def deliver() -> None:
    """Run the delivery worker."""
    from app.workers.deliver import deliver as run_delivery

    run_delivery(settings_of("delivery"))


cli.command("hl7")(hl7)


@cli.command()
def ui() -> None:
    """Run the web UI."""
    from app.ui.server import serve

    # uvicorn stops, restores this handler and raises the signal once more: the store must still be closed
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    settings = settings_of("ui")
    serve(settings, _more_routes(settings))


def _more_routes(settings: Settings) -> MoreRoutes | None:
    """Return what makes the routes that the settings ask for: without them the reading room knows no formats.

    Raises
    ------
    ConfigurationError
        If the certificate for documents cannot be used.
    """
    makers: list[MoreRoutes] = []
    if settings.dicomweb:
        from app.dicomweb.routes import dicomweb_routes

        makers.append(dicomweb_routes)
    if settings.document_signature is not None:
        from app.documents import document_routes

        makers.append(document_routes(settings.document_signature))
    return (lambda room: [route for make in makers for route in make(room)]) if makers else None


@cli.command(context_settings=_PASS_ON, add_help_option=False)
def draft(context: typer.Context) -> None:
    """Draft reports for DICOM files, without server or database (`draft --help` for its options)."""
    from app.logs import set_up_logging
    from janus_med.cli import main as draft_files

    set_up_logging("draft", level="ERROR")
    raise typer.Exit(draft_files(context.args))


@cli.command(context_settings=_PASS_ON, add_help_option=False)
def model(context: typer.Context) -> None:
    """Look at models and train them (`model --help` for its commands)."""
    from app.logs import set_up_logging
    from janus_med.training.cli import model_app

    set_up_logging("model", level="ERROR")
    model_app(args=context.args, prog_name="janus-med model")


@cli.command()
def send(
    paths: Annotated[list[Path], typer.Argument(help="Files, or folders of files.")],
    to: Annotated[str, typer.Option(help="AE@HOST:PORT of the receiver.")],
    calling: Annotated[str, typer.Option("--from", help="AE title that sends.")] = "JANUSMED",
) -> None:
    """Send DICOM files to a receiver."""
    from app.send import send_files

    raise typer.Exit(send_files(paths, to=to, calling=calling))


register_operations(cli)
register_backup(cli)


def main() -> None:
    """Run the command line."""
    hold_lifeline()
    sys.exit(run(lambda: cli(prog_name="janus-med")))


if __name__ == "__main__":
    main()
