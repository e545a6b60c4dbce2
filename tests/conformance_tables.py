"""Writes the tables of `docs/conformance.md` from what the listener negotiates."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from functools import partial

from pydicom.uid import UID

from app.workers.audit_forms import EVENT_FORMS
from pacs_bridge.listener_config import VERIFICATION, supported_contexts
from pacs_bridge.results import finding_codes
from pacs_bridge.results.report_content import Code
from pacs_bridge.results.report_headings import (
    ALGORITHM_SECTION,
    ALGORITHM_STATEMENT,
    ATTESTATION,
    ATTESTATION_SECTION,
    HEADINGS,
)
from pacs_bridge.results.report_states import WIRE_STATES
from tests.generated import DOCS, publish, replace_part
from tests.result_tables import (
    KINDS,
    render_attributes,
    render_common_attributes,
    render_findings,
    render_rejection_titles,
)

CONFORMANCE = DOCS / "conformance.md"


def render_transfer_syntaxes() -> str:
    """Return the transfer syntaxes that the listener accepts for storage, preferred ones first."""
    storage = next(context for context in supported_contexts() if context.abstract_syntax != VERIFICATION)
    rows = [f"| {UID(syntax).name} | `{syntax}` |" for syntax in storage.transfer_syntax]
    return "\n".join(["| transfer syntax | UID |", "|---|---|", *rows])


def render_storage_classes() -> str:
    """Return the SOP classes that the listener accepts, by name."""
    classes = sorted(
        (UID(context.abstract_syntax).name, context.abstract_syntax)
        for context in supported_contexts()
        if context.abstract_syntax != VERIFICATION
    )
    return "\n".join(
        ["| SOP class | UID |", "|---|---|", *(f"| {name} | `{uid}` |" for name, uid in classes)]
    )


def render_report_flags() -> str:
    """Return what each state of a report is called in the document, in HL7 and in FHIR."""
    rows = [
        f"| {state.value} | {' / '.join(wire.sr_flags or ['rejection note'])} "
        f"| {wire.result_status or 'not sent'} | {wire.report_status or 'not sent'} |"
        for state, wire in WIRE_STATES.items()
    ]
    head = (
        "| state | Completion / Verification / Preliminary Flag | OBR-25, OBX-11 | DiagnosticReport.status |"
    )
    return "\n".join([head, "|---|---|---|---|", *rows])


def render_report_headings() -> str:
    """Return the coded concepts of each section."""
    rows = [f"| {name} | {_code(heading)} | {_code(text)} |" for name, (heading, text) in HEADINGS.items()]
    return "\n".join(["| section | container | text |", "|---|---|---|", *rows])


def render_private_codes() -> str:
    """Return our own codes."""
    known = [code for code in vars(finding_codes).values() if isinstance(code, Code)]
    known += [code for code, _ in finding_codes.FINDINGS.values()]
    known += [ALGORITHM_SECTION, ALGORITHM_STATEMENT, ATTESTATION_SECTION, ATTESTATION]
    known += [code for pair in HEADINGS.values() for code in pair]
    private = {code.value: code.meaning for code in known if code.scheme == finding_codes.SCHEME}
    rows = [f"| {value} | {private[value]} |" for value in sorted(private)]
    return "\n".join(["| code | meaning |", "|---|---|", *rows])


def render_audit_messages() -> str:
    """Return how each event of the audit log is told."""
    rows = [
        f"| {event.value} | {form.event.value} {form.event.meaning} | {form.action.value} | "
        f"{f'{form.event_type.value} {form.event_type.meaning}' if form.event_type else ''} |"
        for event, form in EVENT_FORMS.items()
    ]
    return "\n".join(["| event | EventID | action | EventTypeCode |", "|---|---|---|---|", *rows])


def _code(code: Code) -> str:
    return f"({code.value}, {code.scheme}, {code.meaning})"


PARTS = {
    "transfer syntaxes": render_transfer_syntaxes,
    "storage classes": render_storage_classes,
    "report flags": render_report_flags,
    "report headings": render_report_headings,
    "private codes": render_private_codes,
    "audit messages": render_audit_messages,
    "common attributes": render_common_attributes,
    "finding codes": render_findings,
    "rejection titles": render_rejection_titles,
    **{f"attributes of {name}": partial(render_attributes, kind) for kind, name in KINDS.items()},
}


def main(arguments: Sequence[str]) -> int:
    """Write the tables, or with `--check` say whether the committed ones are up to date."""
    document = CONFORMANCE.read_text()
    for name, render in PARTS.items():
        document = replace_part(document, name, render())
    return publish(CONFORMANCE, document, check="--check" in arguments)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
