"""C-STORE ingest: our listener, Orthanc and DCMTK's storescp, side by side in one run.

    python -m bench.ingest [--rounds 7] [--associations 1 4 8 16] [--json FILE] [--markdown FILE]

Sender is DCMTK's storescu, one process for each association. Every cell is measured twice: with everybody's
default sockets, and with TCP_NODELAY=1 at both ends, because Nagle's algorithm and delayed acknowledgement
alone change the rates manyfold. Ours is `janus-med listen` as it runs in a hospital, spool with fsync and
intake into PostgreSQL included; Orthanc syncs its files and writes its index; storescp syncs nothing. Each
round starts every receiver anew in an empty folder, in another order. Medians count; ranges stand beside.
What was received is emptied and deleted at the end only: ext4 gives the inodes of deleted files free after
minutes, and until then looks past each of them whenever a file is made.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import random
import statistics
import subprocess
import tempfile
import time
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from pathlib import Path

from bench.ingest_instances import CT, DX, Kind, SetMaker
from bench.ingest_receivers import AE_TITLE, Receiver, run

MEASURES = ("L2",)
STORESCU = Path("/usr/bin/storescu")
RECEIVERS = ("ours", "orthanc", "orthanc tuned", "storescp")
SOCKETS = ("default", "nodelay")


@dataclass(frozen=True)
class Sample:
    """One measurement."""

    receiver: str
    sockets: str
    kind: str
    associations: int
    round: int
    per_second: float
    cpu_seconds: float
    peak_megabytes: float
    load: float


def main() -> None:
    """Measure and print the tables."""
    options = _parse()
    samples = measure(options)
    if options.json:
        options.json.write_text(json.dumps([asdict(sample) for sample in samples], indent=1))
    text = render(samples)
    print(text)
    if options.markdown:
        options.markdown.write_text(text + "\n")


def measure(options: argparse.Namespace) -> list[Sample]:
    """Run every round of every receiver."""
    order, samples = random.Random(options.seed), []
    runs = [(name, sockets) for name in options.receivers for sockets in options.sockets]
    with tempfile.TemporaryDirectory(prefix="janus-med-ingest-", dir=options.folder) as base:
        os.chmod(base, 0o755)
        sets = Path(base, "sets")
        cells = _write_sets(options, sets)
        for number in range(options.rounds):
            order.shuffle(runs)
            for name, sockets in runs:
                folder = Path(base, f"receiver{number}-{name.replace(' ', '-')}-{sockets}")
                with run(
                    name, folder, no_delay=sockets == "nodelay", processes=options.processes
                ) as receiver:
                    samples += [_sample(receiver, name, sockets, cell, number) for cell in cells]
                stop_database(folder)
                empty(folder)
            print(f"round {number + 1} of {options.rounds} done, load {os.getloadavg()[0]:.1f}", flush=True)
    return samples


@dataclass(frozen=True)
class Cell:
    """One set of files for one number of associations."""

    kind: Kind
    folders: list[Path]


def _write_sets(options: argparse.Namespace, folder: Path) -> list[Cell]:
    maker = SetMaker()
    kinds = [kind for kind in (CT, DX) if kind.modality in options.kinds]
    return [
        Cell(kind, maker.write(kind, folder / f"{kind.modality}{count}", count))
        for kind in kinds
        for count in options.associations
    ]


def _sample(receiver: Receiver, name: str, sockets: str, cell: Cell, number: int) -> Sample:
    cpu, began = receiver.cpu_seconds(), time.perf_counter()
    send(receiver.port, cell.folders, no_delay=sockets == "nodelay")
    seconds = time.perf_counter() - began
    return Sample(
        receiver=name,
        sockets=sockets,
        kind=cell.kind.name,
        associations=len(cell.folders),
        round=number,
        per_second=cell.kind.count / seconds,
        cpu_seconds=receiver.cpu_seconds() - cpu,
        peak_megabytes=receiver.peak_megabytes(),
        load=os.getloadavg()[0],
    )


def send(port: int, folders: Iterable[Path], *, no_delay: bool) -> None:
    """Send each folder over an association of its own, all at the same time."""
    environment = {key: value for key, value in os.environ.items() if key != "TCP_NODELAY"}
    if no_delay:
        environment["TCP_NODELAY"] = "1"
    command = [STORESCU, "--max-send-pdu", "131072", "-aet", "SENDER", "-aec", AE_TITLE, "+sd"]
    senders = [
        subprocess.Popen(
            [*command, "127.0.0.1", str(port), str(folder)],
            env=environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
        )
        for folder in folders
    ]
    for sender in senders:
        output, _ = sender.communicate(timeout=600)
        if sender.returncode != 0 or b"Failed" in output:
            shown = output[-1000:].decode(errors="replace")
            raise SystemExit(f"storescu failed ({sender.returncode}): {shown}")


def render(samples: list[Sample]) -> str:
    """Return the tables in Markdown."""
    lines = [_machine(samples)]
    receivers = list(dict.fromkeys(sample.receiver for sample in samples))
    for sockets in dict.fromkeys(sample.sockets for sample in samples):
        title = "TCP_NODELAY=1 at both ends" if sockets == "nodelay" else "everybody's default sockets"
        lines += ["", f"Instances per second, {title}; median (least to most):", ""]
        lines.append(
            "| images | associations | " + " | ".join(receivers) + " | ours / Orthanc | ours / storescp |"
        )
        lines.append("|---" * (len(receivers) + 4) + "|")
        cells = dict.fromkeys((s.kind, s.associations) for s in samples if s.sockets == sockets)
        for kind, associations in cells:
            chosen = [
                s for s in samples if (s.sockets, s.kind, s.associations) == (sockets, kind, associations)
            ]
            lines.append(_row(kind, associations, receivers, chosen))
    lines += [
        "",
        "CPU seconds of the receiver per 100 MB, and its peak memory in MB, medians over all cells:",
        "",
    ]
    lines += ["| receiver | " + " | ".join(receivers) + " |", "|---" * (len(receivers) + 1) + "|"]
    lines.append("| CPU s / 100 MB | " + " | ".join(f"{_cpu(samples, r):.2f}" for r in receivers) + " |")
    lines.append("| peak MB | " + " | ".join(f"{_peak(samples, r):.0f}" for r in receivers) + " |")
    return "\n".join(lines)


def _row(kind: str, associations: int, receivers: list[str], samples: list[Sample]) -> str:
    rates = {name: [s.per_second for s in samples if s.receiver == name] for name in receivers}
    medians = {name: statistics.median(values) for name, values in rates.items() if values}
    shown = [
        f"{medians[name]:.0f} ({min(values):.0f}-{max(values):.0f})" if values else ""
        for name, values in rates.items()
    ]
    best_orthanc = max((medians[n] for n in medians if n.startswith("orthanc")), default=0.0)
    ratios = [_ratio(medians.get("ours"), best_orthanc), _ratio(medians.get("ours"), medians.get("storescp"))]
    return f"| {kind} | {associations} | " + " | ".join([*shown, *ratios]) + " |"


def _ratio(ours: float | None, other: float | None) -> str:
    return f"{ours / other:.2f}" if ours and other else ""


def _cpu(samples: list[Sample], receiver: str) -> float:
    size = {kind.name: kind.count * kind.megabytes for kind in (CT, DX)}
    return statistics.median(100 * s.cpu_seconds / size[s.kind] for s in samples if s.receiver == receiver)


def _peak(samples: list[Sample], receiver: str) -> float:
    return max(s.peak_megabytes for s in samples if s.receiver == receiver)


def _machine(samples: list[Sample]) -> str:
    rounds = len({sample.round for sample in samples})
    loads = statistics.median(sample.load for sample in samples)
    commit = subprocess.run(
        ["git", "rev-parse", "--short", "HEAD"], capture_output=True, text=True, check=False
    )
    return (
        f"{time.strftime('%Y-%m-%d')}, commit {commit.stdout.strip()}, {platform.machine()}, "
        f"{os.cpu_count()} cores, Python {platform.python_version()}, {rounds} rounds, "
        f"median load {loads:.1f} (senders and receivers included); "
        "ours / Orthanc is against the faster of its two configurations."
    )


def empty(folder: Path) -> None:
    """Give back the space of every file."""
    for file in folder.rglob("*"):
        if file.is_file() and not file.is_symlink():
            os.truncate(file, 0)


def stop_database(folder: Path) -> None:
    """Stop the embedded PostgreSQL that our listener has left running in the folder."""
    if not (folder / "database").is_dir():
        return
    from app.settings import Settings
    from app.store.embedded import EmbeddedPostgres

    EmbeddedPostgres(Settings(data_dir=folder)).stop()


def _parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--associations", type=int, nargs="+", default=[1, 4, 8, 16])
    parser.add_argument("--kinds", nargs="+", default=["CT", "DX"], choices=["CT", "DX"])
    parser.add_argument("--receivers", nargs="+", default=list(RECEIVERS), choices=RECEIVERS)
    parser.add_argument("--sockets", nargs="+", default=list(SOCKETS), choices=SOCKETS)
    parser.add_argument("--processes", type=int, default=0, help="of our listener; 0 for its default")
    parser.add_argument(
        "--folder", type=Path, default=None, help="where receivers store; default the system's"
    )
    parser.add_argument("--seed", type=int, default=7)
    parser.add_argument("--json", type=Path)
    parser.add_argument("--markdown", type=Path)
    return parser.parse_args()


if __name__ == "__main__":
    main()
