"""The command `janus-med draft`: files in, drafts as JSON and overlays out, without server or database.

Imports what it needs inside its functions: ``--help`` loads neither torch nor pydicom.
"""

from __future__ import annotations

import importlib.util
import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from collections.abc import Sequence

    from rich.console import Console

    from janus_med.decoding import Decoder
    from janus_med.draft import Draft
    from janus_med.reading import Reader
    from janus_med.study import Study

draft_app = typer.Typer(add_completion=False, pretty_exceptions_enable=False)


@draft_app.command()
def draft(
    paths: Annotated[list[Path], typer.Argument(help="DICOM files, or folders that are searched downwards.")],
    model: Annotated[Path | None, typer.Option(help="Model folder; without it the bundled one.")] = None,
    json_out: Annotated[
        Path | None, typer.Option("--json", help="Write the drafts to this file (- for standard output).")
    ] = None,
    overlays: Annotated[
        Path | None, typer.Option(help="Write one picture a finding into this folder.")
    ] = None,
    device: Annotated[str, typer.Option(help="auto, cpu or cuda.")] = "auto",
    seed: Annotated[int, typer.Option(help="Reproduces the text.")] = 0,
) -> None:
    """Draft a report for each study in files and folders.

    Exit status 0: every study was handled, drafted or not. 1: the model is missing, or an input is
    unreadable; it is named, and the others are still handled.
    """
    from rich.console import Console

    from janus_med.errors import Fatal

    notes = Console(stderr=True)
    try:
        drafts, problems = _draft_all(paths, model, device, seed, overlays)
    except Fatal as error:
        notes.print(f"[bold red]error[/] {_plain(error)}", soft_wrap=True)
        raise typer.Exit(1) from error
    text = json.dumps({"studies": [one.to_json() for one in drafts]}, indent=2, allow_nan=False)
    if json_out is not None and str(json_out) != "-":
        json_out.parent.mkdir(parents=True, exist_ok=True)
        json_out.write_text(text + "\n")
    if json_out is not None and str(json_out) == "-":
        sys.stdout.write(text + "\n")
    else:
        _print_table(Console(), drafts)
    for problem in problems:
        notes.print(f"[bold red]unreadable[/] {_plain(problem)}", soft_wrap=True)
    raise typer.Exit(1 if problems else 0)


def main(args: Sequence[str] | None = None) -> int:
    """Run `janus-med draft` with its arguments; the exit status."""
    try:
        draft_app(args=None if args is None else list(args), prog_name="janus-med draft")
    except SystemExit as ended:
        return ended.code if isinstance(ended.code, int) else 1
    return 0


def build_cli() -> typer.Typer:
    """The commands of this package alone: ``draft``, and ``model`` where training is installed."""
    cli = typer.Typer(add_completion=False, no_args_is_help=True, pretty_exceptions_enable=False)
    cli.command(name="draft")(draft)
    if importlib.util.find_spec("janus_med.training.cli") is not None:
        from janus_med.training.cli import model_app

        cli.add_typer(model_app, name="model", help="Look at models and train them.")
    return cli


def _draft_all(
    paths: Sequence[Path], folder: Path | None, device: str, seed: int, overlays: Path | None
) -> tuple[list[Draft], list[str]]:
    from janus_med.decoding import Decoder
    from janus_med.dicom_input import read_studies
    from janus_med.drafting import draft_study
    from janus_med.engine import JanusMed

    intake = read_studies(paths)
    problems = [str(failure) for failure in intake.failures]
    drafts: list[Draft] = []
    if not intake.studies:
        return drafts, problems or ["no DICOM image was found in the input"]
    model: Reader = JanusMed.load(folder, device)
    with Decoder() as decoder:
        for study in intake.studies:
            made = draft_study(study, model, decoder=decoder, seed=seed)
            drafts.append(made)
            problems += made.unreadable
            if overlays is not None and made.status == "drafted":
                _write_overlays(made, study, decoder, overlays)
    return drafts, problems


def _write_overlays(draft: Draft, study: Study, decoder: Decoder, folder: Path) -> None:
    from janus_med.dicom_input import load_image
    from janus_med.render import write_overlays

    used = [one for one in study.instances if one.sop_instance_uid in draft.input_sop_instance_uids]
    write_overlays(draft, {one.sop_instance_uid: load_image(one, decoder) for one in used}, folder)


def _print_table(console: Console, drafts: Sequence[Draft]) -> None:
    from rich.table import Table

    table = Table("study", "status", "draft, or why there is none", "issues", expand=False)
    for draft in drafts:
        present = ", ".join(one.name for one in draft.findings if one.decision == "present")
        impression = draft.section("impression") or draft.section("findings")
        said = _plain(
            f"{impression}\n[{present or 'nothing'} present]" if draft.status == "drafted" else draft.reason
        )
        worst = [issue.severity for issue in draft.issues if issue.severity != "info"]
        colour = "green" if draft.status == "drafted" else "yellow"
        table.add_row(draft.study_uid, f"[{colour}]{draft.status}[/]", said, str(len(worst)))
    console.print(table)


def _plain(text: object) -> str:
    from rich.markup import escape

    return escape(str(text))
