"""Commands on the routing rules: check a file, and see what it decides for a study.

::

    0    checked, or decided
    1    the rules or the DICOM file cannot be read, or a rule could not be evaluated
    2    usage
"""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from app.domain.rules import RuleSet, Ruling, Verdict
    from app.settings import Settings

rules = typer.Typer(no_args_is_help=True)
_File = Annotated[Path | None, typer.Option("--rules", help="Rules to use instead of those of the settings.")]


@rules.command("check")
def check_file(file: _File = None) -> None:
    """Check the rules; every mistake is told with its rule, line and column."""
    from app.settings import read_settings

    settings = read_settings()
    found = _read(settings, file)
    typer.echo(f"{file or settings.rules_path}: {len(found.rules)} rules, {found.sha256[:12]}, in order")


@rules.command("test")
def try_file(
    path: Annotated[Path, typer.Argument(metavar="FILE", help="A DICOM file: the study's first image.")],
    file: _File = None,
    calling: Annotated[str, typer.Option(help="AE title that sends.")] = "",
    called: Annotated[str, typer.Option(help="AE title of ours; the settings' one when empty.")] = "",
) -> None:
    """Show for a DICOM file which rule fires and why, and what they decide; shows the values they read."""
    from app.domain.errors import Rejected
    from app.domain.rules import StudyFacts, decide
    from app.header_file import read_file_values
    from app.settings import read_settings

    settings = read_settings()
    found = _read(settings, file)
    header = read_file_values(path, found.keywords | {"Modality"})
    if header.problem:
        raise Rejected(f"{path}: {header.problem}")
    facts = StudyFacts(
        calling_ae=calling,
        called_ae=called or settings.ae_title,
        received_at=datetime.now(UTC),
        modalities=(str(header.values["Modality"]),),
    )
    ruling = decide(found, facts, header)
    _show(ruling)
    raise typer.Exit(1 if ruling.routing.failed else 0)


def _read(settings: Settings, file: Path | None) -> RuleSet:
    from app.domain.errors import RulesBroken
    from app.domain.rules_toml import read_rules
    from app.services.rules_file import read_file

    path = file or settings.rules_path
    if not path.is_file():
        raise RulesBroken(f"there is no file {path}")
    return read_rules(read_file(path), targets=settings.rule_targets)


def _show(ruling: Ruling) -> None:
    from app.services.rule_text import decision_lines, verdict_lines

    for verdict in ruling.verdicts:
        _show_verdict(verdict, verdict_lines(verdict))
    typer.echo("decision")
    for line in decision_lines(ruling.routing):
        typer.echo(f"    {line}")


def _show_verdict(verdict: Verdict, lines: tuple[str, ...]) -> None:
    typer.echo(f"{verdict.rule.name}: {verdict.answer.value}")
    for line in lines:
        typer.echo(f"    {line}")
