"""Commands that back everything up, and restore it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from app.cli_store import command_actor, open_command_store

if TYPE_CHECKING:
    from app.settings import Settings


def register(cli: typer.Typer) -> None:
    """Add the commands to the command line."""
    cli.command()(backup)
    cli.command()(restore)


def backup(
    out: Annotated[Path, typer.Option(help="New folder for the backup.")],
    with_keys: Annotated[bool, typer.Option("--with-keys", help="The keys too: guard it like them.")] = False,
    link: Annotated[bool, typer.Option("--link", help="Hard links to the images instead of copies.")] = False,
) -> None:
    """Back up database and images while everything runs; the keys only when asked for."""
    from app.services.backup import note_backup
    from app.settings import read_settings
    from app.workers.backup import back_up

    settings, now = read_settings(), datetime.now(UTC)
    with open_command_store() as store, owner_of(settings) as owner:
        head = note_backup(store, command_actor(), with_keys=with_keys, now=now)
        made = back_up(settings, owner, head, out, with_keys=with_keys, link=link, now=now)
    typer.echo(
        f"{out}: database, {made.instances} images ({made.bytes / 1e6:.1f} MB), audit log to {head[0]}"
    )
    if with_keys:
        typer.echo("It holds the keys: whoever has it can sign as this installation.")
    else:
        typer.echo(
            f"It does not hold the keys ({settings.keys_dir}): keep them elsewhere, nothing works without."
        )


def restore(
    source: Annotated[Path, typer.Option("--from", help="Folder of the backup.")],
) -> None:
    """Restore a backup into an empty data folder (and an empty database), and verify it."""
    from app.services.backup import note_restored
    from app.services.signatures import verify_signatures
    from app.settings import read_settings
    from app.store.migrate import upgrade_database
    from app.workers.restore import restore_files, restore_rows

    settings, now = read_settings(), datetime.now(UTC)
    manifest = restore_files(settings, source)
    with owner_of(settings) as owner:
        restore_rows(owner, source)
        upgrade_database(owner)
        with open_command_store() as store:
            head = (manifest.audit_seq, manifest.audit_digest)
            count = note_restored(store, command_actor(), head, now=now)
            check = verify_signatures(store, command_actor(), now=now)
    typer.echo(f"restored: {manifest.instances} images, {count} audit entries verified")
    typer.echo(
        f"{check.count - len(check.problems)} of {check.count} signatures stand; start the listener next"
    )


@contextmanager
def owner_of(settings: Settings) -> Iterator[str]:
    """Reach the database as the owner of its tables, and keep an embedded server running meanwhile."""
    from app.store.connection import endpoints_of
    from app.store.embedded import EmbeddedPostgres

    if settings.database_url:
        yield endpoints_of(settings.database_url).owner
        return
    embedded = EmbeddedPostgres(settings)
    try:
        yield embedded.attach().owner
    finally:
        embedded.detach()
