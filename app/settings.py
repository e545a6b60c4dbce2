"""Every setting of the system, read once at start from `JANUS_MED_*` or a TOML file (`JANUS_MED_CONFIG`)."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Literal, get_args

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator
from pydantic_settings import (
    BaseSettings,
    PydanticBaseSettingsSource,
    SettingsConfigDict,
    TomlConfigSettingsSource,
)

from app.domain.errors import ConfigurationError
from app.domain.routing import Targets


class DicomwebClient(BaseModel):
    """A machine that calls DICOMweb with a bearer token."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: str = Field(
        description="Its name in audit log and spool.", pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]{0,15}$"
    )
    token_sha256: str = Field(
        description="SHA-256 of its token, in hexadecimal; we do not hold the token.",
        pattern=r"^[0-9a-f]{64}$",
    )
    may_store: bool = Field(default=False, description="It may store instances (STOW-RS).")
    may_read: bool = Field(default=False, description="It may search and retrieve (QIDO-RS, WADO-RS).")


def default_data_dir() -> Path:
    """Return the data folder of this account: `/var/lib/janus-med` for root, else below the home folder."""
    if os.geteuid() == 0:
        return Path("/var/lib/janus-med")
    return Path(os.environ.get("XDG_DATA_HOME", str(Path.home() / ".local" / "share"))) / "janus-med"


class PeerSettings(BaseModel):
    """A system that may send to us, and that we may have to call back."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    ae_title: str = Field(description="Its AE title.", min_length=1, max_length=16)
    networks: tuple[str, ...] = Field(
        default=(), description="Networks it may call from (CIDR); empty means anywhere."
    )
    host: str = Field(default="", description="Where it listens itself; empty when it does not.")
    port: int = Field(default=0, description="Its DICOM port; 0 when it does not listen.", ge=0, le=65535)
    certificates: tuple[str, ...] = Field(
        default=(), description="SHA-256 fingerprints of the client certificates it may use over TLS."
    )


class Destination(BaseModel):
    """A system that signed reports are sent to."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: str = Field(description="How the destination is called in the worklist and the audit log.")
    ae_title: str = Field(description="Its AE title.", min_length=1, max_length=16)
    host: str = Field(description="Host name or address.")
    port: int = Field(description="DICOM port.", ge=1, le=65535)
    formats: tuple[Literal["report_sr"], ...] = Field(
        default=("report_sr",), description="Result formats that it gets."
    )
    commitment: bool = Field(
        default=False, description="Ask it for storage commitment of every DICOM object that it acknowledged."
    )


class ArchiveSettings(BaseModel):
    """The archive that earlier studies of a patient come from."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    method: Literal["move", "get", "dicomweb"] = Field(
        default="move", description="`move` (it sends to our listener), `get`, or `dicomweb`."
    )
    ae_title: str = Field(default="", description="Its AE title.", max_length=16)
    host: str = Field(default="", description="Host name or address.")
    port: int = Field(default=104, description="DICOM port.", ge=1, le=65535)
    url: str = Field(default="", description="Root of its DICOMweb services, with `dicomweb`.")
    token_file: Path | None = Field(default=None, description="File with a bearer token for DICOMweb.")
    ca_file: Path | None = Field(default=None, description="Issuer (PEM) of its DICOMweb certificate.")
    most_priors: int = Field(default=2, description="Earlier studies beside one study.", ge=1, le=20)
    most_instances: int = Field(default=800, description="A larger study is not fetched.", ge=1)
    years: int = Field(default=10, description="How far back is looked.", ge=1, le=100)
    timeout_seconds: float = Field(default=60.0, description="Wait for each answer.", gt=0, le=600)

    @model_validator(mode="after")
    def _check(self) -> ArchiveSettings:
        if self.method == "dicomweb" and not self.url:
            raise ValueError("an archive with the method dicomweb needs its url")
        if self.method != "dicomweb" and not (self.ae_title and self.host):
            raise ValueError(f"an archive with the method {self.method} needs ae_title and host")
        return self

    @property
    def name(self) -> str:
        """How it is called in the audit log."""
        return self.url if self.method == "dicomweb" else f"{self.ae_title}@{self.host}:{self.port}"


class AuditCollector(BaseModel):
    """An audit record repository that is told the audit log (PS3.15 A.6)."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    host: str = Field(description="Host name, as in its certificate.", min_length=1)
    port: int = Field(default=6514, description="Its port for syslog over TLS.", ge=1, le=65535)
    ca_file: Path | None = Field(default=None, description="Its issuer (PEM); empty takes the system's.")
    certificate_file: Path | None = Field(default=None, description="Our certificate (PEM), if it asks.")
    key_file: Path | None = Field(default=None, description="The key of our certificate (PEM).")
    plain: bool = Field(default=False, description="Without TLS; for a collector on this machine alone.")


class Settings(BaseSettings):
    """The settings; each is an environment variable `JANUS_MED_<NAME>` or a key of the TOML file."""

    model_config = SettingsConfigDict(
        env_prefix="JANUS_MED_", frozen=True, extra="forbid", env_ignore_empty=True
    )

    data_dir: Path = Field(
        default_factory=default_data_dir, description="Folder of spool, embedded database and keys."
    )
    database_url: str = Field(
        default="", description="postgresql+psycopg:// URL of a server; empty starts the embedded one."
    )
    ae_title: str = Field(default="JANUSMED", description="Our AE title.", min_length=1, max_length=16)
    dicom_host: str = Field(default="127.0.0.1", description="Address that the DICOM listener binds to.")
    dicom_port: int = Field(default=11112, description="Port of the DICOM listener.", ge=0, le=65535)
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
    destinations: tuple[Destination, ...] = Field(
        default=(),
        description="Where signed reports go (JSON list of name, ae_title, host, port, formats, commitment).",
    )
    archive: ArchiveSettings | None = Field(
        default=None,
        description="Where earlier studies of a patient are looked for (JSON: method, ae_title, host, port, "
        "url, token_file, ca_file, most_priors, most_instances, years, timeout_seconds); empty: nowhere.",
    )
    rules_file: Path | None = Field(
        default=None, description="Routing rules (TOML); empty is `rules.toml` in the data folder."
    )
    model: Path | None = Field(default=None, description="Model folder; empty uses the bundled `tiny`.")
    device: str = Field(default="auto", description="`auto`, `cpu` or a torch device such as `cuda:0`.")
    ui_host: str = Field(default="127.0.0.1", description="Address of the web UI.")
    ui_port: int = Field(default=8501, description="Port of the web UI.", ge=0, le=65535)
    ui_allowed_hosts: tuple[str, ...] = Field(
        default=("127.0.0.1", "localhost"),
        description="Host names under which the UI may be reached (JSON list).",
    )
    ui_tls: bool = Field(default=False, description="The UI is behind TLS: cookies are marked Secure.")
    dicomweb: bool = Field(
        default=False,
        description="DICOMweb below `/dicomweb` on the web UI's address, for accounts and clients.",
    )
    dicomweb_clients: tuple[DicomwebClient, ...] = Field(
        default=(),
        description="Machines that may call DICOMweb (JSON list of name, token_sha256, may_store, may_read).",
    )
    dicomweb_requests_per_second: float = Field(
        default=100.0,
        description="DICOMweb requests of one caller per second, ten times as many at once; 0: no limit.",
        ge=0,
    )
    dicomweb_largest_request_mb: int = Field(
        default=4096, description="Largest STOW-RS request in MB (10^6 bytes).", ge=1
    )
    idle_minutes: int = Field(default=15, description="Idle time after which a session or lock ends.", ge=1)
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
    log_level: Literal["INFO", "WARNING", "ERROR"] = Field(default="INFO", description="Log level.")

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """Order of the sources: arguments, environment, TOML file."""
        path = os.environ.get("JANUS_MED_CONFIG")
        toml = (TomlConfigSettingsSource(settings_cls, Path(path)),) if path else ()
        return (init_settings, env_settings, *toml)

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
        formats = get_args(get_args(Destination.model_fields["formats"].annotation)[0])
        return Targets(frozenset(to.name for to in self.destinations), frozenset(formats))

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
    try:
        return Settings()
    except ValidationError as error:
        problems = "; ".join(
            f"JANUS_MED_{'.'.join(str(part) for part in e['loc']).upper()}: {e['msg']}"
            for e in error.errors()
        )
        raise ConfigurationError(f"settings are wrong: {problems}") from None
