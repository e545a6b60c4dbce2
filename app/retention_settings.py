"""Settings of retention: after how many days what goes; everything else stays for ever."""

from __future__ import annotations

from pydantic import Field
from pydantic_settings import BaseSettings


class RetentionSettings(BaseSettings):
    """What `Settings` knows of retention; 0 days means never."""

    retention_signed_days: int = Field(
        default=0, description="Days after which pixels of signed and delivered studies go; 0: never.", ge=0
    )
    retention_withdrawn_days: int = Field(
        default=0,
        description="Days after which pixels of studies whose report was withdrawn go; 0: never.",
        ge=0,
    )
    retention_excluded_days: int = Field(
        default=0, description="Days after which pixels of excluded studies go; 0: never.", ge=0
    )
    retention_quarantine_days: int = Field(
        default=0, description="Days after the decision about a quarantined instance; 0: never.", ge=0
    )
    retention_job_days: int = Field(
        default=0, description="Days after which jobs that ended are forgotten; 0: never.", ge=0
    )
