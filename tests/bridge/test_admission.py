"""Who gets an association: allow-list, networks, called AE title, caps, and the codes of each refusal."""

from __future__ import annotations

import struct

import pytest

from pacs_bridge import Fatal, ListenerConfig, Peer
from pacs_bridge.admission import Admission, WaitingRoom
from pacs_bridge.received import AssociationFacts
from tests.bridge.peers import RawPeer, association, echo_works, in_parallel, wait_until


def rejection_of(site, **titles):
    peer = RawPeer.connect(site.port)
    assert peer.associate(**titles) == b"\x03"
    peer.close()


def codes(port, calling, called):
    """Result, source and diagnostic of the A-ASSOCIATE-RJ."""
    from tests.bridge.peers import CR, EXPLICIT, associate_rq

    peer = RawPeer.connect(port)
    peer.send(associate_rq(calling, called, [(CR, EXPLICIT)]))
    answer = peer.receive_pdu()
    peer.close()
    assert answer[0] == 3
    return struct.unpack("BBB", answer[7:10])


@pytest.mark.covers("L4")
@pytest.mark.parametrize(
    ("calling", "called", "expected"),
    [
        ("UNKNOWN", "JANUSMED", (1, 1, 3)),
        ("modality1", "JANUSMED", (1, 1, 3)),
        ("MODALITY1", "OTHER", (1, 1, 7)),
        ("ELSEWHERE", "JANUSMED", (1, 1, 3)),
    ],
)
def test_wrong_titles_and_addresses_are_rejected_with_their_code_and_one_alert(
    start_site, calling, called, expected
):
    site = start_site(peers=(Peer("MODALITY1"), Peer("ELSEWHERE", ("10.0.0.0/8",))))
    assert codes(site.port, calling, called) == expected
    assert wait_until(lambda: len(site.events.of("association_rejected")) == 1)
    ((facts, rejection),) = site.events.of("association_rejected")
    assert (facts.calling_ae, facts.source_address) == (calling, "127.0.0.1")
    assert rejection.reason
    assert echo_works(site.port)
    site.listener.stop(0.2)
    assert site.events.of("association_aborted") == []


@pytest.mark.covers("L4")
def test_empty_allow_list_admits_nobody(start_site):
    site = start_site(peers=())
    assert codes(site.port, "MODALITY1", "JANUSMED") == (1, 1, 3)


def test_peer_may_be_bound_to_its_network(start_site):
    site = start_site(peers=(Peer.parse("MODALITY1@127.0.0.0/8,::1/128"),))
    assert echo_works(site.port)


@pytest.mark.parametrize("text", ["", "A" * 17, "X@not-a-network", "X@10.0.0.1/8", " @10.0.0.0/8"])
def test_wrong_allow_list_entries_are_refused(text):
    with pytest.raises(ValueError, match=r"AE title|network|host bits"):
        Peer.parse(text)


def test_mapped_addresses_count_as_ipv4():
    assert Peer("A", ("10.0.0.0/8",)).may_call_from("::ffff:10.1.2.3")
    assert not Peer("A", ("10.0.0.0/8",)).may_call_from("192.168.1.1")
    assert Peer("A", ("fe80::/10",)).may_call_from("fe80::1%eth0")


@pytest.mark.covers("L3")
@pytest.mark.parametrize("cap", [1, 3])
def test_association_over_the_cap_is_rejected_once_and_its_place_is_free_at_once(start_site, cap):
    site = start_site(maximum_associations=cap)
    opened = [RawPeer.connect(site.port) for _ in range(cap)]
    assert [peer.associate() for peer in opened] == [b"\x02"] * cap
    assert codes(site.port, "MODALITY1", "JANUSMED") == (2, 3, 2)
    assert len(site.events.of("association_rejected")) == 1
    opened[0].close()
    assert wait_until(lambda: site.listener.open_associations == cap - 1)
    assert echo_works(site.port)
    for peer in opened:
        peer.close()


@pytest.mark.slow
@pytest.mark.covers("L3")
def test_sixty_fifth_association_is_rejected(site):
    opened = [RawPeer.connect(site.port) for _ in range(64)]
    answers = in_parallel(64, lambda i: opened[i].associate())
    assert answers == [b"\x02"] * 64
    assert codes(site.port, "MODALITY1", "JANUSMED") == (2, 3, 2)
    assert len(site.events.of("association_rejected")) == 1
    for peer in opened:
        peer.close()
    assert wait_until(lambda: site.listener.open_associations == 0)
    assert echo_works(site.port)


def test_cap_per_source_leaves_room_for_others(start_site):
    site = start_site(maximum_associations=4, maximum_per_source=2)
    greedy = [RawPeer.connect(site.port) for _ in range(3)]
    assert [peer.associate() for peer in greedy] == [b"\x02", b"\x02", b"\x03"]
    other = RawPeer.connect(site.port, source="127.0.0.2")
    assert other.associate() == b"\x02"
    for peer in [*greedy, other]:
        peer.close()


@pytest.mark.parametrize("maximum", [0, 1001, -1])
def test_caps_outside_one_to_a_thousand_are_refused(maximum):
    with pytest.raises(Fatal, match="1 to 1000"):
        ListenerConfig(maximum_associations=maximum)


def test_taken_port_is_named(site, start_site):
    with pytest.raises(Fatal, match=f":{site.port}"):
        start_site(port=site.port)


def test_unencrypted_association_of_a_client_without_contexts_harms_nobody(site):
    with association(site.port, contexts=[("1.2.3.4.5", "1.2.840.10008.1.2")]) as assoc:
        assert not assoc.is_established
    assert echo_works(site.port)


class _Connection:
    def __init__(self):
        self.cuts = 0

    def cut(self):
        self.cuts += 1


def test_waiting_room_cuts_the_oldest_of_the_source_that_floods():
    room = WaitingRoom(per_source=2, total=4)
    good, flood = _Connection(), [_Connection() for _ in range(4)]
    room.enter("good", "10.0.0.1", good)
    for number, connection in enumerate(flood):
        room.enter(f"flood{number}", "10.0.0.2", connection)
    assert [c.cuts for c in flood] == [1, 1, 0, 0]
    assert good.cuts == 0


def test_waiting_room_cuts_the_oldest_of_all_when_it_is_full():
    room = WaitingRoom(per_source=2, total=3)
    connections = [_Connection() for _ in range(4)]
    for number, connection in enumerate(connections):
        room.enter(str(number), f"10.0.0.{number}", connection)
    assert [c.cuts for c in connections] == [1, 0, 0, 0]
    room.leave("1")
    room.enter("4", "10.0.0.9", _Connection())
    assert [c.cuts for c in connections] == [1, 0, 0, 0]


def test_released_place_is_counted_once():
    admission = Admission(("US",), [Peer("A")], 1, 1)
    first, second = (AssociationFacts(str(i), "A", "US", "127.0.0.1") for i in range(2))
    assert admission.decide(first) is None
    assert admission.decide(second) is not None
    admission.release("0")
    admission.release("0")
    assert admission.decide(second) is None
