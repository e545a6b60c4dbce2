"""What the demo runs with: a folder and ports of its own, an archive as the PACS, people to log in as."""

from __future__ import annotations

import os
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from app.domain.access import Role, service_actor
from app.services.accounts import add_user, list_users
from app.services.first_accounts import DEMO_PASSWORD as PASSWORD
from app.settings import Destination, Settings, read_settings
from app.store.engine import Store

__all__ = ["PASSWORD", "USERS", "DemoPlan", "DemoUser", "add_users", "default_folder", "plan_demo"]

PACS_AE_TITLE = "PACS"
PACS_PORT = 11113
# our archive, DCMTK's storescu and `janus-med send`, so that one's own images can be tried
SENDERS = (PACS_AE_TITLE, "STORESCU", "JANUSMED")
QUIET_SECONDS = 2.0


@dataclass(frozen=True)
class DemoUser:
    """An account of the demo and what it is for."""

    username: str
    printed_name: str
    role: Role
    purpose: str


USERS = (
    DemoUser("attending", "Dr. Ada Attending", Role.ATTENDING, "reads and signs"),
    DemoUser("resident", "Dr. Remy Resident", Role.RESIDENT, "reads, signs preliminarily"),
    DemoUser("viewer", "Vera Viewer", Role.VIEWER, "looks"),
    DemoUser("auditor", "Otto Auditor", Role.AUDITOR, "views and exports the audit log"),
    DemoUser("admin", "Anna Admin", Role.ADMIN, "accounts, queues, retries"),
)


@dataclass(frozen=True)
class DemoPlan:
    """Settings of the demo and where its PACS is.

    Attributes
    ----------
    pacs_folder
        What the PACS holds.
    """

    settings: Settings
    pacs_port: int

    @property
    def folder(self) -> Path:
        """Folder of the demo."""
        return self.settings.data_dir

    @property
    def pacs_folder(self) -> Path:
        """Folder of the archive that plays the PACS."""
        return self.folder / "pacs"

    @property
    def destination(self) -> str:
        """The name of the PACS as a destination of reports."""
        [pacs] = self.settings.destinations
        return pacs.name


def default_folder() -> Path:
    """Return where the demo keeps its data: a folder that the database's account may enter."""
    given = os.environ.get("JANUS_MED_DATA_DIR")
    if given:
        return Path(given)
    if os.geteuid() == 0:
        return Path("/var/lib/janus-med-demo")
    return Path(os.environ.get("XDG_DATA_HOME", str(Path.home() / ".local" / "share"))) / "janus-med-demo"


def plan_demo(
    data_dir: Path | None, *, dicom_port: int | None, ui_port: int | None, pacs_port: int | None
) -> DemoPlan:
    """Return the plan; what is not said here comes from the settings as always."""
    port = pacs_port or PACS_PORT
    given = read_settings()
    pacs = Destination(name="demo PACS", ae_title=PACS_AE_TITLE, host="127.0.0.1", port=port)
    changes: dict[str, object] = {
        "data_dir": (data_dir or default_folder()).expanduser().absolute(),
        "database_url": "",
        "dicom_host": "127.0.0.1",
        "ui_host": "127.0.0.1",
        "dicom_port": dicom_port or given.dicom_port,
        "ui_port": ui_port or given.ui_port,
        "allowed_ae_titles": tuple(dict.fromkeys((*SENDERS, *given.allowed_ae_titles))),
        "destinations": (pacs,),
        "quiet_seconds": QUIET_SECONDS,
        "free_space_floor_gb": 0.2,
        "institution": given.institution or "Janus-Med demonstration",
    }
    return DemoPlan(Settings.model_validate(given.model_dump() | changes), port)


def add_users(store: Store) -> None:
    """Add the accounts of the demo that are not there yet."""
    actor = service_actor("demo")
    there = {user.username for user in list_users(store, actor)}
    for user in USERS:
        if user.username not in there:
            add_user(
                store,
                actor,
                username=user.username,
                printed_name=user.printed_name,
                role=user.role,
                password=PASSWORD,
                now=datetime.now(UTC),
            )
