"""Every setting of the system, read once at start from `JANUS_MED_*` or a TOML file (`JANUS_MED_CONFIG`)."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Literal

from pydantic import Field, PositiveInt, ValidationError, field_validator
from pydantic_settings import (
    BaseSettings,
    PydanticBaseSettingsSource,
    SettingsConfigDict,
    TomlConfigSettingsSource,
)

from app.destinations import RESULT_FORMATS, AnyDestination
from app.destinations import DicomDestination as Destination
from app.domain.errors import ConfigurationError
from app.domain.routing import Targets
from app.key_settings import KeySettings
from app.neighbours import (
    ArchiveSettings,
    AuditCollector,
    ExpectedSource,
    Hl7PeerSettings,
    PeerSettings,
    TlsFiles,
    WorklistScp,
)
from app.retention_settings import RetentionSettings
from app.secret_files import SecretFiles, require_private_config
from app.web_settings import WebSettings

__all__ = ["Destination", "Settings", "default_data_dir", "read_settings"]


def default_data_dir() -> Path:
    """Return the data folder of this account: `/var/lib/janus-med` for root, else below the home folder."""
    if os.geteuid() == 0:
        return Path("/var/lib/janus-med")
    return Path(os.environ.get("XDG_DATA_HOME", str(Path.home() / ".local" / "share"))) / "janus-med"


class Settings(KeySettings, WebSettings, RetentionSettings):
    """The settings; each is an environment variable `JANUS_MED_<NAME>` or a key of the TOML file."""

    model_config = SettingsConfigDict(
        env_prefix="JANUS_MED_", frozen=True, extra="forbid", env_ignore_empty=True, hide_input_in_errors=True
    )

    data_dir: Path = Field(
        default_factory=default_data_dir, description="Folder of spool, embedded database and keys."
    )
    database_url: str = Field(
        default="",
        description="postgresql+psycopg:// URL of a server; empty starts the embedded one.",
        repr=False,
        json_schema_extra={"secret": True},
    )
    ae_title: str = Field(default="JANUSMED", description="Our AE title.", min_length=1, max_length=16)
    ae_titles: tuple[str, ...] = Field(
        default=(), description="Further AE titles under which we may be called (JSON list)."
    )
    dicom_host: str = Field(default="127.0.0.1", description="Address that the DICOM listener binds to.")
    dicom_port: int = Field(default=11112, description="Port of the DICOM listener.", ge=0, le=65535)
    dicom_tls_port: int | None = Field(
        default=None, description="Port for DICOM over TLS; empty for none.", ge=0, le=65535
    )
    dicom_tls_only: bool = Field(
        default=False, description="Open the TLS port alone: plain DICOM is not listened for at all."
    )
    dicom_tls_certificate: Path | None = Field(
        default=None, description="Our certificate with its chain (PEM) for `dicom_tls_port`."
    )
    dicom_tls_key: Path | None = Field(default=None, description="Its private key (PEM, not encrypted).")
    dicom_tls_authorities: Path | None = Field(
        default=None, description="Authorities (PEM) whose client certificates are accepted; none others are."
    )
    listener_processes: int = Field(
        default=0,
        description="Processes that receive; 0 takes as many as help on this machine.",
        ge=0,
        le=16,
    )
    allowed_ae_titles: tuple[str, ...] = Field(
        default=(), description="Calling AE titles that may send (JSON list); empty means nobody."
    )
    peers: tuple[PeerSettings, ...] = Field(
        default=(),
        description="Systems that may send, in full (JSON list); adds to `allowed_ae_titles`.",
    )
    allow_plain_off_loopback: Literal["", "I accept unencrypted DICOM on my network"] = Field(
        default="", description="The sentence that permits plain DICOM on another address than loopback."
    )
    max_associations: int = Field(default=64, description="Associations at a time.", ge=1, le=1000)
    quiet_seconds: float | None = Field(
        default=None, description="Overrides the quiet time after which a study is complete.", ge=0
    )
    destinations: tuple[AnyDestination, ...] = Field(
        default=(), description="Where signed reports go (JSON list; see Destinations below)."
    )
    archive: ArchiveSettings | None = Field(
        default=None,
        description="Where earlier studies of a patient are looked for (JSON: method, ae_title, host, port, "
        "url, token_file, ca_file, most_priors, most_instances, years, timeout_seconds); empty: nowhere.",
    )
    rules_file: Path | None = Field(
        default=None, description="Routing rules (TOML); empty is `rules.toml` in the data folder."
    )
    worklist_scp: WorklistScp | None = Field(
        default=None,
        description="Modality worklist that is asked for orders (JSON object of ae_title, host, port, tls).",
    )
    order_wait_seconds: float = Field(
        default=2.0,
        description="How long a draft waits for the worklist's first answer; then it is made without.",
        ge=0,
        le=30,
    )
    hl7_host: str = Field(default="127.0.0.1", description="Address that takes HL7 messages (MLLP).")
    hl7_port: int = Field(
        default=0, description="Port that takes HL7 messages; 0 takes none.", ge=0, le=65535
    )
    hl7_peers: tuple[Hl7PeerSettings, ...] = Field(
        default=(),
        description="Who may send HL7 (JSON list of application, facility, networks); empty means nobody.",
    )
    hl7_tls: TlsFiles | None = Field(
        default=None,
        description="Certificates of HL7 over TLS (JSON object of ca, certificate, key); senders need one.",
    )
    send_preliminary: bool = Field(
        default=False, description="What a resident signed leaves too, marked as preliminary."
    )
    delivery_retry_seconds: tuple[int, ...] = Field(
        default=(10, 60, 300, 900, 1800, 3600, 3600, 3600),
        description="Waits between the attempts of a delivery (JSON list), each varied by a quarter; then "
        "it is a dead letter.",
    )
    alert_command: tuple[str, ...] = Field(
        default=(),
        description="Program and arguments (JSON list) that get an alert as JSON on standard input.",
    )
    alert_url: str = Field(
        default="",
        description="Address that gets an alert as JSON by POST.",
        repr=False,
        json_schema_extra={"secret": True},
    )
    model: Path | None = Field(default=None, description="Model folder; empty uses the bundled `tiny`.")
    device: str = Field(default="auto", description="`auto`, `cpu` or a torch device such as `cuda:0`.")
    free_space_floor_gb: float = Field(
        default=5.0,
        description="Storage is refused below this or 10 % of the disk, whichever is smaller.",
        ge=0,
    )
    institution: str = Field(
        default="", description="Name of the verifying organisation in signed documents."
    )
    retry_seconds: tuple[int, ...] = Field(
        default=(10, 60),
        description="Waits between the attempts of a job (JSON list); then it is a dead letter.",
    )
    commitment_retry_seconds: tuple[int, ...] = Field(
        default=(10, 60, 300, 1200, 3600),
        description="Waits between the attempts to report storage commitment to a peer (JSON list).",
    )
    commitment_wait_seconds: float = Field(
        default=5.0, description="Time that a receiver has to commit on the association that asks it.", ge=0
    )
    commitment_answer_seconds: int = Field(
        default=3600, description="Time after which a receiver that has not committed is asked again.", ge=1
    )
    commitment_requests: int = Field(
        default=3, description="Requests to a receiver that says nothing; then a dead letter.", ge=1
    )
    stalled_seconds: int = Field(
        default=30, description="Silence after which a killed worker's job is given to another.", ge=2
    )
    audit_collector: AuditCollector | None = Field(
        default=None,
        description="Where the audit log is told as it grows, over TLS syslog (JSON: host, port, ca_file, "
        "certificate_file, key_file, plain); empty: nowhere.",
    )
    expected_sources: tuple[ExpectedSource, ...] = Field(
        default=(),
        description="Systems whose silence is an alert (JSON list of ae_title, hours, days, begin, end).",
    )
    selftest_minutes: int = Field(
        default=0, description="Minutes between two self-tests; 0 runs none by itself.", ge=0, le=1440
    )
    critical_minutes: tuple[PositiveInt, PositiveInt, PositiveInt] = Field(
        default=(10, 60, 4320),
        description="Minutes until a critical result of category 1, 2, 3 escalates (JSON list).",
    )
    second_review_percent: float = Field(
        default=0.0,
        description="Percent of each week's signed reports drawn for a second review by another attending.",
        ge=0,
        le=100,
    )
    log_level: Literal["INFO", "WARNING", "ERROR"] = Field(default="INFO", description="Log level.")

    @field_validator("destinations")
    @classmethod
    def _have_names_of_their_own(cls, value: tuple[AnyDestination, ...]) -> tuple[AnyDestination, ...]:
        names = [destination.name for destination in value]
        if len(set(names)) < len(names):
            raise ValueError("two destinations have the same name")
        return value

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """Order of the sources: arguments, environment, TOML file; secrets from files beside them."""
        path = os.environ.get("JANUS_MED_CONFIG")
        toml = (TomlConfigSettingsSource(settings_cls, Path(path)),) if path else ()
        return (init_settings, env_settings, *toml, SecretFiles(settings_cls))

    def free_space_floor(self, total: int) -> float:
        """Return the bytes below which a disk of `total` bytes takes nothing new: GB are 10^9 bytes."""
        return min(self.free_space_floor_gb * 1e9, 0.1 * total)

    @property
    def spool_dir(self) -> Path:
        """Private folder of received instances."""
        return self.data_dir / "spool"

    @property
    def rules_path(self) -> Path:
        """File of the routing rules; without it there are none."""
        return self.rules_file or self.data_dir / "rules.toml"

    @property
    def models_dir(self) -> Path:
        """Folder of models that routing rules call by name."""
        return self.data_dir / "models"

    @property
    def rule_targets(self) -> Targets:
        """Destinations and result formats that routing rules may name."""
        return Targets(frozenset(to.name for to in self.destinations), RESULT_FORMATS)

    @property
    def keys_dir(self) -> Path:
        """Private folder of secrets."""
        return self.data_dir / "keys"

    @property
    def database_dir(self) -> Path:
        """Folder of the embedded PostgreSQL."""
        return self.data_dir / "database"


def read_settings() -> Settings:
    """Read the settings of this process.

    Raises
    ------
    ConfigurationError
        Naming each setting that is wrong.
    """
    path = os.environ.get("JANUS_MED_CONFIG")
    if path and not Path(path).is_file():
        raise ConfigurationError(f"JANUS_MED_CONFIG names {path}, but there is no such file")
    if path:
        require_private_config(Path(path), Settings)
    try:
        return Settings()
    except ValidationError as error:
        problems = "; ".join(
            f"JANUS_MED_{'.'.join(str(part) for part in e['loc']).upper()}: {e['msg']}"
            for e in error.errors()
        )
        raise ConfigurationError(f"settings are wrong: {problems}") from None
