"""The coded headings of a report and our own concepts around it: one table."""

from __future__ import annotations

from pacs_bridge.results.report_content import Code

# heading: (concept of the container, CID 7001; concept of its text, CID 7002)
HEADINGS = {
    "history": (Code("121060", "DCM", "History"), Code("121060", "DCM", "History")),
    "indication": (
        Code("121109", "DCM", "Indications for Procedure"),
        Code("121109", "DCM", "Indications for Procedure"),
    ),
    "technique": (
        Code("121064", "DCM", "Current Procedure Descriptions"),
        Code("121065", "DCM", "Procedure Description"),
    ),
    "comparison": (
        Code("121068", "DCM", "Previous Findings"),
        Code("121069", "DCM", "Previous Finding"),
    ),
    "findings": (Code("121070", "DCM", "Findings"), Code("121071", "DCM", "Finding")),
    "impression": (Code("121072", "DCM", "Impressions"), Code("121073", "DCM", "Impression")),
    "recommendation": (
        Code("121074", "DCM", "Recommendations"),
        Code("121075", "DCM", "Recommendation"),
    ),
    "addendum": (Code("121078", "DCM", "Addendum"), Code("121078", "DCM", "Addendum")),
    "correction": (Code("JM0005", "99JANUSMED", "Correction"), Code("JM0005", "99JANUSMED", "Correction")),
    "replaced text": (
        Code("JM0006", "99JANUSMED", "Replaced text"),
        Code("JM0006", "99JANUSMED", "Replaced text"),
    ),
}
ALGORITHM_SECTION = Code("JM0001", "99JANUSMED", "Drafting algorithm")
ALGORITHM_STATEMENT = Code("JM0002", "99JANUSMED", "Statement on the drafting algorithm")
ATTESTATION_SECTION = Code("JM0003", "99JANUSMED", "Attestation")
ATTESTATION = Code("JM0004", "99JANUSMED", "Signature")
SOURCE_IMAGE = Code("121080", "DCM", "Best illustration of finding")
