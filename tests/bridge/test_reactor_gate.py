"""The answer to a request reaches the request, however the two threads of an association are scheduled.

Covered: a reactor that stands between its checkpoint and its queue when the request begins. Not covered: what
pynetdicom does with two requests at once.
"""

from __future__ import annotations

import time
from typing import Any

import pytest
from pynetdicom import AE

from pacs_bridge.reactor_gate import keep_answers_from_the_reactor
from tests.bridge.peers import CALLED, CALLING

VERIFICATION = "1.2.840.10008.1.1"


@pytest.fixture
def unlucky(site: Any) -> Any:
    """An association whose reactor loses the processor just before it looks at its queue."""
    ae = AE(CALLING)
    ae.acse_timeout = ae.dimse_timeout = ae.network_timeout = 1.0
    ae.add_requested_context(VERIFICATION)
    assoc = ae.associate("127.0.0.1", site.port, ae_title=CALLED)
    assert assoc.is_established
    yield assoc
    if assoc.is_established:
        assoc.release()


def be_unlucky(assoc: Any) -> None:
    """Stop the reactor behind its checkpoint, and the request between its sending and its waiting."""
    passed, send = assoc._reactor_checkpoint.wait, assoc.dimse.send_msg

    def wait(timeout: float | None = None) -> bool:
        result: bool = passed(timeout)
        time.sleep(0.1)
        return result

    def send_msg(*arguments: Any) -> None:
        send(*arguments)
        time.sleep(0.4)

    assoc._reactor_checkpoint.wait, assoc.dimse.send_msg = wait, send_msg
    time.sleep(0.05)


def test_pynetdicom_alone_loses_the_answer(unlucky: Any) -> None:
    be_unlucky(unlucky)
    assert "Status" not in unlucky.send_c_echo()


def test_request_keeps_its_answer(unlucky: Any) -> None:
    keep_answers_from_the_reactor(unlucky)
    be_unlucky(unlucky)
    for _ in range(5):
        assert unlucky.send_c_echo().Status == 0x0000


def test_reactor_goes_on_behind_a_request(unlucky: Any) -> None:
    keep_answers_from_the_reactor(unlucky)
    assert unlucky.send_c_echo().Status == 0x0000
    time.sleep(1.5)
    assert unlucky.is_aborted, "the reactor no longer sees the network time-out"
