"""The department's templates and macros: listed, edited as new versions, installed at the first start."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime

from app.domain.access import Action, Actor, service_actor
from app.domain.audit import AuditEvent, AuditFact
from app.domain.errors import Conflict, NotFound
from app.domain.macro import MacroVersion, tidy_macro
from app.domain.shipped_templates import SHIPPED
from app.domain.template import ReportTemplate, TemplateContent
from app.services.permission import permit
from app.store.engine import Store
from app.store.unit_of_work import UnitOfWork


def list_templates(store: Store, actor: Actor, *, now: datetime) -> tuple[ReportTemplate, ...]:
    """Return every template as it is in force, for whoever edits them.

    Raises
    ------
    NotAuthorised
    """
    permit(store, actor, Action.MANAGE_TEMPLATES, now=now)
    with store.begin() as tx:
        return tx.templates.current()


def template_versions(
    store: Store, actor: Actor, template_id: int, *, now: datetime
) -> tuple[ReportTemplate, ...]:
    """Return every version of a template, the newest first.

    Raises
    ------
    NotAuthorised
    """
    permit(store, actor, Action.MANAGE_TEMPLATES, now=now)
    with store.begin() as tx:
        return tx.templates.versions(template_id)


def usable_templates(store: Store, actor: Actor, *, now: datetime) -> tuple[ReportTemplate, ...]:
    """Return the active templates, for a reader to choose another one.

    Raises
    ------
    NotAuthorised
    """
    permit(store, actor, Action.EDIT_REPORT, now=now)
    with store.begin() as tx:
        return tuple(template for template in tx.templates.current() if template.content.is_active)


def add_template(store: Store, actor: Actor, content: TemplateContent, *, now: datetime) -> ReportTemplate:
    """Keep a new template.

    Raises
    ------
    NotAuthorised
    Rejected
        Naming every mistake in it, a line each.
    """
    permit(store, actor, Action.MANAGE_TEMPLATES, now=now)
    content = content.tidied()
    with store.begin() as tx:
        tx.templates.lock()
        template = tx.templates.add(content, username=actor.username, now=now)
        _record(tx, actor, template, now)
        return template


def edit_template(
    store: Store, actor: Actor, template_id: int, content: TemplateContent, *, version: int, now: datetime
) -> ReportTemplate:
    """Keep a new version of a template; reports that began with an earlier one keep their text.

    Parameters
    ----------
    version
        The version that was edited.

    Raises
    ------
    NotAuthorised, NotFound, Rejected
        As `add_template`.
    Conflict
        If somebody else has edited it meanwhile, or nothing is changed.
    """
    permit(store, actor, Action.MANAGE_TEMPLATES, now=now)
    content = content.tidied()
    with store.begin() as tx:
        tx.templates.lock()
        before = tx.templates.get(template_id)
        if before.version != version:
            raise Conflict(
                f"{before.username} has edited the template meanwhile: open version {before.version}"
            )
        if before.content == content:
            raise Conflict("nothing is changed")
        template = tx.templates.add(content, username=actor.username, now=now, template_id=template_id)
        _record(tx, actor, template, now)
        return template


def switch_template(
    store: Store, actor: Actor, template_id: int, *, is_active: bool, now: datetime
) -> ReportTemplate:
    """Put a template into use, or out of it: that is a version as well.

    Raises
    ------
    NotAuthorised, NotFound
    """
    permit(store, actor, Action.MANAGE_TEMPLATES, now=now)
    with store.begin() as tx:
        tx.templates.lock()
        before = tx.templates.get(template_id)
        if before.content.is_active is is_active:
            return before
        content = replace(before.content, is_active=is_active)
        template = tx.templates.add(content, username=actor.username, now=now, template_id=template_id)
        _record(tx, actor, template, now)
        return template


def department_macros(store: Store, actor: Actor, *, now: datetime) -> tuple[MacroVersion, ...]:
    """Return the last version of every macro of the department, for whoever edits them.

    Raises
    ------
    NotAuthorised
    """
    permit(store, actor, Action.MANAGE_TEMPLATES, now=now)
    with store.begin() as tx:
        return tuple(macro for macro in tx.templates.macro_versions() if macro.text)


def save_department_macro(store: Store, actor: Actor, name: str, text: str, *, now: datetime) -> None:
    """Keep a macro for everybody.

    Raises
    ------
    NotAuthorised, Rejected
    """
    permit(store, actor, Action.MANAGE_TEMPLATES, now=now)
    name, text = tidy_macro(name, text)
    _put_macro(store, actor, name, text, now)


def remove_department_macro(store: Store, actor: Actor, name: str, *, now: datetime) -> None:
    """Take a macro away from everybody; what it was stays on record.

    Raises
    ------
    NotAuthorised, NotFound
    """
    permit(store, actor, Action.MANAGE_TEMPLATES, now=now)
    with store.begin() as tx:
        if name not in {macro.name for macro in tx.templates.macros()}:
            raise NotFound(f"there is no macro {name[:30]!r}")
    _put_macro(store, actor, name, "", now)


def install_shipped(store: Store, *, now: datetime) -> int:
    """Keep the shipped templates where there is none at all, and return how many were installed."""
    actor = service_actor("reading room")
    with store.begin() as tx:
        tx.templates.lock()
        if tx.templates.current():
            return 0
        for content in SHIPPED:
            _record(tx, actor, tx.templates.add(content.tidied(), username=actor.username, now=now), now)
    return len(SHIPPED)


def _put_macro(store: Store, actor: Actor, name: str, text: str, now: datetime) -> None:
    with store.begin() as tx:
        tx.templates.lock()
        version = tx.templates.put_macro(name, text, username=actor.username, now=now)
        detail = {"version": version, "length": len(text)}
        tx.audit.append(AuditFact(event=AuditEvent.MACRO_CHANGED, actor=actor, at=now, detail=detail))


def _record(tx: UnitOfWork, actor: Actor, template: ReportTemplate, now: datetime) -> None:
    detail = {
        "template_id": template.template_id,
        "version": template.version,
        "is_active": template.content.is_active,
    }
    tx.audit.append(AuditFact(event=AuditEvent.TEMPLATE_CHANGED, actor=actor, at=now, detail=detail))
