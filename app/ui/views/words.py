"""The department's own words for the checks: edited as new versions, and tried on a sentence before that."""

from __future__ import annotations

import streamlit as st

from app.domain.department_words import (
    DepartmentWords,
    Wording,
    WordsVersion,
    read_wordings,
    readable,
    show_wordings,
)
from app.domain.errors import Rejected
from app.domain.lexicon import load_lexicon
from app.domain.own_lexicon import extend
from app.domain.sample_reading import LONGEST_SAMPLE, SampleReading, read_sample
from app.domain.statements import Mention, Polarity, Side
from app.services.words import save_words, words_versions
from app.ui.session import Visit
from app.ui.told import retell
from app.ui.views.frame import show_head
from app.ui.views.operations_page import attempt, utc
from app.ui.views.plain import plain
from app.ui.words import say

_LONGEST_LIST = 40_000
_EDITED = "words_edited"
_EXAMPLE = show_wordings((Wording("pneumothorax", "PTX"), Wording("pneumothorax", "Spalt")))


def show(visit: Visit) -> None:
    """Show the words in force to edit, and what a sentence says with them."""
    show_head(visit, "words")
    versions = words_versions(visit.room.store, visit.actor, now=visit.now)
    latest = versions[0] if versions else None
    _say_what_is_in_force(latest)
    before = _edited(versions)
    if before != latest and latest is not None:
        _offer_latest(latest)
    edit, trial = st.columns(2)
    with edit:
        content, mistakes = _edit(before)
        if st.button(say("Save as a new version"), type="primary", key="words_save", disabled=bool(mistakes)):
            _save(visit, content, before)
        _show_known()
    with trial:
        for mistake in mistakes:
            st.error(plain(retell(mistake)))
        if mistakes:
            st.caption(say("Until this is corrected, a sentence is read with the words as they were saved."))
        _try(content)
        _show_versions(versions[1:])


def _edited(versions: tuple[WordsVersion, ...]) -> WordsVersion | None:
    """Return the version whose words are on the screen: what was typed is not lost when a newer one comes."""
    number = st.session_state.get(_EDITED)
    if number is None or _key("well", number) not in st.session_state:
        number = st.session_state[_EDITED] = versions[0].version if versions else 0
    return next((version for version in versions if version.version == number), None)


def _offer_latest(latest: WordsVersion) -> None:
    st.warning(
        plain(
            say(
                "{name} has edited the words meanwhile: open version {number}",
                name=latest.username,
                number=latest.version,
            )
        )
    )
    if st.button(say("Open version {number}", number=latest.version), key="words_latest"):
        del st.session_state[_EDITED]
        st.rerun()


def _say_what_is_in_force(version: WordsVersion | None) -> None:
    if version is None:
        st.caption(say("The department has no words of its own yet."))
        return
    st.caption(
        say(
            "Version {number}, by {name}, {time} UTC. Every check reads with it.",
            number=version.version,
            name=plain(version.username),
            time=plain(utc(version.at)),
        )
    )


def _edit(version: WordsVersion | None) -> tuple[DepartmentWords, tuple[str, ...]]:
    """Show the lists and return what they say now, or said before when something is wrong, and what."""
    before = DepartmentWords() if version is None else version.content
    mark = 0 if version is None else version.version
    well = _list(
        say("Words that are right (devices, names, drugs), one a line"), before.well, _key("well", mark)
    )
    medical = _list(
        say("Medical words with which slips of the keys are compared, one a line"),
        before.medical,
        _key("medical", mark),
    )
    wordings = st.text_area(
        say("Further words for abnormalities: the abnormality, a colon, its words with commas between"),
        value=show_wordings(before.wordings),
        placeholder=_EXAMPLE,
        key=_key("wordings", mark),
        max_chars=_LONGEST_LIST,
        height=160,
    )
    marks = _list(
        say("Marks of a field that is not filled in, one a line"), before.marks, _key("marks", mark)
    )
    try:
        content = DepartmentWords(well, medical, read_wordings(wordings), marks).tidied()
    except Rejected as error:
        return before, tuple(str(error).splitlines())
    return content, ()


def _key(name: str, version: int) -> str:
    return f"words_{name}_{version}"


def _list(label: str, words: tuple[str, ...], key: str) -> tuple[str, ...]:
    typed = st.text_area(label, value="\n".join(words), key=key, max_chars=_LONGEST_LIST, height=110)
    return tuple(typed.splitlines())


def _save(visit: Visit, content: DepartmentWords, before: WordsVersion | None) -> None:
    number = 0 if before is None else before.version

    def act() -> None:
        save_words(visit.room.store, visit.actor, content, version=number, now=visit.now)
        del st.session_state[_EDITED]

    attempt(act)


def _try(content: DepartmentWords) -> None:
    """Show what a sentence says with the words as they are typed, saved or not."""
    text = st.text_area(
        say("Try a sentence (it is kept nowhere)"), key="words_try", max_chars=LONGEST_SAMPLE, height=110
    )
    if not text.strip():
        return
    reading = read_sample(text, extend(load_lexicon(), content))
    if reading.mentions:
        st.table([_mention(mention) for mention in reading.mentions])
    else:
        st.write(say("No abnormality is read in it."))
    _show_words_of(reading)


def _mention(mention: Mention) -> dict[str, str]:
    polarity = {
        Polarity.STATED: say("stated"),
        Polarity.DENIED: say("denied"),
        Polarity.DOUBTED: say("in doubt"),
    }
    side = {Side.LEFT: say("left"), Side.RIGHT: say("right"), Side.BOTH: say("both sides")}
    return {
        say("Text"): plain(mention.words),
        say("Abnormality"): readable(mention.concept),
        say("Read as"): polarity[mention.polarity],
        say("Side"): side.get(mention.side, say("none named")),
    }


def _show_words_of(reading: SampleReading) -> None:
    for slip in reading.slips:
        st.warning(plain(say("{word} looks misspelt: {meant}?", word=slip.word, meant=slip.meant)))
    for mark in reading.marks:
        st.warning(plain(say("{words} looks like a field that is not filled in", words=mark)))


def _show_known() -> None:
    with st.expander(say("Abnormalities that the checks know")):
        st.text(", ".join(readable(name) for name in load_lexicon().concepts))


def _show_versions(versions: tuple[WordsVersion, ...]) -> None:
    with st.expander(say("Earlier versions")):
        for version in versions:
            st.text(f"{version.version}: {version.username}, {utc(version.at)}")
            content = version.content
            lists = (
                ", ".join(content.well),
                ", ".join(content.medical),
                show_wordings(content.wordings),
                ", ".join(content.marks),
            )
            st.text("\n".join(words for words in lists if words))
        if not versions:
            st.write(say("There is none."))
