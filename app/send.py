"""`janus-med send`: files to a DICOM receiver, with progress and a clear end."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import typer

from app.domain.errors import ConfigurationError, Rejected

BATCH = 100


def send_files(paths: Sequence[Path], *, to: str, calling: str) -> int:
    """Send files, and the files of folders; return the exit status.

    Raises
    ------
    ConfigurationError
        If `to` is not AE@HOST:PORT.
    Rejected
        If there is nothing to send.
    pacs_bridge.errors.BridgeError
        What the receiver said; what was sent before stays there.
    """
    from pacs_bridge.destination import Destination
    from pacs_bridge.store_scu import send_instances

    try:
        destination = Destination.parse(to)
    except ValueError as error:
        raise ConfigurationError(f"--to: {error}") from None
    files = list(_files(paths))
    if not files:
        raise Rejected("there is no DICOM file to send")
    sent = 0
    for start in range(0, len(files), BATCH):
        sent += len(send_instances(files[start : start + BATCH], destination, calling_ae=calling))
        typer.echo(f"{sent} of {len(files)} stored at {destination}")
    return 0


def _files(paths: Sequence[Path]) -> list[Path]:
    found: list[Path] = []
    for path in paths:
        if path.is_dir():
            found += sorted(file for file in path.rglob("*") if file.is_file() and is_dicom(file))
        elif not path.exists():
            raise Rejected(f"there is no file {path}")
        elif not is_dicom(path):
            raise Rejected(f"{path} is not a DICOM file (no DICM after the preamble, PS3.10 7.1)")
        else:
            found.append(path)
    return found


def is_dicom(path: Path) -> bool:
    """Tell whether a file begins as PS3.10 says."""
    with path.open("rb") as file:
        return file.read(132)[128:] == b"DICM"
