"""Systems around ours as the settings name them: who sends, who is asked, who is told."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field, model_validator


class DicomwebClient(BaseModel):
    """A machine that calls DICOMweb with a bearer token."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: str = Field(
        description="Its name in audit log and spool.", pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]{0,15}$"
    )
    token_sha256: str = Field(
        description="SHA-256 of its token, in hexadecimal; we do not hold the token.",
        pattern=r"^[0-9a-f]{64}$",
        repr=False,
    )
    may_store: bool = Field(default=False, description="It may store instances (STOW-RS).")
    may_read: bool = Field(default=False, description="It may search and retrieve (QIDO-RS, WADO-RS).")
    groups: tuple[str, ...] = Field(
        default=(), description="Study groups whose restricted studies it may search and retrieve."
    )


class TlsFiles(BaseModel):
    """Certificates of one connection, as PEM files."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    ca_file: Path = Field(description="Authorities that the other side's certificate must come from.")
    certificate_file: Path | None = Field(default=None, description="Our certificate chain.")
    key_file: Path | None = Field(default=None, description="The key of our certificate.")


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
    tls: TlsFiles | None = Field(
        default=None, description="Certificates for calling it over TLS; without them it is called plainly."
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
    tls: TlsFiles | None = Field(
        default=None, description="Certificates for `move` and `get`; without them plain DICOM."
    )
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


class WorklistScp(BaseModel):
    """The modality worklist of the RIS, asked for the order behind an accession number."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    ae_title: str = Field(description="Its AE title.", min_length=1, max_length=16)
    host: str = Field(description="Host name or address.")
    port: int = Field(description="DICOM port.", ge=1, le=65535)
    tls: TlsFiles | None = Field(default=None, description="Certificates; without them plain DICOM.")


class Hl7PeerSettings(BaseModel):
    """A system that may send HL7 messages."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    application: str = Field(description="Its sending application (MSH-3).", min_length=1)
    facility: str = Field(default="", description="Its sending facility (MSH-4); empty takes any.")
    networks: tuple[str, ...] = Field(
        default=(), description="Networks it may send from (CIDR); empty means anywhere."
    )


class ExpectedSource(BaseModel):
    """A system that should send, and how long its silence may be."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    ae_title: str = Field(description="Its AE title.", min_length=1, max_length=16)
    hours: float = Field(description="Longest silence that is normal.", gt=0, le=24 * 28)
    days: tuple[Literal["mon", "tue", "wed", "thu", "fri", "sat", "sun"], ...] = Field(
        default=("mon", "tue", "wed", "thu", "fri", "sat", "sun"), description="Days on which it works."
    )
    begin: int = Field(default=0, description="Hour of the local day from which it works.", ge=0, le=23)
    end: int = Field(default=24, description="Hour of the local day until which it works.", ge=1, le=24)
