"""The checks before a signature: what they find, what they find in vain, how long they take.

`python -m bench.checks [--reports FILE] [--rounds N]`. The file is a table of real reports with the
columns `findings`, `impression` and `mesh_major`; it is read where it lies. Without it only generated reports
are measured.
"""

from __future__ import annotations

import argparse
import csv
import statistics
import tempfile
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from app.domain.checks import CheckCode, Severity, Subject
from app.domain.checks_report import check_passages
from app.domain.statements import Passage, Polarity, Side, read_mentions, side_of, split_sentences
from app.services.checks import check_open_report
from app.services.reading import open_study
from tests.e2e.reading_room import open_house
from tests.ui import seed
from tests.unit.checks.faults import TODAY, clean_reports, planted_faults

# a word that was taken out of a report must not look like a field that was left open
_TAKEN_OUT = "XXXX"
_ABOUT = Subject(today=TODAY, part="CHEST", priors_known=1)
# whether somebody was told of a critical finding is not in the reports
_BESIDE = CheckCode.CRITICAL_NOT_TOLD


@dataclass(frozen=True)
class Real:
    """One real report; `normal` as its indexers say."""

    findings: str
    impression: str
    normal: bool

    @property
    def passages(self) -> tuple[Passage, ...]:
        """Findings and impression."""
        return (Passage("findings", "f", self.findings), Passage("impression", "i", self.impression))


def main() -> None:
    """Print the tables."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--reports", type=Path, default=Path("../shared/data/iu_xray_text/reports.csv"))
    parser.add_argument("--rounds", type=int, default=200)
    options = parser.parse_args()
    print_generated()
    if options.reports.is_file():
        real = read_reports(options.reports)
        print_alarms(real)
        print_planted(real)
        print_milliseconds([report.passages for report in real])
    print_signing(options.rounds)


def print_generated() -> None:
    """Print how many planted faults are named, by check and language, and what clean reports raise."""
    clean = list(clean_reports())
    alarms = sum(bool(check_passages(r.passages, r.subject)) for r in clean)
    print(f"generated: {len(clean)} clean reports, {alarms} with an alarm")
    tried: Counter[tuple[str, str]] = Counter()
    named: Counter[tuple[str, str]] = Counter()
    for planted in planted_faults():
        report = planted.report
        where = (planted.code.value, report.language)
        tried[where] += 1
        named[where] += planted.code in {c.code for c in check_passages(report.passages, report.subject)}
    print(f"{sum(tried.values())} planted faults, {sum(named.values())} named")
    for where in sorted(tried):
        print(f"| {where[0]} | {where[1]} | {named[where]} of {tried[where]} |")


def read_reports(path: Path) -> list[Real]:
    """Return the reports that have both sections."""
    with path.open(encoding="utf-8", newline="") as lines:
        rows = [row for row in csv.DictReader(lines) if row["findings"].strip() and row["impression"].strip()]
    return [
        Real(
            row["findings"].replace(_TAKEN_OUT, "it"),
            row["impression"].replace(_TAKEN_OUT, "it"),
            row["mesh_major"].strip() == "normal",
        )
        for row in rows
    ]


def print_alarms(real: Sequence[Real]) -> None:
    """Print what the checks say of reports as they were signed."""
    for name, reports in (
        ("all", list(real)),
        ("normal", [r for r in real if r.normal]),
        ("abnormal", [r for r in real if not r.normal]),
    ):
        found = [check_passages(report.passages, _ABOUT) for report in reports]
        codes = Counter(check.code for checks in found for check in checks)
        stops = sum(any(c.severity is Severity.STOP for c in checks) for checks in found)
        warned = sum(any(c.code is not _BESIDE for c in checks) for checks in found)
        listed = ", ".join(f"{code.value} {count}" for code, count in codes.most_common())
        share = 100 * warned / len(reports)
        print(f"| {name} | {len(reports)} | {stops} | {warned} ({share:.1f} %) | {listed} |")


def print_planted(real: Sequence[Real]) -> None:
    """Print how many faults planted into real reports are named."""
    quiet = [report for report in real if not check_passages(report.passages, _ABOUT)]
    swapped, denied = list(_swapped(quiet)), list(_denied(quiet))
    either = {CheckCode.SIDE, CheckCode.SIDE_DOUBTFUL}
    for name, codes, planted in (
        ("side swapped in the impression: stop", {CheckCode.SIDE}, swapped),
        ("side swapped in the impression: stop or warning", either, swapped),
        ("what the impression states denied in the findings", {CheckCode.DENIED_IN_FINDINGS}, denied),
    ):
        named = sum(any(c.code in codes for c in check_passages(r.passages, _ABOUT)) for r in planted)
        print(f"| {name} | {named} of {len(planted)} ({100 * named / max(1, len(planted)):.0f} %) |")


def _swapped(reports: Sequence[Real]) -> Iterator[Real]:
    """Reports whose two sections name the same one side, with the other one in the impression."""
    for report in reports:
        side = side_of(report.impression)
        if side in {Side.LEFT, Side.RIGHT} and side_of(report.findings) is side:
            other = Side.RIGHT if side is Side.LEFT else Side.LEFT
            words = (side.value, other.value)
            swapped = report.impression.replace(*words).replace(*(word.capitalize() for word in words))
            yield Real(report.findings, swapped, report.normal)


def _denied(reports: Sequence[Real]) -> Iterator[Real]:
    """Reports that state something in both sections, with the findings saying that there is none."""
    for report in reports:
        stated = [m for m in read_mentions(report.passages) if m.polarity is Polarity.STATED]
        below = {m.concept for m in stated if m.section == "impression"}
        above = next((m for m in stated if m.section == "findings" and m.concept in below), None)
        if above is not None:
            kept = [
                sentence
                for sentence in split_sentences(report.findings)
                if all(m.concept != above.concept for m in read_mentions([Passage("findings", "", sentence)]))
            ]
            findings = " ".join([*kept, f"There is no {above.words.lower()}."])
            yield Real(findings, report.impression, report.normal)


def print_milliseconds(reports: Sequence[Sequence[Passage]]) -> None:
    """Print how long a report takes without the database."""
    took = []
    for passages in reports:
        began = time.perf_counter()
        check_passages(passages, _ABOUT)
        took.append(1000 * (time.perf_counter() - began))
    took.sort()
    median, most = statistics.median(took), took[int(0.99 * len(took))]
    print(f"text alone: median {median:.1f} ms, 99 % in {most:.1f} ms, longest {took[-1]:.1f} ms")


def print_signing(rounds: int) -> None:
    """Print how long the checks of an open report take with everything that the database knows."""
    with tempfile.TemporaryDirectory() as folder, open_house(Path(folder) / "ui.log") as house:
        study, store, now = house.chest("bench"), house.store, seed.now_utc()
        with store.begin() as tx:
            user = tx.users.by_username("ada")
        assert user is not None
        actor = user.act(source="127.0.0.1")
        report = open_study(store, actor, study, now=now).report
        assert report is not None
        took = []
        for _ in range(rounds):
            began = time.perf_counter()
            check_open_report(store, actor, report.report_id, now=now)
            took.append(1000 * (time.perf_counter() - began))
    took.sort()
    print(f"with the database: median {statistics.median(took):.0f} ms, ", end="")
    print(f"95 % in {took[int(0.95 * len(took))]:.0f} ms, longest {took[-1]:.0f} ms ({rounds} rounds)")


if __name__ == "__main__":
    main()
