"""How many words the recogniser of the dictation gets wrong, with our language model and with others.

    python -m bench.dictation [--reports FILE.csv] [--count 60] [--seed 1] [--show]

Sentences are spoken by `espeak-ng`; no person spoke. Without a file of reports they are those of the drafting
model's grammar (`janus_med.training.corpus`), which the language model never read. A file has the columns
`findings` and `impression`; its sentences with digits or blanked-out words (XXXX) are left out.
"""

from __future__ import annotations

import argparse
import csv
import io
import os
import re
import subprocess
import tempfile
import time
import wave
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from random import Random

import numpy as np

from app.domain.dictation_sound import RATE
from app.domain.said_sentences import Said, medical_words, say, say_lines, shipped_phrases
from app.domain.shipped_templates import SHIPPED
from app.domain.spoken_text import HeardWord
from app.services.dictation import DOUBTFUL, NEGATIONS, doubt_about
from app.workers.recognise import KINDS, build_model, hear, open_decoder

VOICES = ("en-us", "en-us+f3", "en-gb", "en-gb-scotland")
_SIGNS = frozenset({"period", "comma", "colon", "semicolon"})
_SHORTEST, _LONGEST = 3, 14
_FILLED = {
    "an_area": "a right basal",
    "place": "in the left lung",
    "nodule": "a nodule",
    "over": "over the left hilum",
    "side": "left",
    "zone_word": "basal",
    "lesion": "nodule",
    "base": "left base",
}


@dataclass(frozen=True)
class Utterance:
    """What was said, by which voice, and what was heard."""

    said: Said
    voice: str
    heard: tuple[HeardWord, ...]

    @property
    def errors(self) -> int:
        return word_errors(self.said, [word.text for word in self.heard])


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--reports", type=Path, help="CSV with the columns findings and impression")
    parser.add_argument("--count", type=int, default=60, help="sentences")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--models", nargs="+", choices=KINDS, default=KINDS)
    parser.add_argument("--show", action="store_true", help="print what was said and heard")
    options = parser.parse_args()
    lines = department_lines()
    learnt = {_without_signs(said) for said in say_lines(lines)}
    found = sentences_of(options.reports) if options.reports else generated()
    sentences = Random(options.seed).sample(sorted(found - learnt), min(options.count, len(found - learnt)))
    spoken = {(said, voice): speak(said, voice) for voice in VOICES for said in sentences}
    often = Counter(word for said in learnt for word in said).most_common(1)[0][0]
    words = sum(map(len, sentences))
    print(f"{len(sentences)} sentences of {words} words, {len(VOICES)} voices; load {os.getloadavg()[0]:.1f}")
    print(
        f"most frequent word, as many: {sum(word_errors(s, [often] * len(s)) for s in sentences) / words:.2f}"
    )
    print(
        "| model | words | word errors (voices) | s per s | held back | errors of the rest | negations lost |"
    )
    for kind in options.models:
        measure(kind, lines, spoken, show=options.show)


def measure(kind: str, lines: Sequence[str], spoken: Mapping[tuple[Said, str], bytes], *, show: bool) -> None:
    """Print what is heard with one language model."""
    with _in_folder():
        built = build_model(lines, medical_words(), kind)
        decoder = open_decoder(kind)
    begun = time.process_time()
    heard = [Utterance(*one, tuple(HeardWord(*w) for w in hear(decoder, s))) for one, s in spoken.items()]
    spent = time.process_time() - begun
    seconds = sum(map(len, spoken.values())) / 2 / RATE
    voices = [f"{rate([u for u in heard if u.voice == voice]):.2f}" for voice in VOICES]
    given = [u for u in heard if u.heard and not doubt_about(u.heard)]
    denying = [u for u in given if NEGATIONS & set(u.said)]
    lost = [u for u in denying if not NEGATIONS & {word.text for word in u.heard}]
    print(
        f"| {kind} | {built.words} | {rate(heard):.2f} ({', '.join(voices)}) | {spent / seconds:.2f} | "
        f"{len(heard) - len(given)}/{len(heard)} | {rate(given):.2f} | {len(lost)}/{len(denying)} |",
        flush=True,
    )
    for name, sure in (("doubtful", False), ("not doubtful", True)):
        right, count = judged_words(heard, sure=sure)
        print(f"  {name} words that are right: {right}/{count}")
    for utterance in heard if show else ():
        print(f"  {utterance.voice}: {' '.join(utterance.said)}")
        print(f"    {' '.join(f'{word.text}:{word.confidence:.2f}' for word in utterance.heard)}")


def rate(utterances: Sequence[Utterance]) -> float:
    """Return word errors by words that were said."""
    return sum(u.errors for u in utterances) / max(1, sum(len(u.said) for u in utterances))


def judged_words(utterances: Sequence[Utterance], *, sure: bool) -> tuple[int, int]:
    """Return how many of the words that were (not) sure had been said, and how many there are."""
    right = count = 0
    for utterance in utterances:
        left = Counter(utterance.said)
        for word in utterance.heard:
            is_right = left[word.text] > 0
            left[word.text] -= is_right
            if (word.confidence >= DOUBTFUL) is sure:
                right, count = right + is_right, count + 1
    return right, count


def word_errors(said: Sequence[str], heard: Sequence[str]) -> int:
    """Return insertions, deletions and substitutions that make one the other (Levenshtein)."""
    row = list(range(len(heard) + 1))
    for i, word in enumerate(said, start=1):
        before, row[0] = row[0], i
        for j, other in enumerate(heard, start=1):
            before, row[j] = row[j], min(row[j] + 1, row[j - 1] + 1, before + (word != other))
    return row[-1]


def speak(said: Sequence[str], voice: str) -> bytes:
    """Return words spoken by a synthesiser at the recogniser's rate, in a little noise, with quiet around."""
    command = ["espeak-ng", "-v", voice, "-s", "150", "--stdout", " ".join(said)]
    spoken = subprocess.run(command, check=True, capture_output=True).stdout
    with wave.open(io.BytesIO(spoken)) as source:
        rate_of_voice = source.getframerate()
        values = np.frombuffer(source.readframes(source.getnframes()), "<i2").astype(float)
    count = len(values) * RATE // rate_of_voice
    resampled = np.fft.irfft(np.fft.rfft(values)[: count // 2 + 1], count) * count / len(values)
    sound = np.random.default_rng(1).normal(0.0, 8.0, count + RATE // 2)
    sound[RATE // 4 : RATE // 4 + count] += 0.5 * resampled
    return sound.astype("<i2").tobytes()


def department_lines() -> list[str]:
    """Return what a department begins with: the shipped phrases and English templates."""
    templates = [content for content in SHIPPED if content.language == "en"]
    return [*shipped_phrases(), *(line for t in templates for part in t.sections.values() for line in part)]


def sentences_of(file: Path) -> set[Said]:
    """Return the sentences of a file of reports, as they are said."""
    with file.open(newline="", encoding="utf-8") as rows:
        texts = [f"{row['findings']} {row['impression']}" for row in csv.DictReader(rows)]
    return {said for text in texts for part in re.split(r"(?<=\.)\s+", text) if (said := _usable(part))}


def generated() -> set[Said]:
    """Return sentences of the grammar of the drafting model."""
    from janus_med.training import corpus

    tables = (corpus._STATED, corpus._RAISED, corpus._DENIED)
    lines = [line for table in tables for lines in table.values() for line in lines]
    lines += [*corpus._NORMAL_FINDINGS, *corpus._NORMAL_IMPRESSION, *corpus._OPEN_IMPRESSION]
    filled = (re.sub(r"\{(\w+)\}", lambda found: _FILLED[found[1].lower()], line) for line in lines)
    return {said for line in filled if (said := _usable(line))}


def _usable(text: str) -> Said:
    said = _without_signs(say(text))
    is_plain = "XXXX" not in text and not re.search(r"[\d\[\]/]", text)
    return said if is_plain and _SHORTEST <= len(said) <= _LONGEST else ()


def _without_signs(said: Said) -> Said:
    return tuple(word for word in said if word not in _SIGNS)


@contextmanager
def _in_folder() -> Iterator[None]:
    before = Path.cwd()
    with tempfile.TemporaryDirectory() as folder:
        os.chdir(folder)
        try:
            yield
        finally:
            os.chdir(before)


if __name__ == "__main__":
    main()
