"""Where signed reports go: one class for each kind of receiver, told apart by `kind` (left out: `dicom`)."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any, Literal, get_args
from urllib.parse import urlsplit

from pydantic import BaseModel, ConfigDict, Discriminator, Field, Tag, model_validator

from app.addresses import is_loopback

ObjectFormat = Literal[
    "report_sr", "measurement_sr", "presentation_state", "secondary_capture", "encapsulated_pdf"
]
HL7_FORMAT, FHIR_FORMAT = "hl7_oru", "fhir_report"
# formats that carry the text of a report; the others show findings and regions
TEXT_FORMATS = frozenset({"report_sr", "encapsulated_pdf", HL7_FORMAT, FHIR_FORMAT})
RESULT_FORMATS = frozenset({*get_args(ObjectFormat), HL7_FORMAT, FHIR_FORMAT})


class TlsClient(BaseModel):
    """How we speak TLS to a receiver: its name is checked, TLS 1.2 is the least."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    ca_file: Path | None = Field(
        default=None,
        description="PEM file of the authority that signed its certificate; empty: the system's.",
    )
    certificate_file: Path | None = Field(default=None, description="Our certificate (PEM), if it asks.")
    key_file: Path | None = Field(default=None, description="The key of our certificate (PEM).")


class _Receiver(BaseModel):
    """What every receiver has."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: str = Field(
        description="How the destination is called in the worklist, the outbox and the audit log.",
        min_length=1,
        max_length=64,
    )
    tls: TlsClient | None = Field(default=None, description="Present: the connection is encrypted.")


class DicomDestination(_Receiver):
    """A PACS that takes result objects by C-STORE."""

    kind: Literal["dicom"] = "dicom"
    ae_title: str = Field(description="Its AE title.", min_length=1, max_length=16)
    host: str = Field(description="Host name or address.")
    port: int = Field(description="DICOM port.", ge=1, le=65535)
    formats: tuple[ObjectFormat, ...] = Field(
        default=("report_sr",), description="Result formats that it gets."
    )
    commitment: bool = Field(
        default=False, description="Ask it for storage commitment of what it has acknowledged."
    )

    @property
    def kinds(self) -> tuple[str, ...]:
        """The formats that it gets."""
        return self.formats

    @property
    def address(self) -> str:
        """``AE@host:port``, as deliveries of earlier releases name it."""
        return f"{self.ae_title}@{self.host}:{self.port}"


class Hl7Destination(_Receiver):
    """A RIS or an interface engine that takes ORU^R01 over MLLP."""

    kind: Literal["hl7"]
    host: str = Field(description="Host name or address.")
    port: int = Field(description="MLLP port.", ge=1, le=65535)
    sending_application: str = Field(default="JANUSMED", description="MSH-3.")
    sending_facility: str = Field(default="", description="MSH-4.")
    receiving_application: str = Field(default="", description="MSH-5.")
    receiving_facility: str = Field(default="", description="MSH-6.")
    version: Literal["2.5.1"] = Field(default="2.5.1", description="MSH-12.")

    @property
    def kinds(self) -> tuple[str, ...]:
        """The one format that it gets."""
        return (HL7_FORMAT,)

    @property
    def address(self) -> str:
        """Host and port."""
        return f"{self.host}:{self.port}"


class _WebReceiver(_Receiver):
    """What is reached by HTTP: encrypted, or on this machine."""

    url: str = Field(description="Base URL.")
    token_file: Path | None = Field(
        default=None, description="File with the bearer token; read anew for every delivery."
    )

    @property
    def address(self) -> str:
        """The base URL."""
        return self.url

    @model_validator(mode="after")
    def _is_encrypted_or_here(self) -> _WebReceiver:
        parts = urlsplit(self.url)
        if parts.scheme not in {"http", "https"} or not parts.hostname or parts.query or parts.fragment:
            raise ValueError(f"{self.name}: the URL must be http(s)://host/path without a query")
        if parts.username or parts.password:
            raise ValueError(f"{self.name}: credentials belong in the token file, not in the URL")
        if parts.scheme == "http" and not is_loopback(parts.hostname):
            raise ValueError(f"{self.name}: reports leave this machine over https alone")
        return self


class FhirDestination(_WebReceiver):
    """A FHIR R4 server that takes transactions."""

    kind: Literal["fhir"]
    patient_identifier_system: str = Field(
        default="",
        description="System of patient identifiers whose issuer is no object identifier; empty: none.",
    )

    @property
    def kinds(self) -> tuple[str, ...]:
        """The one format that it gets."""
        return (FHIR_FORMAT,)


class DicomwebDestination(_WebReceiver):
    """A PACS that takes result objects by STOW-RS; `url` is the one before ``/studies``."""

    kind: Literal["dicomweb"]
    formats: tuple[ObjectFormat, ...] = Field(
        default=("report_sr",), description="Result formats that it gets."
    )

    @property
    def kinds(self) -> tuple[str, ...]:
        """The formats that it gets."""
        return self.formats


def _kind_of(value: Any) -> str:
    """Return the kind of an entry; entries of earlier releases have none and are DICOM."""
    if isinstance(value, dict):
        return str(value.get("kind", "dicom"))
    return str(getattr(value, "kind", "dicom"))


AnyDestination = Annotated[
    Annotated[DicomDestination, Tag("dicom")]
    | Annotated[Hl7Destination, Tag("hl7")]
    | Annotated[FhirDestination, Tag("fhir")]
    | Annotated[DicomwebDestination, Tag("dicomweb")],
    Discriminator(_kind_of),
]
