"""What a process refuses before it serves anything: combinations of settings that are unsafe.

A value that is wrong by itself is refused where the setting is read. What the database says about itself is
checked where it is opened (`app.store.readiness`), what it says about accounts by the web server.
"""

from __future__ import annotations

import difflib
import os
import stat
from collections.abc import Callable, Iterator, Mapping
from datetime import datetime
from pathlib import Path

from app.addresses import is_loopback, is_public
from app.certificates import require_authorities, require_in_force, require_pair
from app.destinations import DicomDestination, DicomwebDestination, FhirDestination, Hl7Destination, TlsClient
from app.domain.errors import ConfigurationError
from app.neighbours import TlsFiles
from app.secret_files import PREFIX, require_private_file, secrets_of
from app.settings import Settings
from app.web_checks import require_safe_web

StartCheck = Callable[[Settings, datetime], None]
# variables that are none of the settings: the file of the settings, and the password of `users add`
_OTHER_VARIABLES = frozenset({"CONFIG", "PASSWORD"})


def require_safe(settings: Settings, process: str, *, now: datetime) -> None:
    """Refuse settings with which a process would be open to others, or would not do what they say.

    Parameters
    ----------
    process
        ``listener``, ``drafting``, ``delivery``, ``hl7``, ``housekeeping``, ``selftest``, ``ui``, or
        ``supervisor``, which runs all of them.

    Raises
    ------
    ConfigurationError
        Naming the setting and what to do.
    """
    require_known_variables()
    _require_database(settings)
    for check in CHECKS[process]:
        check(settings, now)


def _require_database(settings: Settings) -> None:
    """Refuse an address or a key now that would stop the process later, when it already takes images."""
    from app.store.connection import endpoints_of
    from app.store.keys import require_sound_keys

    if settings.database_url:
        endpoints_of(settings.database_url)
    require_sound_keys(settings.keys_dir)


def require_known_variables() -> None:
    """Refuse a `JANUS_MED_` variable that is no setting: whoever wrote it relies on something it does not do.

    Raises
    ------
    ConfigurationError
        Naming the setting that may be meant.
    """
    known = {name.upper() for name in Settings.model_fields} | _OTHER_VARIABLES
    known |= {f"{name.upper()}_FILE" for name in secrets_of(Settings)}
    for variable in sorted(os.environ):
        name = variable.removeprefix(PREFIX).upper()
        if variable.startswith(PREFIX) and name not in known:
            close = difflib.get_close_matches(name, known, n=1)
            hint = f" (is {PREFIX}{close[0]} meant?)" if close else ""
            raise ConfigurationError(f"{variable} is no setting{hint}: correct or remove it")


def require_safe_listener(settings: Settings) -> None:
    """Refuse unencrypted DICOM from a network without the sentence that permits it, or from anybody.

    Raises
    ------
    ConfigurationError
        Naming the setting.
    """
    is_plain = not (settings.dicom_tls_port is not None and settings.dicom_tls_only)
    if not is_plain or is_loopback(settings.dicom_host):
        return
    if not settings.allow_plain_off_loopback:
        raise ConfigurationError(
            f"the listener would take unencrypted DICOM on {settings.dicom_host}: keep JANUS_MED_DICOM_HOST "
            "on loopback, set JANUS_MED_DICOM_TLS_ONLY, or JANUS_MED_ALLOW_PLAIN_OFF_LOOPBACK to the "
            "sentence that its help names"
        )
    if not settings.allowed_ae_titles and not settings.peers:
        raise ConfigurationError(
            f"the listener would take unencrypted DICOM on {settings.dicom_host} without a list of who may "
            "send: set JANUS_MED_ALLOWED_AE_TITLES or JANUS_MED_PEERS"
        )


def _check_listener(settings: Settings, now: datetime) -> None:
    require_safe_listener(settings)
    if settings.dicom_tls_port is not None:
        certificate, key = settings.dicom_tls_certificate, settings.dicom_tls_key
        if certificate is not None and key is not None and settings.dicom_tls_authorities is not None:
            found = require_pair(certificate, key, setting="JANUS_MED_DICOM_TLS_KEY")
            require_in_force(found, certificate, setting="JANUS_MED_DICOM_TLS_CERTIFICATE", now=now)
            require_authorities(settings.dicom_tls_authorities, setting="JANUS_MED_DICOM_TLS_AUTHORITIES")
    for peer in settings.peers:
        _require_files(peer.tls, f"JANUS_MED_PEERS, {peer.ae_title}")


def _check_hl7(settings: Settings, now: datetime) -> None:
    tls = settings.hl7_tls
    if tls is not None and tls.certificate_file is not None:
        found = require_pair(tls.certificate_file, tls.key_file, setting="JANUS_MED_HL7_TLS")
        require_in_force(found, tls.certificate_file, setting="JANUS_MED_HL7_TLS", now=now)
    _require_files(tls, "JANUS_MED_HL7_TLS")
    if tls is None and settings.hl7_port and not is_loopback(settings.hl7_host) and not settings.hl7_peers:
        raise ConfigurationError(
            f"HL7 would come unencrypted to {settings.hl7_host} from anybody: set JANUS_MED_HL7_PEERS"
        )


def _check_delivery(settings: Settings, now: datetime) -> None:
    for destination in settings.destinations:
        _require_files(destination.tls, f"JANUS_MED_DESTINATIONS, {destination.name}")
        if isinstance(destination, DicomDestination | Hl7Destination):
            _require_inside_or_tls(destination)
        if isinstance(destination, FhirDestination | DicomwebDestination):
            _require_closed_token(destination.token_file, f"JANUS_MED_DESTINATIONS, {destination.name}")
    if settings.archive is not None:
        _require_files(settings.archive.tls, "JANUS_MED_ARCHIVE")
        _require_closed_token(settings.archive.token_file, "JANUS_MED_ARCHIVE")
    collector = settings.audit_collector
    if collector is not None and collector.plain and not is_loopback(collector.host):
        raise ConfigurationError(
            f"JANUS_MED_AUDIT_COLLECTOR: the audit log would go to {collector.host} unencrypted: plain is "
            "for this machine alone"
        )


def _require_inside_or_tls(destination: DicomDestination | Hl7Destination) -> None:
    """Refuse to send reports in the clear to an address of the internet."""
    if destination.tls is None and is_public(destination.host):
        raise ConfigurationError(
            f"JANUS_MED_DESTINATIONS, {destination.name}: reports would go to {destination.host} in the "
            "internet unencrypted: give it tls"
        )


def _require_closed_token(file: Path | None, setting: str) -> None:
    """Check a token that is there; one that comes later is checked when it is read."""
    if file is not None and file.exists():
        require_private_file(file, setting=f"{setting}, token_file")


def _check_documents(settings: Settings, now: datetime) -> None:
    from app.store.document_key import read_document_key

    read_document_key(settings.document_signature, now=now)


def _check_model(settings: Settings, now: datetime) -> None:
    for setting, folder in (("JANUS_MED_MODEL", settings.model), ("models", settings.models_dir)):
        for path in _parts_of(folder):
            if stat.S_IMODE(path.stat().st_mode) & 0o002:
                raise ConfigurationError(
                    f"{setting}: every account of this machine can change {path}: chmod o-w it"
                )


def _parts_of(folder: Path | None) -> Iterator[Path]:
    """Yield a folder and what lies in it."""
    if folder is not None and folder.is_dir():
        yield folder
        yield from (path for path in sorted(folder.rglob("*")) if path.exists())


def _require_files(files: TlsFiles | TlsClient | None, setting: str) -> None:
    """Check the files of one connection to another system."""
    if files is None:
        return
    if files.ca_file is not None:
        require_authorities(files.ca_file, setting=f"{setting}, ca_file")
    if files.certificate_file is not None:
        require_pair(files.certificate_file, files.key_file, setting=f"{setting}, key_file")


_BY_PROCESS: Mapping[str, tuple[StartCheck, ...]] = {
    "listener": (_check_listener,),
    "hl7": (_check_hl7,),
    "drafting": (_check_model,),
    "delivery": (_check_delivery, _check_documents),
    "housekeeping": (),
    "selftest": (),
    "ui": (require_safe_web, _check_documents),
}
CHECKS: Mapping[str, tuple[StartCheck, ...]] = {
    **_BY_PROCESS,
    "supervisor": tuple(check for checks in _BY_PROCESS.values() for check in checks),
}
