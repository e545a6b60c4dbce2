"""Human reports to compare drafts with, read in place: the Indiana collection, and rivals that see no image.

The collection (Demner-Fushman et al. 2016) is CC BY-NC-ND 4.0: it is read to evaluate, never trained on for
what is shipped, and nothing of it is kept.
"""

from __future__ import annotations

import csv
import io
import tarfile
import zipfile
from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from janus_med.errors import UnreadableInput
from janus_med.evaluation.text import count_grams, tokenize

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

_ARCHIVE = "torchxrayvision/data/NLMCXR_reports.tgz"
_NO_COMPARISON = (
    "",
    "none",
    "none available",
    "no comparison",
    "no comparisons",
    "unavailable",
    "not available",
)


@dataclass(frozen=True)
class HumanReport:
    """One report.

    Attributes
    ----------
    findings, impression
        Its sections; either may be empty.
    terms
        What librarians indexed it with (MeSH with site and degree).
    compared
        Whether it names an earlier examination to compare with.
    """

    findings: str
    impression: str
    terms: frozenset[str]
    compared: bool

    @property
    def text(self) -> str:
        """Both sections, as a draft has them."""
        return f"FINDINGS: {self.findings}\nIMPRESSION: {self.impression}"


def read_reports(data: Path) -> tuple[HumanReport, ...]:
    """Read the collection.

    Parameters
    ----------
    data
        Either a table with the columns findings, impression, comparison and mesh_major, or the wheel of
        torchxrayvision 1.5.7, which carries the original files
        (``pip download --no-deps torchxrayvision==1.5.7``).

    Raises
    ------
    UnreadableInput
        When it is neither.
    """
    try:
        reader = _read_wheel if data.suffix == ".whl" else _read_table
        return tuple(reader(data))
    except (OSError, KeyError, UnicodeDecodeError, zipfile.BadZipFile, tarfile.TarError) as error:
        problem = "neither a table of reports nor the wheel of torchxrayvision 1.5.7"
        raise UnreadableInput(data.name, problem) from error


def _read_table(path: Path) -> Iterator[HumanReport]:
    with path.open(encoding="utf-8", newline="") as file:
        for row in csv.DictReader(file):
            terms = row["mesh_major"].split(";")
            yield _report(row["findings"], row["impression"], row["comparison"], terms)


def _read_wheel(path: Path) -> Iterator[HumanReport]:
    from defusedxml import ElementTree

    with zipfile.ZipFile(path) as wheel:
        archive = io.BytesIO(wheel.read(_ARCHIVE))
    with tarfile.open(fileobj=archive) as files:
        for member in sorted(files.getmembers(), key=lambda one: one.name):
            content = files.extractfile(member)
            if content is None or not member.name.endswith(".xml"):
                continue
            root = ElementTree.fromstring(content.read())
            part = {text.get("Label"): text.text or "" for text in root.iter("AbstractText")}
            terms = [term.text or "" for term in root.iter("major")]
            yield _report(
                part.get("FINDINGS", ""), part.get("IMPRESSION", ""), part.get("COMPARISON", ""), terms
            )


def _report(findings: str, impression: str, comparison: str, terms: Sequence[str]) -> HumanReport:
    compared = comparison.strip(" .").lower() not in _NO_COMPARISON
    known = frozenset(term.strip() for term in terms if term.strip())
    return HumanReport(findings.strip(), impression.strip(), known, compared)


class Rivals:
    """Texts that come from other reports alone.

    Parameters
    ----------
    pool
        The reports to take from; none of those that are judged.
    """

    def __init__(self, pool: Sequence[HumanReport]) -> None:
        self._pool = list(pool)
        self._grams = [_unit(report.findings) for report in self._pool]

    def most_common(self) -> HumanReport:
        """Return the report whose findings are written most often, word for word."""
        text = Counter(report.findings for report in self._pool).most_common(1)[0][0]
        return next(report for report in self._pool if report.findings == text)

    def medoid(self, among: Sequence[int] | None = None) -> HumanReport:
        """Return the report nearest to all others (cosine of n-gram counts, n up to 4)."""
        chosen = list(range(len(self._pool))) if among is None else list(among)
        total: Counter[tuple[str, ...]] = Counter()
        for index in chosen:
            total.update(self._grams[index])
        nearness = [sum(value * total[gram] for gram, value in self._grams[i].items()) for i in chosen]
        return self._pool[chosen[int(np.argmax(nearness))]]

    def random(self, rng: np.random.Generator, among: Sequence[int] | None = None) -> HumanReport:
        """Return any report."""
        chosen = range(len(self._pool)) if among is None else among
        return self._pool[chosen[int(rng.integers(len(chosen)))]]

    def same_terms(self, report: HumanReport) -> list[int]:
        """Return the reports of the pool whose index terms are most like a report's (Jaccard)."""
        likeness = np.array([_jaccard(report.terms, other.terms) for other in self._pool])
        return [int(index) for index in np.nonzero(likeness == likeness.max())[0]]


def _unit(text: str) -> Counter[tuple[str, ...]]:
    grams = count_grams(tokenize(text))
    length = float(np.sqrt(sum(number**2 for number in grams.values()))) or 1.0
    # a Counter adds floats as well as whole numbers
    return Counter({gram: number / length for gram, number in grams.items()})


def _jaccard(one: frozenset[str], other: frozenset[str]) -> float:
    return len(one & other) / len(one | other) if one | other else 1.0
