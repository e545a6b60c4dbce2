"""Commands on one patient's data: export, hold, erase."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

import typer

from app.cli_store import command_actor, open_command_store
from app.domain.patient_data import PatientKey

patients = typer.Typer(no_args_is_help=True)
_Patient = Annotated[str, typer.Argument(help="PatientID.")]
_Issuer = Annotated[str, typer.Option(help="Issuer of the PatientID, as the images name it; often empty.")]
_Reason = Annotated[str, typer.Option(help="Why; stays on record, without patient data.")]


@patients.command("export")
def export(
    patient_id: _Patient,
    out: Annotated[Path, typer.Option(help="ZIP file to write; private, not encrypted.")],
    issuer: _Issuer = "",
) -> None:
    """Write everything of one patient into a ZIP file; the export itself is an event of the audit log."""
    from app.settings import read_settings
    from app.workers.patient_archive import write_patient_archive

    with open_command_store() as store:
        archive = write_patient_archive(
            store,
            read_settings(),
            command_actor(),
            PatientKey(patient_id, issuer),
            out,
            now=datetime.now(UTC),
        )
    rows, files = sum(archive.counts.values()), len(archive.digests) - len(archive.counts)
    typer.echo(
        f"{rows} rows and {files} DICOM files in {out}; {len(archive.missing)} images are not here any more"
    )


@patients.command("hold")
def hold(patient_id: _Patient, reason: _Reason, issuer: _Issuer = "") -> None:
    """Keep everything of a patient: nothing is purged, erasure is refused."""
    from app.services.erasure import hold_patient

    with open_command_store() as store:
        hold_patient(store, command_actor(), PatientKey(patient_id, issuer), reason, now=datetime.now(UTC))
    typer.echo("held")


@patients.command("release")
def release(patient_id: _Patient, issuer: _Issuer = "") -> None:
    """End a hold on a patient."""
    from app.services.erasure import end_patient_hold

    with open_command_store() as store:
        end_patient_hold(store, command_actor(), PatientKey(patient_id, issuer), now=datetime.now(UTC))
    typer.echo("not held any more")


@patients.command("holds")
def holds() -> None:
    """List the patients that are held."""
    from app.services.erasure import list_patient_holds

    with open_command_store() as store:
        for held in list_patient_holds(store, command_actor(), now=datetime.now(UTC)):
            name = f"{held.patient.patient_id} ({held.patient.issuer or 'no issuer'})"
            typer.echo(f"{name:32} since {held.held_at:%Y-%m-%d} by {held.username}: {held.reason}")


@patients.command("erase")
def erase(
    patient_id: _Patient,
    reason: _Reason,
    issuer: _Issuer = "",
    confirm: Annotated[bool, typer.Option("--confirm", help="Do it; without this it is shown only.")] = False,
) -> None:
    """Erase everything of one patient for good; without --confirm it shows what would go."""
    from app.services.erasure import preview_erasure
    from app.settings import read_settings
    from app.workers.erase import erase_everywhere

    patient, now = PatientKey(patient_id, issuer), datetime.now(UTC)
    with open_command_store() as store:
        if not confirm:
            identifiers, studies = preview_erasure(store, command_actor(), patient, now=now)
            signed = sum(study.is_signed for study in studies)
            images = sum(study.instances for study in studies)
            typer.echo(
                f"would erase {len(identifiers)} identifiers, {len(studies)} studies ({signed} of them "
                f"signed) and {images} images; nothing was erased: --confirm does it"
            )
            return
        erasure, gone = erase_everywhere(store, read_settings(), command_actor(), patient, reason, now=now)
    typer.echo(
        f"erasure {erasure.erasure_id}: {erasure.studies} studies, {gone.removed} images, "
        f"{gone.quarantined} instances in quarantine; {gone.waiting} images wait for housekeeping"
    )
    typer.echo("Backups, and what was delivered or exported, still hold the patient (docs/operations.md).")
