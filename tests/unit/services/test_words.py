"""The department's words as a use case: versions, who edits them, and that the next check reads with them.

Not here: what is refused, and how a sentence is read (`tests/unit/checks/test_department_words.py`).
"""

from __future__ import annotations

import pytest
from sqlalchemy import text
from sqlalchemy.exc import ProgrammingError

from app.domain.checks import CheckCode
from app.domain.critical import Category
from app.domain.department_words import DepartmentWords, Wording
from app.domain.errors import Conflict, NotAuthorised, Rejected, WarningsNotConfirmed
from app.services.amending import add_addendum
from app.services.critical import cancel_loop, open_loop
from app.services.lexicon import lexicon_in_force
from app.services.prior_viewing import compare_with_prior
from app.services.signing import sign
from app.services.words import save_words, words_versions
from tests.unit.services.conftest import NOW, PACS, PASSWORD, House, image, uid
from tests.unit.services.test_checks import AT, _codes, _report
from tests.unit.services.test_prior_viewing import attach

PTX = DepartmentWords(wordings=(Wording("pneumothorax", "PTX"),))


def _save(house: House, content: DepartmentWords = PTX, *, version: int = 0) -> None:
    save_words(house.store, house["admin"], content, version=version, now=AT)


def test_an_edit_is_a_new_version_and_the_log_keeps_numbers_alone(house: House) -> None:
    assert words_versions(house.store, house["admin"], now=AT) == ()
    _save(house)
    _save(house, DepartmentWords(("Port-a-Cath",), wordings=PTX.wordings, marks=("@@",)), version=1)
    versions = words_versions(house.store, house["admin"], now=AT)
    assert [(v.version, v.username, len(v.content.marks)) for v in versions] == [
        (2, "admin", 1),
        (1, "admin", 0),
    ]
    details = [entry.detail for entry in house.log("department words changed")]
    assert details == [
        {"version": 1, "words": 0, "wordings": 1, "marks": 0},
        {"version": 2, "words": 1, "wordings": 1, "marks": 1},
    ]


def test_what_was_edited_meanwhile_is_not_written_over(house: House) -> None:
    _save(house)
    with pytest.raises(Conflict, match="admin has edited the words meanwhile: open version 1"):
        _save(house, DepartmentWords(("Stent",)), version=0)
    with pytest.raises(Conflict, match="nothing is changed"):
        _save(house, PTX, version=1)
    with pytest.raises(Rejected, match="by no a sentence denies"):
        _save(house, DepartmentWords(wordings=(Wording("pneumothorax", "no PTX"),)), version=1)
    assert len(words_versions(house.store, house["admin"], now=AT)) == 1


def test_versions_are_added_and_never_changed(house: House) -> None:
    _save(house)
    for change in ("UPDATE department_words SET username = 'x'", "DELETE FROM department_words"):
        with pytest.raises(ProgrammingError), house.store.begin() as tx:
            tx.session.execute(text(change))


@pytest.mark.parametrize("username", ["viewer", "resident", "attending", "auditor"])
def test_an_administrator_alone_reads_and_edits_them(house: House, username: str) -> None:
    with pytest.raises(NotAuthorised):
        save_words(house.store, house[username], PTX, version=0, now=AT)
    with pytest.raises(NotAuthorised):
        words_versions(house.store, house[username], now=AT)
    assert [entry.outcome for entry in house.log("access denied")] == ["failure", "failure"]


@pytest.mark.covers("U8")
def test_words_that_came_after_the_confirmation_count_in_the_signature(house: House) -> None:
    """The text and its version are the same; what it says is not."""
    report = _report(house, "attending", "Small PTX.", "Small PTX.")
    confirmation = house.confirm("attending", report)
    assert confirmation.marks == frozenset()
    _save(house)
    assert _codes(house, "attending", report) == {CheckCode.CRITICAL_NOT_TOLD}
    arguments = {"version": report.version, "password": PASSWORD, "destinations": [PACS], "now": AT}
    with pytest.raises(WarningsNotConfirmed, match="PTX is critical, and nobody is noted to be told"):
        sign(house.store, house["attending"], report.report_id, confirmation=confirmation, **arguments)
    confirmed = house.confirm("attending", report)
    # a critical result is noted in the same words
    open_loop(house.store, house["attending"], uid("s1"), "Small PTX", Category.MINUTES, now=AT)
    assert _codes(house, "attending", report) == set()
    cancel_loop(house.store, house["attending"], 1, "opened for this test", now=AT)
    sign(house.store, house["attending"], report.report_id, confirmation=confirmed, **arguments)
    (entry,) = house.log("report signed")
    assert entry.detail["confirmed"] == ["critical not told@ai-1"]


@pytest.mark.covers("U8")
def test_an_addendum_is_read_with_them(house: House) -> None:
    report = house.signed()
    _save(house, DepartmentWords(marks=("@@",)))
    with pytest.raises(WarningsNotConfirmed, match="@@ looks like a field"):
        add_addendum(
            house.store,
            house["attending"],
            report.report_id,
            text="See @@.",
            version=report.version,
            password=PASSWORD,
            destinations=[PACS],
            now=AT,
        )


def test_every_check_reads_with_the_words_that_are_in_force(house: House) -> None:
    """Whatever this process has read before: another one may have changed them."""
    report = _report(house, "attending", "Small PTX.", "Small PTX.")
    assert _codes(house, "attending", report) == set()
    _save(house)
    assert _codes(house, "attending", report) == {CheckCode.CRITICAL_NOT_TOLD}
    _save(house, DepartmentWords(wordings=(Wording("scoliosis", "PTX"),)), version=1)
    assert _codes(house, "attending", report) == set()
    _save(house, PTX, version=2)
    assert _codes(house, "attending", report) == {CheckCode.CRITICAL_NOT_TOLD}


def test_a_transaction_that_is_taken_back_leaves_nothing_of_its_words(house: House) -> None:
    def is_read(text: str) -> bool:
        with house.store.begin() as tx:
            return lexicon_in_force(tx).concepts["pneumothorax"].words.search(text) is not None

    def read_and_fail() -> None:
        with house.store.begin() as tx:
            tx.words.add(PTX, version=1, username="admin", now=NOW)
            assert lexicon_in_force(tx).concepts["pneumothorax"].words.search("PTX")
            raise RuntimeError("taken back")

    with pytest.raises(RuntimeError, match="taken back"):
        read_and_fail()
    assert not is_read("PTX")
    assert is_read("pneumothorax")


def test_the_same_words_are_made_ready_once(house: House) -> None:
    _save(house)
    with house.store.begin() as tx:
        first = lexicon_in_force(tx)
    with house.store.begin() as tx:
        assert lexicon_in_force(tx) is first


@pytest.mark.covers("U6")
def test_what_changed_is_read_with_them_on_either_side(house: House) -> None:
    _report(house, "attending", "Small left PTX.", "See above.")
    house.receive(image("before"))
    attach(house, "before", report="No PTX on the left.")

    def changes() -> list[tuple[str, str]]:
        compared = compare_with_prior(house.store, house["attending"], uid("s1"), uid("before"), now=AT)
        return [(change.finding, change.kind.value) for change in compared.changes]

    assert changes() == []
    _save(house)
    assert changes() == [("Pneumothorax", "new")]
