"""Settings of the institution's signature in the PDF of a report."""

from __future__ import annotations

from pathlib import Path

from pydantic import BaseModel, ConfigDict, Field
from pydantic_settings import BaseSettings


class DocumentSignature(BaseModel):
    """The certificate that signs documents, and its key."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    certificate_file: Path = Field(
        description="The institution's certificate for documents, then those above it (PEM)."
    )
    key_file: Path = Field(description="Its private key (PEM), readable by our account alone.")
    password_file: Path | None = Field(
        default=None, description="File with the password of the key, if it has one; as private as the key."
    )


class DocumentSettings(BaseSettings):
    """What `Settings` knows of documents."""

    document_signature: DocumentSignature | None = Field(
        default=None,
        description="Certificate that signs the PDF of reports (JSON: certificate_file, key_file, "
        "password_file); empty: PDFs carry no signature.",
    )
