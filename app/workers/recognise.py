"""The recogniser's own process: `python -m app.workers.recognise` turns sound into words with PocketSphinx.

It is C code fed with bytes from outside, so it knows nothing of our settings, writes its model alone (in the
folder where it is started) and never what it hears. The first line of standard input says what the department
writes; the answer comes when the model is built. Then one line of JSON a recording, and one for its words.
"""

from __future__ import annotations

import base64
import json
import resource
import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, TextIO

from app.domain.ngrams import BEGIN, END, learn_words, write_arpa
from app.domain.pronunciation import Sounds, learn_sounds, read_dictionary
from app.domain.said_sentences import Said, capitals_in, say_lines
from app.domain.spoken_text import NUMBER_WORDS, SIGNS, UNITS

if TYPE_CHECKING:
    from pocketsphinx import Config, Decoder

MEMORY_BYTES, FILE_BYTES = 2 * 2**30, 64 * 2**20
GENERAL_SHARE = 0.02
"""Of the general vocabulary in the lowest order of the department's model."""

GENERAL_WORDS = 1000
"""The most frequent ones of the general vocabulary: rare words would be heard in place of medical ones."""

KINDS = ("mixed", "department", "general")
_MOST_GENERAL: Mapping[str, int | None] = {"mixed": GENERAL_WORDS, "general": None}
_EVERY = 4
"""One in so many long words of the dictionary teaches how letters are said."""

_BEAMS: Mapping[str, float] = {"beam": 1e-60, "wbeam": 1e-40, "pbeam": 1e-60}
"""Wider than usual: the vocabulary is small, so that there is time for more."""

_DICTIONARY, _MODEL = Path("words.dict"), Path("department.arpa")


@dataclass(frozen=True)
class Built:
    """What the recogniser knows.

    Attributes
    ----------
    words, guessed, unsaid
        How many words it knows, for how many of them a pronunciation was made up, and which have none.
    """

    words: int
    guessed: int
    unsaid: tuple[str, ...]


def build_model(lines: Sequence[str], words: Iterable[str], kind: str) -> Built:
    """Write dictionary and language model into the current folder."""
    from pocketsphinx import get_model_path

    dictionary = Path(get_model_path("en-us/cmudict-en-us.dict"))
    known = read_dictionary(dictionary.read_text(encoding="utf-8").splitlines())
    said = list(say_lines(lines))
    own = {word for sentence in said for word in sentence} | set(words) | _spoken_words()
    general = {} if kind == "department" else _general_frequencies(known, _MOST_GENERAL[kind])
    guessed = _pronounce(sorted(own - known.keys()), known, capitals_in(lines))
    sayable = {word: sounds for word in own if (sounds := known.get(word) or guessed.get(word))}
    unsaid = tuple(sorted(own - sayable.keys()))
    _write_dictionary({**{word: known[word] for word in general}, **sayable})
    if kind != "general":
        _write_model(
            [sentence for sentence in said if sayable.keys() >= set(sentence)], sayable.keys(), general
        )
    return Built(len(general.keys() | sayable.keys()), len(guessed), unsaid)


def _spoken_words() -> set[str]:
    return {word for sign in SIGNS for word in sign} | NUMBER_WORDS | UNITS.keys() | {"point", "by"}


def _general_frequencies(known: Mapping[str, Any], most: int | None) -> dict[str, float]:
    """Return how often the most frequent words of the general model are said, by itself."""
    from pocketsphinx import LogMath, NGramModel, get_model_path

    base = LogMath()
    model = NGramModel(_bare_config(), base, str(get_model_path("en-us/en-us.lm.bin")))
    unknown = model.prob(["qqxzqq"])
    heard = ((word, model.prob([word])) for word in known)
    often = sorted(((chance, word) for word, chance in heard if chance > unknown), reverse=True)
    return {word: base.exp(chance) for chance, word in often[:most]}


def _pronounce(
    words: Sequence[str], known: Mapping[str, list[Sounds]], capitals: Mapping[str, str]
) -> dict[str, list[Sounds]]:
    """Return pronunciations of words that the dictionary lacks; abbreviations are spelt."""
    if not words:
        return {}
    long = sorted(word for word in known if len(word) >= 6)[::_EVERY]
    reader = learn_sounds((word, known[word][0]) for word in long)
    found = {}
    for word in words:
        letters = [sound for letter in word for sound in known.get(letter, [()])[0]]
        sounds = tuple(letters) if word in capitals else reader.say(word.replace("'", ""))
        if sounds:
            found[word] = [sounds]
    return found


def _write_dictionary(pronunciations: Mapping[str, list[Sounds]]) -> None:
    with _DICTIONARY.open("w", encoding="utf-8") as out:
        for word in sorted(pronunciations):
            for number, sounds in enumerate(pronunciations[word], start=1):
                out.write(f"{word}{f'({number})' if number > 1 else ''} {' '.join(sounds)}\n")


def _write_model(said: Iterable[Said], words: Iterable[str], general: Mapping[str, float]) -> None:
    share = GENERAL_SHARE if general else 0.0
    model = learn_words(said, words=words, general=general, general_share=share)
    with _MODEL.open("w", encoding="utf-8") as out:
        out.writelines(write_arpa(model))


def open_decoder(kind: str) -> Decoder:
    """Return PocketSphinx with what `build_model` has written."""
    from pocketsphinx import Decoder, get_model_path

    general = str(get_model_path("en-us/en-us.lm.bin"))
    return Decoder(
        hmm=str(get_model_path("en-us/en-us")),
        dict=str(_DICTIONARY),
        lm=general if kind == "general" else str(_MODEL),
        loglevel="FATAL",
        **_BEAMS,
    )


def _bare_config() -> Config:
    from pocketsphinx import Config

    return Config(loglevel="FATAL")


def hear(decoder: Decoder, samples: bytes) -> list[tuple[str, float]]:
    """Return the words of one recording, each with its confidence (0 to 1).

    Parameters
    ----------
    samples
        16-bit integers, little endian, 16 kHz.
    """
    # what it has adapted to the voice before is forgotten
    decoder.reinit_feat()
    decoder.start_utt()
    decoder.process_raw(samples, full_utt=True)
    decoder.end_utt()
    return list(_words(decoder))


def _words(decoder: Decoder) -> Iterator[tuple[str, float]]:
    for part in decoder.seg() or ():
        word = part.word.partition("(")[0]
        if word not in {BEGIN, END} and not word.startswith(("<", "[", "+")) and word:
            yield word, min(1.0, part.prob)


def limit_self() -> None:
    """Bound memory and files, and leave no image of the memory behind after a crash."""
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY_BYTES, MEMORY_BYTES))
    resource.setrlimit(resource.RLIMIT_FSIZE, (FILE_BYTES, FILE_BYTES))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))


def serve(requests: TextIO, answers: TextIO) -> int:
    """Build the model of the first line, and answer until the requests end."""

    def answer(content: Mapping[str, Any]) -> None:
        answers.write(json.dumps(content) + "\n")
        answers.flush()

    wanted = json.loads(requests.readline())
    built = build_model(wanted["lines"], wanted["words"], wanted["kind"])
    decoder = open_decoder(wanted["kind"])
    answer({"words": built.words, "guessed": built.guessed, "unsaid": len(built.unsaid)})
    for line in requests:
        answer({"heard": hear(decoder, base64.b64decode(json.loads(line)["samples"]))})
    return 0


if __name__ == "__main__":
    limit_self()
    sys.exit(serve(sys.stdin, sys.stdout))
