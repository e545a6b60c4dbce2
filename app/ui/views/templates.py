"""The department's templates and macros: listed, previewed, edited as new versions, switched on and off."""

from __future__ import annotations

import streamlit as st

from app.domain.errors import Rejected
from app.domain.macro import LONGEST_TEXT
from app.domain.report import Section
from app.domain.template import PLACEHOLDERS, ReportTemplate, TemplateContent
from app.services import templates
from app.ui.session import Visit
from app.ui.views.frame import show_head
from app.ui.views.operations_page import attempt, utc
from app.ui.views.plain import plain
from app.ui.words import say

_NEW = 0


def show(visit: Visit) -> None:
    """Show every template, one of them to edit, and the macros of the department."""
    show_head(visit, "templates")
    known = templates.list_templates(visit.room.store, visit.actor, now=visit.now)
    st.dataframe([_line(template) for template in known], hide_index=True, key="templates_table")
    by_number = {template.template_id: template for template in known}
    chosen = st.selectbox(
        say("Template"),
        [*by_number, _NEW],
        format_func=lambda number: by_number[number].content.name if number else say("A new one"),
        key="templates_chosen",
    )
    template = by_number.get(chosen)
    edit, preview = st.columns(2)
    with edit:
        content = _edit(visit, template)
    with preview:
        _preview(content)
    if template is not None:
        _switch(visit, template)
        _show_versions(visit, template)
    st.subheader(say("Macros of the department"), anchor=False)
    _macros(visit)


def _line(template: ReportTemplate) -> dict[str, object]:
    content = template.content
    return {
        say("Name"): content.name,
        say("Language"): content.language,
        say("Modality"): content.modality or say("any"),
        say("Body part"): content.body_part or say("any"),
        say("In use"): say("yes") if content.is_active else say("no"),
        say("Version"): template.version,
        say("Changed by"): template.username,
        say("At (UTC)"): utc(template.at),
    }


def _edit(visit: Visit, template: ReportTemplate | None) -> TemplateContent:
    """Show the fields of a template and return what they say now; what is typed belongs to its version."""
    before = template.content if template else TemplateContent("", "en", "", "", {})
    mark = f"{template.template_id}_{template.version}" if template else "new"
    name = st.text_input(say("Name"), value=before.name, key=f"templates_name_{mark}", max_chars=80)
    language, modality, part = st.columns(3)
    content = TemplateContent(
        name=name,
        language=language.text_input(say("Language"), value=before.language, key=f"templates_lang_{mark}"),
        modality=modality.text_input(
            say("Modality (empty: any)"), value=before.modality, key=f"templates_modality_{mark}"
        ),
        body_part=part.text_input(
            say("Body part (empty: any)"), value=before.body_part, key=f"templates_part_{mark}"
        ),
        sections={
            section: tuple(
                st.text_area(
                    say(section.value.capitalize()),
                    value="\n".join(before.sections.get(section, ())),
                    key=f"templates_{section.value}_{mark}",
                    height=160 if section is Section.FINDINGS else 80,
                ).splitlines()
            )
            for section in Section
        },
        is_active=before.is_active,
    )
    st.caption(
        say(
            "One sentence a line. [side] is a field, [none|mild] a choice by key. From the study: {names}.",
            names=", ".join(f"{{{name}}}" for name in PLACEHOLDERS),
        )
    )
    if st.button(say("Save as a new version"), type="primary", key="templates_save"):
        _save(visit, template, content)
    return content


def _save(visit: Visit, template: ReportTemplate | None, content: TemplateContent) -> None:
    def act() -> None:
        if template is None:
            templates.add_template(visit.room.store, visit.actor, content, now=visit.now)
        else:
            templates.edit_template(
                visit.room.store,
                visit.actor,
                template.template_id,
                content,
                version=template.version,
                now=visit.now,
            )

    attempt(act)


def _preview(content: TemplateContent) -> None:
    """Show the template as an editor will, or everything that is wrong with it."""
    try:
        tidy = content.tidied()
    except Rejected as error:
        for line in str(error).splitlines():
            st.error(plain(line))
        return
    with st.container(border=True, key="templates_preview"):
        for section, lines in tidy.sections.items():
            st.markdown(f"**{say(section.value.capitalize())}**")
            st.text("\n".join(lines))


def _switch(visit: Visit, template: ReportTemplate) -> None:
    is_active = template.content.is_active
    label = say("Take out of use") if is_active else say("Put into use")
    if st.button(label, key="templates_switch"):
        attempt(
            lambda: templates.switch_template(
                visit.room.store,
                visit.actor,
                template.template_id,
                is_active=not is_active,
                now=visit.now,
            )
        )


def _show_versions(visit: Visit, template: ReportTemplate) -> None:
    with st.expander(say("Earlier versions")):
        versions = templates.template_versions(
            visit.room.store, visit.actor, template.template_id, now=visit.now
        )
        for version in versions[1:]:
            st.text(f"{version.version}: {version.username}, {utc(version.at)}")
            for section, lines in version.content.sections.items():
                st.text(f"{section.value.upper()}\n" + "\n".join(lines))
        if len(versions) == 1:
            st.write(say("There is none."))


def _macros(visit: Visit) -> None:
    known = templates.department_macros(visit.room.store, visit.actor, now=visit.now)
    if known:
        st.dataframe(
            [{say("Name"): f".{macro.name}", say("Text"): macro.text} for macro in known],
            hide_index=True,
            key="templates_macros",
        )
    with st.form("templates_macro", clear_on_submit=True):
        name = st.text_input(say("Name of the macro"), max_chars=30, key="templates_macro_name")
        text = st.text_area(say("Text of the macro"), max_chars=LONGEST_TEXT, key="templates_macro_text")
        keeps = st.form_submit_button(say("Keep the macro"), type="primary")
        removes = st.form_submit_button(say("Remove the macro"))
    store, actor = visit.room.store, visit.actor
    if keeps:
        attempt(lambda: templates.save_department_macro(store, actor, name, text, now=visit.now))
    elif removes:
        attempt(
            lambda: templates.remove_department_macro(
                store, actor, name.strip().removeprefix(".").lower(), now=visit.now
            )
        )
