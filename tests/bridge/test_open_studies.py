"""Which studies are carried by open associations: the ground that study completion stands on."""

from __future__ import annotations

import pytest

from tests.bridge.peers import association, encode, radiograph, store, wait_until


@pytest.mark.covers("L11")
def test_study_is_open_while_any_association_that_carried_it_is(site):
    first, second = radiograph(), radiograph()
    second.StudyInstanceUID = first.StudyInstanceUID
    other = radiograph()
    assert site.listener.open_studies() == frozenset()
    with association(site.port) as one:
        assert site.listener.open_studies() == frozenset()
        assert store(one, encode(first), first.SOPInstanceUID) == 0x0000
        assert site.listener.open_studies() == {first.StudyInstanceUID}
        with association(site.port) as two:
            assert store(two, encode(second), second.SOPInstanceUID) == 0x0000
            assert store(two, encode(other), other.SOPInstanceUID) == 0x0000
            assert site.listener.open_studies() == {first.StudyInstanceUID, other.StudyInstanceUID}
        assert wait_until(lambda: site.listener.open_studies() == {first.StudyInstanceUID})
    assert wait_until(lambda: site.listener.open_studies() == frozenset())
    assert wait_until(lambda: len(site.events.of("association_closed")) == 2)


@pytest.mark.covers("L11")
@pytest.mark.parametrize("end", ["abort", "lost"])
def test_study_of_an_association_that_dies_is_open_no_more(site, end):
    dataset = radiograph()
    with association(site.port) as assoc:
        assert store(assoc, encode(dataset), dataset.SOPInstanceUID) == 0x0000
        assert site.listener.open_studies() == {dataset.StudyInstanceUID}
        if end == "abort":
            assoc.abort()
        else:
            assoc.dul.socket.socket.shutdown(2)
        assert wait_until(lambda: site.listener.open_studies() == frozenset())


@pytest.mark.covers("L11")
def test_study_is_open_before_its_instance_can_be_seen_by_intake(site, monkeypatch):
    accept = site.listener._sink.accept
    seen = []

    def watch(instance, header):
        seen.append(site.listener.open_studies())
        return accept(instance, header)

    monkeypatch.setattr(site.listener._sink, "accept", watch)
    dataset = radiograph()
    with association(site.port) as assoc:
        assert store(assoc, encode(dataset), dataset.SOPInstanceUID) == 0x0000
    assert seen == [{dataset.StudyInstanceUID}]


def test_refused_instance_opens_no_study(site):
    dataset = radiograph()
    with association(site.port) as assoc:
        assert store(assoc, encode(dataset), "1.2.3") == 0xA900
        assert site.listener.open_studies() == frozenset()
