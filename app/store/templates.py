"""Templates of reports and the department's macros: every version stays, the latest is in force."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import func, select
from sqlalchemy.dialects.postgresql import distinct_on
from sqlalchemy.orm import Session

from app.domain.errors import NotFound
from app.domain.macro import Macro, MacroVersion
from app.domain.report import Section
from app.domain.template import ReportTemplate, TemplateContent
from app.store.tables_templates import MacroRow, TemplateRow

_LOCK = func.pg_advisory_xact_lock(func.hashtext("report templates"))


class Templates:
    """Templates and macros as part of one unit of work."""

    def __init__(self, session: Session) -> None:
        self._session = session

    def lock(self) -> None:
        """Let one writer at a time decide what the next version is."""
        self._session.execute(select(_LOCK))

    def current(self) -> tuple[ReportTemplate, ...]:
        """Return the version in force of every template, in the order in which they were made."""
        latest = select(TemplateRow).ext(distinct_on(TemplateRow.template_id))
        ordered = latest.order_by(TemplateRow.template_id, TemplateRow.version.desc())
        return tuple(_as_template(row) for row in self._session.scalars(ordered))

    def get(self, template_id: int) -> ReportTemplate:
        """Return a template as it is in force; `NotFound` when there is none."""
        versions = self.versions(template_id)
        if not versions:
            raise NotFound(f"there is no template {template_id}")
        return versions[0]

    def versions(self, template_id: int) -> tuple[ReportTemplate, ...]:
        """Return every version of a template, the newest first."""
        wanted = select(TemplateRow).where(TemplateRow.template_id == template_id)
        rows = self._session.scalars(wanted.order_by(TemplateRow.version.desc()))
        return tuple(_as_template(row) for row in rows)

    def add(
        self, content: TemplateContent, *, username: str, now: datetime, template_id: int | None = None
    ) -> ReportTemplate:
        """Add a version; without an id, of a new template."""
        if template_id is None:
            template_id = (self._session.scalar(select(func.max(TemplateRow.template_id))) or 0) + 1
        last = select(func.max(TemplateRow.version)).where(TemplateRow.template_id == template_id)
        row = TemplateRow(
            template_id=template_id,
            version=(self._session.scalar(last) or 0) + 1,
            name=content.name,
            language=content.language,
            modality=content.modality,
            body_part=content.body_part,
            sections={section.value: list(lines) for section, lines in content.sections.items()},
            is_active=content.is_active,
            username=username,
            at=now,
        )
        self._session.add(row)
        self._session.flush()
        return _as_template(row)

    def macros(self) -> tuple[Macro, ...]:
        """Return the department's macros by name."""
        return tuple(Macro(one.name, one.text) for one in self.macro_versions() if one.text)

    def macro_versions(self) -> tuple[MacroVersion, ...]:
        """Return the last version of every macro, also of the removed ones."""
        latest = select(MacroRow).ext(distinct_on(MacroRow.name))
        rows = self._session.scalars(latest.order_by(MacroRow.name, MacroRow.version.desc()))
        return tuple(MacroVersion(row.name, row.version, row.text, row.username, row.at) for row in rows)

    def put_macro(self, name: str, text: str, *, username: str, now: datetime) -> int:
        """Add a version of a macro and return its number."""
        last = self._session.scalar(select(func.max(MacroRow.version)).where(MacroRow.name == name)) or 0
        self._session.add(MacroRow(name=name, version=last + 1, text=text, username=username, at=now))
        self._session.flush()
        return last + 1


def _as_template(row: TemplateRow) -> ReportTemplate:
    content = TemplateContent(
        name=row.name,
        language=row.language,
        modality=row.modality,
        body_part=row.body_part,
        sections={
            section: tuple(row.sections[section.value])
            for section in Section
            if section.value in row.sections
        },
        is_active=row.is_active,
    )
    return ReportTemplate(row.template_id, row.version, content, row.username, row.at)
