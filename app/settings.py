"""Every setting of the system, read once at start from `JANUS_MED_*` or a TOML file (`JANUS_MED_CONFIG`)."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError
from pydantic_settings import (
    BaseSettings,
    PydanticBaseSettingsSource,
    SettingsConfigDict,
    TomlConfigSettingsSource,
)

from app.domain.errors import ConfigurationError


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
    destinations: tuple[Destination, ...] = Field(
        default=(), description="Where signed reports go (JSON list of name, ae_title, host, port, formats)."
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
    stalled_seconds: int = Field(
        default=30, description="Silence after which a killed worker's job is given to another.", ge=2
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
