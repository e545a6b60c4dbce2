"""``janus-med model convert`` and ``janus-med model adopt``: model folders that others made."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer


def convert(
    source: Annotated[Path, typer.Argument(help="Folder in DeepSeek's original layout (multi_modality).")],
    out: Annotated[Path, typer.Argument(help="New folder in the Hugging Face format.")],
) -> None:
    """Convert DeepSeek's original layout (deepseek-ai/Janus-Pro, Janus-Pro-CXR) to the Hugging Face format.

    Every tensor is accounted for; values and types stay as they are. No code of the folder is run.
    """
    from janus_med.convert import convert_folder
    from janus_med.errors import ModelUnavailable

    try:
        done = convert_folder(source, out)
    except ModelUnavailable as error:
        typer.echo(str(error), err=True)
        raise typer.Exit(1) from error
    typer.echo(
        f"{out}: preset {done.preset}, {done.tensors} tensors from {done.sources}; left out: {done.left_out}"
    )


def adopt(
    base: Annotated[Path, typer.Argument(help="Hugging Face Janus folder; none of its bytes is changed.")],
    out: Annotated[Path, typer.Argument(help="Folder for adapters and manifest; may be the same.")],
    seed: Annotated[int, typer.Option(help="Of the unfitted adapters.")] = 0,
) -> None:
    """Put unfitted adapters and a manifest with all digests beside a plain Hugging Face Janus folder."""
    from janus_med.checkpoint import adopt_folder
    from janus_med.errors import ModelUnavailable

    try:
        manifest = adopt_folder(base, out, seed)
    except ModelUnavailable as error:
        typer.echo(str(error), err=True)
        raise typer.Exit(1) from error
    typer.echo(f"{out}: {manifest.id}, preset {manifest.preset}, weights {manifest.weights_sha256}")
    typer.echo("The adapters are not fitted: every finding is deferred to the reader until they are.")
