"""Normalized requests reach their service, in both roles; everything else gets the status of PS3.7 Annex C.

Covered: N-ACTION, N-EVENT-REPORT over a selected role, unknown operations and classes, in one process and in
two. Not covered: what a service does.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import pytest
from pydicom.dataset import Dataset
from pydicom.uid import generate_uid
from pynetdicom import AE, build_context, build_role
from pynetdicom.sop_class import StorageCommitmentPushModel as COMMITMENT

from pacs_bridge import Listener, ListenerConfig, ListenerGroup, NormalizedRequest, Peer, SpoolSink
from pacs_bridge.reactor_gate import keep_answers_from_the_reactor
from tests.bridge.conftest import RecordedEvents
from tests.bridge.peers import CALLED, CALLING, CR, EXPLICIT, IMPLICIT

INSTANCE = "1.2.840.10008.1.20.1.1"


@dataclass
class Recording:
    """A service that keeps what it is asked."""

    sop_class_uid: str = str(COMMITMENT)
    status: int = 0x0000
    asked: list[NormalizedRequest] = field(default_factory=list)

    def answer(self, request: NormalizedRequest) -> int:
        self.asked.append(request)
        if self.status < 0:
            raise RuntimeError("broken")
        return self.status


@pytest.fixture(params=[1, pytest.param(2, marks=pytest.mark.slow)])
def served(request, spool):
    service = Recording()
    config = ListenerConfig(peers=(Peer(CALLING),), port=0)
    if request.param == 1:
        listener = Listener(config, SpoolSink(spool), RecordedEvents(), services=[service])
    else:
        listener = ListenerGroup(config, spool, RecordedEvents(), services=[service], processes=2)
    listener.start()
    yield listener, service
    listener.stop(0.2)


def associate(port, role=None):
    ae = AE(CALLING)
    ae.acse_timeout = ae.dimse_timeout = ae.network_timeout = 20
    contexts = [build_context(COMMITMENT, IMPLICIT), build_context(CR, EXPLICIT)]
    assoc = ae.associate("127.0.0.1", port, contexts, ae_title=CALLED, ext_neg=[role] if role else None)
    assert assoc.is_established
    keep_answers_from_the_reactor(assoc)
    return assoc


def information():
    dataset = Dataset()
    dataset.TransactionUID = generate_uid()
    item = Dataset()
    item.ReferencedSOPClassUID, item.ReferencedSOPInstanceUID = CR, "1.2.3"
    dataset.ReferencedSOPSequence = [item]
    return dataset


def test_action_reaches_its_service_and_its_status_the_peer(served):
    listener, service = served
    assoc = associate(listener.port)
    content = information()
    for status in (0x0000, 0x0110):
        service.status = status
        assert assoc.send_n_action(content, 1, COMMITMENT, INSTANCE)[0].Status == status
    assoc.release()
    first = service.asked[0]
    assert (first.command.value, first.type_id, first.sop_instance_uid) == ("N-ACTION", 1, INSTANCE)
    assert first.content == content
    assert first.association.calling_ae == CALLING


def test_service_that_fails_is_answered_with_processing_failure(served):
    listener, service = served
    service.status = -1
    assoc = associate(listener.port)
    assert assoc.send_n_action(information(), 1, COMMITMENT, INSTANCE)[0].Status == 0x0110
    assert assoc.send_n_action(information(), 1, COMMITMENT, INSTANCE)[0].Status == 0x0110
    assoc.release()


def test_event_report_of_a_peer_that_is_provider_reaches_the_service(served):
    listener, service = served
    assoc = associate(listener.port, build_role(COMMITMENT, scu_role=False, scp_role=True))
    context = next(cx for cx in assoc.accepted_contexts if cx.abstract_syntax == COMMITMENT)
    assert context.as_scp
    assert assoc.send_n_event_report(information(), 2, COMMITMENT, INSTANCE)[0].Status == 0x0000
    assoc.release()
    (asked,) = service.asked
    assert (asked.command.value, asked.type_id) == ("N-EVENT-REPORT", 2)


def test_other_operations_and_classes_are_refused_with_their_status(served):
    listener, service = served
    assoc = associate(listener.port)
    assert assoc.send_n_get([(0x0008, 0x0016)], COMMITMENT, INSTANCE)[0].Status == 0x0211
    assert assoc.send_n_create(information(), COMMITMENT, INSTANCE)[0].Status == 0x0211
    assert assoc.send_n_action(information(), 1, CR, INSTANCE, meta_uid=CR)[0].Status == 0x0122
    assert assoc.send_n_action(None, 1, COMMITMENT, INSTANCE)[0].Status == 0x0000
    assoc.release()
    assert len(service.asked) == 1
    assert list(service.asked[0].content) == []
