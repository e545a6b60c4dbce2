"""Time stamps of audit checkpoints by an authority outside (RFC 3161): the proof of when they were there.

The authority sees a digest and nothing else. One that is away delays nothing: an alert says so, and the next
stamp covers what went without one.
"""

from __future__ import annotations

import base64
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path

from cryptography.x509 import Certificate, load_pem_x509_certificates
from rfc3161_client import (
    TimestampRequestBuilder,
    VerificationError,
    VerifierBuilder,
    decode_timestamp_response,
)

from app.domain.access import Actor
from app.domain.alert import AlertKind
from app.domain.audit import AuditEntry
from app.domain.errors import AuditBroken, ConfigurationError
from app.services.alerts import clear_alert, raise_alert
from app.services.checkpoints import newest_unstamped, record_stamp, stamps
from app.store.engine import Store
from pacs_bridge.errors import BridgeError
from pacs_bridge.web_client import WebPeer, post

EVERY = timedelta(hours=1)
_HEADERS = {"Content-Type": "application/timestamp-query", "Accept": "application/timestamp-reply"}
_LARGEST_TOKEN = 24_000


@dataclass(frozen=True)
class StampAuthority:
    """Who stamps, and whose certificates count.

    Attributes
    ----------
    roots
        Certificates of the authorities that may stand above the stamp's own.
    """

    url: str
    roots: Sequence[Certificate]


def read_authority(url: str, ca_file: Path) -> StampAuthority:
    """Return the authority of the settings.

    Raises
    ------
    ConfigurationError
        If the file holds no certificate.
    """
    try:
        roots = load_pem_x509_certificates(ca_file.read_bytes())
    except (OSError, ValueError) as error:
        raise ConfigurationError(
            f"{ca_file} holds no certificates of a time stamp authority: {error}"
        ) from None
    return StampAuthority(url, roots)


def stamp_when_due(store: Store, actor: Actor, authority: StampAuthority, *, now: datetime) -> bool:
    """Have the newest checkpoint stamped, once an hour at most.

    Returns
    -------
    bool
        False when none is due, or the authority did not answer as it should: then an alert is open.
    """
    entry = newest_unstamped(store, since=now - EVERY)
    if entry is None:
        return False
    try:
        token = ask_for_stamp(authority, entry.digest)
    except (BridgeError, VerificationError, ValueError) as error:
        with store.begin() as tx:
            raise_alert(
                tx, AlertKind.AUDIT_NOT_STAMPED, authority.url, f"{type(error).__name__}: {error}", now=now
            )
        return False
    record_stamp(store, actor, entry, token, now=now)
    with store.begin() as tx:
        clear_alert(tx, AlertKind.AUDIT_NOT_STAMPED, authority.url, now=now)
    return True


def ask_for_stamp(authority: StampAuthority, digest: str) -> str:
    """Return the time stamp over a digest's text, base64 of the answer's DER.

    Raises
    ------
    pacs_bridge.errors.BridgeError
        If the authority does not answer.
    VerificationError, ValueError
        If what it answers is no stamp of it over this digest.
    """
    request = TimestampRequestBuilder().data(digest.encode()).nonce(nonce=True).build()
    answer = post(WebPeer(authority.url), "", request.as_bytes(), _HEADERS)
    if not answer.is_success or len(answer.content) > _LARGEST_TOKEN:
        raise ValueError(f"status {answer.status}, {len(answer.content)} octets")
    verifier = VerifierBuilder.from_request(request)
    for root in authority.roots:
        verifier = verifier.add_root_certificate(root)
    verifier.build().verify_message(decode_timestamp_response(answer.content), digest.encode())
    return base64.b64encode(answer.content).decode()


def verify_stamps(store: Store, roots: Sequence[Certificate]) -> int:
    """Verify every stamp in the log; return how many there are.

    Raises
    ------
    AuditBroken
        Naming the entry of the first stamp that does not hold.
    """
    count = 0
    for entry in stamps(store):
        try:
            _check(entry, roots)
        except (VerificationError, ValueError, KeyError, TypeError) as error:
            raise AuditBroken(f"the time stamp in entry {entry.seq} does not hold: {error}") from None
        count += 1
    return count


def _check(entry: AuditEntry, roots: Sequence[Certificate]) -> None:
    builder = VerifierBuilder()
    for root in roots:
        builder = builder.add_root_certificate(root)
    token = base64.b64decode(entry.detail["token"], validate=True)
    builder.build().verify_message(decode_timestamp_response(token), str(entry.detail["digest"]).encode())
