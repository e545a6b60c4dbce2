"""Two readers, a resident, a late image, a deliverer and a clock, in any order: unsigned text never leaves.

After every step: each delivery belongs to a report that an attending has signed, its attestation verifies and
says what the report says, no edit that was answered is lost, and no superseded report was signed afterwards.
"""

from __future__ import annotations

import itertools
import json
import os
from datetime import timedelta

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)

from app.domain.access import service_actor
from app.domain.attestation import Meaning
from app.domain.checks import Confirmation
from app.domain.delivery import DeliveryState
from app.domain.errors import AuthenticationFailed, Rejected
from app.domain.report import (
    AMENDABLE,
    FINAL,
    Decision,
    Report,
    ReportState,
    Section,
    compose_report,
    compose_section,
)
from app.services import delivery, reading, signing
from app.services.amending import add_addendum, correct_report
from tests.reliability import record
from tests.unit.services.conftest import NOW, PACS, PASSWORD, QUIET, House, draft_of, image, uid

READERS = st.sampled_from(["attending", "colleague", "resident"])
PEOPLE = st.sampled_from(["attending", "colleague", "resident", "viewer", "admin"])
KEYS = st.sampled_from(["ai-1", "ai-2", "human-1", "human-2"])
SECTIONS = st.sampled_from(list(Section))
TEXTS = st.sampled_from(["Normal.", "Nodule of 9 mm.", "Nodule of [size] mm.", ""])
DELIVERER = service_actor("deliver")
# of 40 steps each; 250 make the ten thousand of T39
MACHINES = int(os.environ.get("JANUS_TEST_MACHINES", "50"))


class ReadingRoom(RuleBasedStateMachine):
    """One study and everybody who can touch it."""

    house: House
    numbers = itertools.count(1)
    steps = itertools.count(1)
    signatures = itertools.count(1)
    amended = itertools.count(1)

    @initialize(drafted=st.booleans(), writer=st.none() | READERS)
    def begin(self, drafted: bool, writer: str | None) -> None:
        number = next(self.numbers)
        self.name = f"machine-{number}"
        self.now = NOW + timedelta(days=number)
        self.writer = "attending"
        self.images = 1
        self.seen: dict[str, Report] = {}
        self.expected: dict[tuple[int, str], tuple[str, Decision]] = {}
        self.superseded: set[int] = set()
        if drafted:
            self.house.drafted(self.name)
        else:
            self.house.undrafted(self.name)
        if writer is not None:
            self.write_until_it_can_be_signed(writer)

    @rule(reader=PEOPLE)
    def open(self, reader: str) -> None:
        try:
            review = reading.open_study(self.house.store, self.house[reader], uid(self.name), now=self.now)
        except Rejected:
            return
        if review.report is not None:
            self.seen[reader] = review.report

    @precondition(lambda self: self.seen)
    @rule(reader=READERS, key=KEYS, text=TEXTS)
    def edit(self, reader: str, key: str, text: str) -> None:
        self._change(
            reader,
            key,
            lambda actor, report_id: reading.edit_sentence(
                self.house.store, actor, report_id, key, text, now=self.now
            ),
        )

    @precondition(lambda self: self.seen)
    @rule(reader=READERS, key=KEYS, accept=st.booleans())
    def decide(self, reader: str, key: str, accept: bool) -> None:
        act = reading.accept_sentence if accept else reading.reject_sentence
        self._change(
            reader, key, lambda actor, report_id: act(self.house.store, actor, report_id, key, now=self.now)
        )

    @precondition(lambda self: self.seen)
    @rule(reader=READERS, section=SECTIONS, text=TEXTS)
    def add(self, reader: str, section: Section, text: str) -> None:
        self._change(
            reader,
            "",
            lambda actor, report_id: reading.add_sentence(
                self.house.store, actor, report_id, section, text, now=self.now
            ),
        )

    @rule(reader=READERS)
    def write_until_it_can_be_signed(self, reader: str) -> None:
        self.writer = reader
        self.draft_again()
        self.open(reader)
        report = self.seen[reader]
        for sentence in report.sentences:
            if sentence.is_unread:
                self.decide(reader, sentence.key, True)
            elif "[" in sentence.text:
                self.edit(reader, sentence.key, "Nodule of 9 mm.")
        for section in Section:
            if not compose_section(self.seen[reader].sentences, section):
                self.add(reader, section, "Normal.")

    @precondition(lambda self: self.seen)
    @rule(reader=PEOPLE, owner=READERS)
    def take_over(self, reader: str, owner: str) -> None:
        report = self.seen.get(reader)
        if report is not None:
            self._try(
                lambda: reading.take_over(
                    self.house.store, self.house[reader], report.report_id, from_user=owner, now=self.now
                )
            )

    @precondition(lambda self: self.seen)
    @rule(stranger=st.none() | PEOPLE, password=st.sampled_from([PASSWORD] * 9 + ["guess"]))
    def sign(self, stranger: str | None, password: str) -> None:
        reader = stranger or self.writer
        report = self.seen.get(reader)
        if report is None:
            return
        before = self.house.report(report.report_id)
        try:
            attestation = signing.sign(
                self.house.store,
                self.house[reader],
                report.report_id,
                version=report.version,
                password=password,
                destinations=[PACS],
                confirmation=self._confirmed(reader, report),
                now=self.now,
            )
        except (Rejected, AuthenticationFailed):
            assert self.house.report(report.report_id) == before
            return
        next(self.signatures)
        assert password == PASSWORD
        assert report.report_id not in self.superseded
        assert before.version == report.version
        signed = json.loads(attestation.text)["sections"]
        assert signed == compose_report(report.sentences)
        final = reader in {"attending", "colleague"}
        state = self.house.report(report.report_id).state
        assert state is (ReportState.SIGNED if final else ReportState.PRELIMINARY)

    @precondition(lambda self: self.seen)
    @rule(reader=PEOPLE, corrects=st.booleans(), looks=st.sampled_from([True, True, False]), text=TEXTS)
    def amend(self, reader: str, corrects: bool, looks: bool, text: str) -> None:
        if looks:
            self.open(reader)
        report = self.seen.get(reader)
        if report is None:
            return
        before = self.house.report(report.report_id)
        how = {"version": report.version, "password": PASSWORD, "destinations": [PACS], "now": self.now}
        try:
            amendment = (
                correct_report(
                    self.house.store,
                    self.house[reader],
                    report.report_id,
                    sections={"findings": text, "impression": "Other."},
                    reason="wrong",
                    **how,  # type: ignore[arg-type]
                )
                if corrects
                else add_addendum(self.house.store, self.house[reader], report.report_id, text=text, **how)  # type: ignore[arg-type]
            )
        except (Rejected, AuthenticationFailed):
            assert self.house.report(report.report_id) == before
            return
        next(self.amended)
        assert reader in {"attending", "colleague"}
        assert before.version == report.version, "somebody else's addendum was not on the screen"
        assert before.state in AMENDABLE
        with self.house.store.begin() as tx:
            signed = tx.reports.amendments.signed_text(report.report_id)
        assert signed is not None
        signed.require_intact()
        assert signed.amendments[-1] == amendment
        assert [a.number for a in signed.amendments] == list(range(1, len(signed.amendments) + 1))
        self.seen[reader] = self.house.report(report.report_id)

    @rule(reader=READERS, between=st.sampled_from(["nothing", "a late image", "a takeover", "a long pause"]))
    def write_and_sign(self, reader: str, between: str) -> None:
        self.write_until_it_can_be_signed(reader)
        if between == "a late image":
            self.receive_a_late_image()
        elif between == "a takeover":
            self.open("colleague")
            self.take_over("colleague", reader)
        elif between == "a long pause":
            self.wait(16)
        self.sign(None, PASSWORD)

    @rule(reader=READERS, corrects=st.booleans(), looks=st.booleans(), text=TEXTS)
    def sign_and_amend(self, reader: str, corrects: bool, looks: bool, text: str) -> None:
        self.write_and_sign(reader, "nothing")
        self.amend(reader, corrects, looks, text)
        for other in ("attending", "colleague"):
            self.amend(other, not corrects, True, "Nodule of 9 mm.")

    @rule(again=st.sampled_from([False, False, True]))
    def draft_what_has_arrived(self, again: bool) -> None:
        if again:
            self.receive_a_late_image()
        self.draft_again()

    def receive_a_late_image(self) -> None:
        self.images += 1
        self.house.receive(image(self.name, self.images), now=self.now)
        self.superseded |= {
            report.report_id
            for report in self.seen.values()
            if self.house.report(report.report_id).state is ReportState.SUPERSEDED
        }

    def draft_again(self) -> None:
        self.now += QUIET
        self.house.complete(now=self.now)
        self.house.draft(
            self.name, revision=self.house.study(self.name).revision, content=draft_of(self.name)
        )

    @rule(minutes=st.sampled_from([1, 16]))
    def wait(self, minutes: int) -> None:
        self.now += timedelta(minutes=minutes)

    @rule(acknowledged=st.booleans())
    def deliver(self, acknowledged: bool) -> None:
        for order_id in self._deliveries():
            order = delivery.load_order(self.house.store, DELIVERER, order_id, now=self.now)
            if order is None:
                continue
            assert all(s.decision in {Decision.ACCEPTED, Decision.EDITED} for s in order.report.sentences)
            if acknowledged:
                delivery.record_sent(self.house.store, DELIVERER, order_id, now=self.now)
            else:
                delivery.record_failed(
                    self.house.store, DELIVERER, order_id, "away", final=False, now=self.now
                )

    @invariant()
    def nothing_leaves_unsigned(self) -> None:
        next(self.steps)
        if not hasattr(self, "name"):
            return
        with self.house.store.begin() as tx:
            reports = [tx.reports.get(s.report_id) for s in tx.reports.summaries(uid(self.name))]
            for report in reports:
                signatures = {
                    a.attestation_id: a for a in tx.reports.attestations.of_report(report.report_id)
                }
                numbers = {a.number for a in tx.reports.amendments.of_report(report.report_id)}
                for sent in tx.deliveries.of_report(report.report_id):
                    assert report.state in FINAL
                    attestation = signatures[sent.attestation_id]
                    assert attestation.role == "attending"
                    assert attestation.verifies()
                    if attestation.meaning is Meaning.FINAL:
                        assert json.loads(attestation.text)["sections"] == compose_report(report.sentences)
                    else:
                        assert json.loads(attestation.text)["number"] in numbers
                    assert sent.state is not DeliveryState.SENT or sent.sent_at is not None
        for report in reports:
            for sentence in report.sentences:
                known = self.expected.get((report.report_id, sentence.key))
                assert known in {None, (sentence.text, sentence.decision)}, "an edit was lost"

    def _change(self, reader: str, key: str, act: object) -> None:
        report = self.seen.get(reader)
        if report is None:
            return
        assert callable(act)
        after = self._try(lambda: act(self.house[reader], report.report_id))
        if isinstance(after, Report):
            assert after.report_id not in self.superseded
            self.seen[reader] = after
            changed = after.sentence(key) if key else after.sentences[-1]
            self.expected[(after.report_id, changed.key)] = (changed.text, changed.decision)

    def _confirmed(self, reader: str, report: Report) -> Confirmation | None:
        """This reader's word for the warnings about the text that they see."""
        confirmed = self._try(lambda: self.house.confirm(reader, report, now=self.now))
        return confirmed if isinstance(confirmed, Confirmation) else None

    def _try(self, act: object) -> object:
        assert callable(act)
        try:
            return act()
        except Rejected:
            return None

    def _deliveries(self) -> list[int]:
        with self.house.store.begin() as tx:
            reports = tx.reports.summaries(uid(self.name))
            return [d.delivery_id for r in reports for d in tx.deliveries.of_report(r.report_id)]


@pytest.mark.covers("T39", "O6", "S1")
@pytest.mark.timeout(3600)
@pytest.mark.parametrize(
    ("examples", "length"),
    [(8, 25), pytest.param(MACHINES, 40, marks=pytest.mark.slow)],
    ids=["quick", "slow"],
)
def test_unsigned_text_never_leaves(house: House, examples: int, length: int) -> None:
    counts = {"steps": itertools.count(1), "amended": itertools.count(1)}
    machine = type("Machine", (ReadingRoom,), {"house": house, **counts})
    signatures = next(ReadingRoom.signatures)
    run_state_machine_as_test(
        machine,
        settings=settings(
            max_examples=examples,
            stateful_step_count=length,
            deadline=None,
            derandomize=True,
            database=None,
            suppress_health_check=list(HealthCheck),
        ),
    )
    signed = next(ReadingRoom.signatures) - signatures - 1
    steps, sent = next(machine.steps) - 1, house.count("deliveries")
    amended = next(machine.amended) - 1
    record(
        "report_state_machine" if length == 40 else "report_state_machine_quick",
        "readers, a resident, late images, a deliverer and a clock in any order (report, lock, delivery)",
        f"{steps:,} steps, {signed:,} signatures, {amended:,} addenda and corrections, {sent:,} deliveries: "
        "nothing left unsigned, no edit lost",
        figures={"steps": steps, "signatures": signed, "amended": amended, "deliveries": sent},
    )
    assert signed, "the machine never came as far as a signature"
    assert amended, "the machine never added anything"
    assert house.count("deliveries")
