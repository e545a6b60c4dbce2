"""What the demo shows: each step with its time, then where to click, or a summary."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager

from rich.console import Console
from rich.panel import Panel
from rich.table import Table

from app.demo_settings import PASSWORD, USERS, DemoPlan
from app.demo_studies import DemoStudy
from app.demo_walk import AuditResult, SignedReport
from app.domain.study import Study, StudyState


class Page:
    """The terminal of the person who watches."""

    def __init__(self) -> None:
        self.console = Console(highlight=False)
        self.seconds: dict[str, float] = {}

    @contextmanager
    def step(self, title: str) -> Iterator[None]:
        """Show that something is going on, and how long it took."""
        began = time.monotonic()
        with self.console.status(f"{title} ..."):
            yield
        self.seconds[title] = time.monotonic() - began
        self.console.print(f"[green]done[/]  {title}  [dim]{self.seconds[title]:.1f} s[/]")

    def say(self, text: str) -> None:
        """Show a line."""
        self.console.print(text)

    def show_way_in(self, plan: DemoPlan, studies: Sequence[DemoStudy], total: float) -> None:
        """Show address, users and what to click."""
        users = Table(box=None, pad_edge=False)
        for heading in ("user", "password", "for"):
            users.add_column(heading, style="bold" if heading == "user" else "")
        for user in USERS:
            users.add_row(user.username, PASSWORD, user.purpose)
        settings = plan.settings
        self.console.print(
            Panel.fit(
                f"[bold]http://{settings.ui_host}:{settings.ui_port}[/]",
                title=f"Janus-Med is ready ({total:.0f} s)",
            )
        )
        self.console.print(users)
        self.console.print(
            "\n1. Log in as [bold]attending[/] and open the chest radiograph.\n"
            "2. Choose a sentence to see its region; accept, edit or reject each one.\n"
            "3. Sign with the password. The report goes to the PACS as DICOM SR.\n"
            "4. Log in as [bold]auditor[/] to see who did what, and export it.\n"
        )
        self.console.print(
            "Send your own: /usr/bin/storescu "
            f"-aec {settings.ae_title} 127.0.0.1 {settings.dicom_port} FILE\n"
            f"The other studies: {', '.join(f'{s.title} ({s.expected})' for s in studies[1:])}\n"
            f"The PACS keeps what it gets in {plan.pacs_folder}; logs are in {plan.folder / 'demo.log'}\n"
            "Ctrl-C stops everything; the next run goes on from here."
        )

    def warn_of_missing_draft(self, chest: Study) -> None:
        """Say so when the radiograph that should have a draft has none."""
        if chest.state is StudyState.UNDRAFTED:
            self.console.print(f"[yellow]The chest radiograph got no draft:[/] {chest.reason}")

    def show_summary(
        self,
        states: Mapping[str, tuple[DemoStudy, Study]],
        signed: SignedReport,
        audit: AuditResult,
        drafted: Mapping[str, float],
    ) -> None:
        """Show one page of what happened, with figures."""
        table = Table(title="Studies", title_justify="left", show_edge=False)
        for heading in ("study", "images", "state", "reason", "complete to draft"):
            table.add_column(heading)
        for key, (sent, study) in states.items():
            wait = f"{drafted[key]:.1f} s" if key in drafted else ""
            table.add_row(sent.title, str(study.instance_count), study.state.value, study.reason, wait)
        self.console.print(table)
        self.console.print(self._report_table(signed))
        figures = Table(title="Figures", title_justify="left", show_edge=False, show_header=False)
        figures.add_column()
        figures.add_column(overflow="fold")
        for title, seconds in self.seconds.items():
            figures.add_row(title, f"{seconds:.1f} s")
        figures.add_row("audit log", f"{audit.entries} entries verified, head {audit.head[:16]}")
        figures.add_row("exported to", str(audit.path))
        self.console.print(figures)

    def _report_table(self, signed: SignedReport) -> Table:
        table = Table(title="Report", title_justify="left", show_edge=False, show_header=False)
        table.add_column()
        table.add_column(overflow="fold")
        attestation, delivery = signed.review.attestations[-1], signed.delivery
        table.add_row(
            "signed", "in an earlier run" if signed.before else "in this run, by the demo attending"
        )
        table.add_row("signer", f"{attestation.printed_name}, {attestation.meaning.value}")
        table.add_row("SHA-256 of the text", attestation.sha256)
        if delivery.sent_at is not None:
            wait = (delivery.sent_at - attestation.signed_at).total_seconds()
            table.add_row("signature to PACS", f"{wait:.1f} s, {delivery.attempts} attempt(s)")
        table.add_row("SR in the PACS", str(signed.document))
        table.add_row("text in the PACS", signed.text[:200])
        return table
