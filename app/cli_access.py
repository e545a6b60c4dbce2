"""Commands on study access: groups, members, restricted studies, emergency accesses."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Annotated

import typer

from app.cli_store import command_actor, open_command_store

access = typer.Typer(no_args_is_help=True)
_Reason = Annotated[str, typer.Option(help="Why; without patient data.")]
_Study = Annotated[str, typer.Argument(help="Accession number or StudyInstanceUID.")]


@access.command("groups")
def list_all() -> None:
    """List groups, their members, and how many studies they guard."""
    from app.services.study_groups import list_groups

    with open_command_store() as store:
        for group in list_groups(store, command_actor(), now=datetime.now(UTC)):
            members = ", ".join(group.members) or "nobody"
            typer.echo(f"{group.name:24} {group.studies:6} studies  {members}")


@access.command("add-group")
def add(name: str) -> None:
    """Add a group."""
    from app.services.study_groups import add_group

    with open_command_store() as store:
        typer.echo(f"added {add_group(store, command_actor(), name, now=datetime.now(UTC))}")


@access.command("remove-group")
def remove(name: str) -> None:
    """Remove a group that guards no study."""
    from app.services.study_groups import remove_group

    with open_command_store() as store:
        remove_group(store, command_actor(), name, now=datetime.now(UTC))
    typer.echo("removed")


@access.command("member")
def member(
    group: str,
    username: str,
    out: Annotated[bool, typer.Option("--out", help="Take the account out.")] = False,
) -> None:
    """Put an account into a group, or take it out."""
    from app.services.study_groups import change_member

    with open_command_store() as store:
        changed = change_member(
            store, command_actor(), group, username, is_member=not out, now=datetime.now(UTC)
        )
    typer.echo("changed" if changed else "it stands so already")


@access.command("restrict")
def restrict(
    study: _Study,
    reason: _Reason,
    group: Annotated[list[str], typer.Option(help="A group whose members may open it; again for more.")],
) -> None:
    """Restrict a study to groups."""
    _decide(study, group, reason)
    typer.echo(f"restricted to {', '.join(group)}")


@access.command("lift")
def lift(study: _Study, reason: _Reason) -> None:
    """Open a restricted study to every reader."""
    _decide(study, [], reason)
    typer.echo("open to every reader")


@access.command("emergencies")
def emergencies() -> None:
    """List the last emergency accesses with their reasons."""
    from app.services.emergency import list_emergencies

    with open_command_store() as store:
        for one in list_emergencies(store, command_actor(), now=datetime.now(UTC)):
            typer.echo(
                f"{one.emergency_id:6}  {one.started_at:%Y-%m-%d %H:%M}  {one.state.value.lower():8}  "
                f"{one.username:20}  {one.study_uid}  {one.reason}"
            )


@access.command("revoke")
def revoke(number: int) -> None:
    """Take an emergency access away."""
    from app.services.emergency import revoke_emergency

    with open_command_store() as store:
        revoke_emergency(store, command_actor(), number, now=datetime.now(UTC))
    typer.echo("revoked")


def _decide(study: str, groups: list[str], reason: str) -> None:
    from app.services.study_groups import name_study, restrict_study

    now = datetime.now(UTC)
    with open_command_store() as store:
        uid = name_study(store, command_actor(), study, now=now)
        restrict_study(store, command_actor(), uid, groups, reason, now=now)
