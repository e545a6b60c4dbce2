"""Settings of the keys that seal signatures: files beside the database, or a hardware token."""

from __future__ import annotations

from pathlib import Path
from typing import Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

from app.document_settings import DocumentSettings


class TokenSettings(BaseModel):
    """A PKCS#11 token that holds the key under signatures, so that no file does."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    module: Path = Field(description="The vendor's PKCS#11 library.")
    token: str = Field(description="Label of the token.", min_length=1)
    key: str = Field(default="attestation", description="Label of the Ed25519 key pair.", min_length=1)
    pin_file: Path = Field(description="File with the user PIN, readable by our account alone.")


class KeySettings(DocumentSettings):
    """What `Settings` knows of keys."""

    audit_tsa_url: str = Field(
        default="", description="Time stamp authority (RFC 3161) of audit checkpoints; empty: none."
    )
    audit_tsa_ca_file: Path | None = Field(
        default=None, description="Authorities (PEM) above the certificates of its time stamps."
    )
    audit_checkpoint_entries: int = Field(
        default=1000, description="Entries of the audit log after which a checkpoint is made.", ge=10
    )

    @model_validator(mode="after")
    def _has_authorities(self) -> Self:
        if self.audit_tsa_url and self.audit_tsa_ca_file is None:
            raise ValueError("audit_tsa_url needs audit_tsa_ca_file: whose time stamps count?")
        return self

    signing_token: TokenSettings | None = Field(
        default=None,
        description="PKCS#11 token with the key under signatures (JSON object); empty: a file.",
    )
