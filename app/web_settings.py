"""Settings of the web server: where it listens, what stands in front of it, how often it may be asked."""

from __future__ import annotations

import ipaddress
from typing import Literal

from pydantic import Field, field_validator

from app.login_settings import LoginSettings
from app.neighbours import DicomwebClient

UiSentence = Literal["", "Only a proxy with TLS or this machine reaches the web UI"]

Dictation = Literal["off", "browser", "local"]


class WebSettings(LoginSettings):
    """What `Settings` knows of the web server."""

    ui_host: str = Field(default="127.0.0.1", description="Address of the web UI.")
    ui_port: int = Field(default=8501, description="Port of the web UI.", ge=0, le=65535)
    ui_allowed_hosts: tuple[str, ...] = Field(
        default=("127.0.0.1", "localhost"),
        description="Host names under which the UI may be reached (JSON list).",
    )
    ui_tls: bool = Field(
        default=False, description="A proxy with TLS is in front of the UI: cookies are marked Secure."
    )
    allow_plain_ui_off_loopback: UiSentence = Field(
        default="",
        description="The sentence that permits the UI without `ui_tls` on another address than loopback: for "
        "containers, whose port is published on loopback or to a proxy.",
    )
    ui_trusted_proxies: tuple[str, ...] = Field(
        default=("127.0.0.0/8", "::1/128"),
        description="Networks of the proxies (JSON list) whose X-Forwarded-For counts, with `ui_tls`.",
    )
    dictation: Dictation = Field(
        default="off",
        description="How the editor hears: `local` is a recogniser of this server (extra `dictation`), for "
        "English; `browser` the browser's own, and most browsers send the audio to their maker's service: "
        "only where that is allowed for patient data.",
    )
    log_in_attempts_per_minute: float = Field(
        default=60.0,
        description="Log-in, second factor and re-authentication: attempts of one address per minute, and a "
        "third of them for one account; 0: no limit.",
        ge=0,
    )
    ui_requests_per_second: float = Field(
        default=200.0,
        description="Requests of one session per second to our own routes, ten times as many at once; 0: no "
        "limit.",
        ge=0,
    )
    dicomweb: bool = Field(
        default=False,
        description="DICOMweb below `/dicomweb` on the web UI's address, for accounts and clients.",
    )
    dicomweb_clients: tuple[DicomwebClient, ...] = Field(
        default=(),
        description="Machines that call DICOMweb (JSON: name, token_sha256, may_store, may_read, groups).",
        repr=False,
        json_schema_extra={"secret": True},
    )
    dicomweb_requests_per_second: float = Field(
        default=100.0,
        description="DICOMweb requests of one caller per second, ten times as many at once; 0: no limit.",
        ge=0,
    )
    dicomweb_largest_request_mb: int = Field(
        default=4096, description="Largest STOW-RS request in MB (10^6 bytes).", ge=1
    )

    @field_validator("ui_trusted_proxies")
    @classmethod
    def _are_networks(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        for network in value:
            # raises ValueError, which names it
            ipaddress.ip_network(network)
        return value
