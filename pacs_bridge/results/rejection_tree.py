"""The content tree of a rejection note (PS3.16 TID 2010): title, observer, explanation, the objects."""

from __future__ import annotations

from highdicom.sr import (
    CompositeContentItem,
    ContainerContentItem,
    ContentItem,
    ImageContentItem,
    TextContentItem,
)
from pydicom.dataset import Dataset

from pacs_bridge.results.rejection_note import TITLES, RejectionContent
from pacs_bridge.results.report_content import Code, SourceInstance
from pacs_bridge.results.report_tree import coded, person_observer

# the roots of the SR, presentation state and encapsulated document classes (PS3.4 B.5)
_DOCUMENTS = tuple(f"1.2.840.10008.5.1.4.1.1.{branch}." for branch in (88, 11, 104))
DESCRIPTION = Code("113012", "DCM", "Key Object Description")


def rejection_tree(content: RejectionContent) -> Dataset:
    """Return the root container of TID 2010."""
    title = coded(TITLES[content.reason])
    root = ContainerContentItem(title, template_id="2010")
    items: list[ContentItem] = list(person_observer(content.observer))
    if content.explanation:
        items.append(TextContentItem(coded(DESCRIPTION), content.explanation, "CONTAINS"))
    items += [_object(instance) for instance in content.rejected]
    root.ContentSequence = items
    for item in root.ContentSequence[-len(content.rejected) :]:
        del item.ConceptNameCodeSequence
    return root


def _object(instance: SourceInstance) -> ContentItem:
    """Refer to one object; TID 2010 refers without a concept name, which highdicom wants at first."""
    kind = CompositeContentItem if is_document(instance.sop_class_uid) else ImageContentItem
    return kind(
        coded(Code("121080", "DCM", "Best illustration of finding")),
        instance.sop_class_uid,
        instance.sop_instance_uid,
        relationship_type="CONTAINS",
    )


def is_document(sop_class_uid: str) -> bool:
    """Whether a class is neither image nor waveform: SR, presentation state or encapsulated document."""
    return sop_class_uid.startswith(_DOCUMENTS)
