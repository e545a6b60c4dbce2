"""Presentation context negotiation of an acceptor (PS3.8 9.3.3.2, PS3.7 D.3)."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass

from pacs_bridge.admission import Rejection
from pacs_bridge.pdu import AssociateRequest, ContextResult, ProposedContext, Role

APPLICATION_CONTEXT = "1.2.840.10008.3.1.1.1"
UNKNOWN_VERSION = Rejection(1, 2, 2, "protocol version is not supported")
UNKNOWN_APPLICATION = Rejection(1, 1, 2, "application context name is not supported")
ACCEPTED = 0
ABSTRACT_SYNTAX_NOT_SUPPORTED = 3
TRANSFER_SYNTAXES_NOT_SUPPORTED = 4


@dataclass(frozen=True)
class AcceptedContext:
    """A presentation context that both sides may use."""

    abstract_syntax: str
    transfer_syntax: str


@dataclass(frozen=True)
class Agreement:
    """What was negotiated: the answers in the order of the identifiers, and what they permit."""

    results: tuple[ContextResult, ...]
    roles: tuple[Role, ...]
    accepted: Mapping[int, AcceptedContext]


def unsupported(request: AssociateRequest) -> Rejection | None:
    """Return why a request is none that we understand, whoever sends it (PS3.8 9.3.2, 9.3.4)."""
    if not request.protocol_version & 1:
        return UNKNOWN_VERSION
    return None if request.application_context == APPLICATION_CONTEXT else UNKNOWN_APPLICATION


def negotiate(
    request: AssociateRequest, offered: Mapping[str, tuple[str, ...]], both_roles: Collection[str] = ()
) -> Agreement:
    """Answer the proposed contexts and role selections.

    Parameters
    ----------
    offered
        Transfer syntaxes by abstract syntax, those that we prefer first.
    both_roles
        SOP classes in which the requestor may be SCU, SCP or both (PS3.7 D.3.3.4). Others keep the default:
        the requestor is the SCU, and its role selection is left unanswered.
    """
    results = tuple(
        _answer(context, offered) for context in sorted(request.contexts, key=lambda c: c.context_id)
    )
    by_id = {context.context_id: context for context in request.contexts}
    accepted = {
        result.context_id: AcceptedContext(by_id[result.context_id].abstract_syntax, result.transfer_syntax)
        for result in results
        if result.result == ACCEPTED
    }
    usable = {context.abstract_syntax for context in accepted.values()}
    roles = {role.sop_class_uid: role for role in request.roles if role.sop_class_uid in both_roles}
    agreed = tuple(role for uid, role in sorted(roles.items()) if uid in usable)
    return Agreement(results, agreed, accepted)


def _answer(context: ProposedContext, offered: Mapping[str, tuple[str, ...]]) -> ContextResult:
    """Take the first of our syntaxes that is proposed; what a refused context names means nothing."""
    ours = offered.get(context.abstract_syntax)
    first = context.transfer_syntaxes[0]
    if ours is None:
        return ContextResult(context.context_id, ABSTRACT_SYNTAX_NOT_SUPPORTED, first)
    for syntax in ours:
        if syntax in context.transfer_syntaxes:
            return ContextResult(context.context_id, ACCEPTED, syntax)
    return ContextResult(context.context_id, TRANSFER_SYNTAXES_NOT_SUPPORTED, first)
