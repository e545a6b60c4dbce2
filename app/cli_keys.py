"""Commands of the keys that seal, and of what they sealed."""

from __future__ import annotations

from datetime import UTC, datetime
from enum import StrEnum
from typing import Annotated

import typer

from app.cli_store import command_actor, open_command_store

keys = typer.Typer(no_args_is_help=True)
signatures = typer.Typer(no_args_is_help=True)


class KeyName(StrEnum):
    """A key that seals."""

    ATTESTATION = "attestation"


@keys.command("public")
def public(
    name: Annotated[KeyName, typer.Argument(help="Which key.")] = KeyName.ATTESTATION,
) -> None:
    """Print the public half of a key with its id: give it to whoever has to verify, and publish the id."""
    from app.settings import read_settings
    from app.store.keys import read_keys
    from app.store.signing_keys import public_pem

    settings = read_settings()
    key = read_keys(settings.keys_dir, settings.signing_token).attestation
    retired = len(key.trusted) - 1
    typer.echo(f"key {key.key_id} ({name.value}); {retired} retired ones are trusted beside it", err=True)
    typer.echo(public_pem(key.signer.public_key), nl=False)


@keys.command("rotate")
def rotate(
    name: Annotated[KeyName, typer.Argument(help="Which key.")] = KeyName.ATTESTATION,
) -> None:
    """Make a new key; the old one stays trusted, and cannot seal any more. Stop the processes before."""
    from app.domain.errors import ConfigurationError
    from app.services.signatures import note_rotation
    from app.settings import read_settings
    from app.store.keys import key_file, rotate_key

    settings = read_settings()
    if settings.signing_token is not None:
        raise ConfigurationError("the key lies on a token: make a new one there (docs/operations.md)")
    with open_command_store() as store:
        old, new = rotate_key(settings.keys_dir, key_file(name.value))
        note_rotation(store, command_actor(), name.value, old, new, now=datetime.now(UTC))
    typer.echo(f"{name.value}: key {new} seals from now on, {old} is retired. Start the processes again.")


@signatures.command("verify")
def verify() -> None:
    """Verify every signature in the database; names those that do not hold and ends with status 1."""
    from app.services.signatures import verify_signatures

    with open_command_store() as store:
        check = verify_signatures(store, command_actor(), now=datetime.now(UTC))
    for number, problem in check.problems:
        typer.echo(f"signature {number} does not verify: {problem}", err=True)
    intact = check.count - len(check.problems) - check.erased
    erased = f"; the text of {check.erased} was erased with its patient" if check.erased else ""
    typer.echo(f"{intact} of {check.count} signatures verified{erased}")
    if check.problems:
        raise typer.Exit(1)
