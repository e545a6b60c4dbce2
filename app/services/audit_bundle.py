"""The bundle of an audit export: log, checkpoints, public keys, and a verifier that needs nothing of ours."""

from __future__ import annotations

import hashlib
import json
import tempfile
import zipfile
from collections.abc import Iterable, Mapping
from datetime import datetime
from pathlib import Path

from app.domain.access import Actor
from app.domain.audit import AuditEntry, AuditFilter
from app.services import verify_audit
from app.services.audit import AuditExport, ExportFormat, ExportWriter, export_audit
from app.services.audit_anchor import CHECKPOINTS
from app.store.engine import Store
from app.store.signing_keys import SealingKey, public_pem

SUFFIXES: Mapping[ExportFormat, str] = {
    "csv": "csv",
    "jsonl": "jsonl",
    "dicom-xml": "xml",
    "fhir": "fhir.ndjson",
}
README = """Export of the Janus-Med audit log, made at {at} by {by}.

To verify it, with Python 3.9 or newer and the package "cryptography", and without Janus-Med:

    python3 verify_audit.py THIS_FILE.zip --key {key_id}

Take verify_audit.py out of the archive, or better from a source that you trust: it is one file, read it.
The id of the key ({key_id}) must be the one that the hospital publishes: whoever makes a bundle of their own
makes a key of their own, too. Keep this bundle where those who run the system cannot change it; later
exports, and the log itself (janus-med audit verify --anchor THIS_FILE.zip), must go on from it.

{log}              the entries, oldest first
checkpoints.jsonl  every checkpoint of the log so far
key-*.pem          public keys that checkpoints were sealed with
manifest.json      SHA-256 of every file; manifest.seal: its Ed25519 seal, in hex
"""


def export_bundle(
    store: Store,
    actor: Actor,
    wanted: AuditFilter,
    *,
    format: ExportFormat,
    path: Path,
    now: datetime,
    writer: ExportWriter | None = None,
) -> AuditExport:
    """Write an export with everything that its verification needs, as one zip file.

    Parameters
    ----------
    path
        Appears whole or not at all.
    writer
        Writes a format that `app.services.audit` does not know.

    Raises
    ------
    NotAuthorised, Rejected
        As `app.services.audit.export_audit` does.
    """
    key, name = store.audit_key, f"audit.{SUFFIXES[format]}"
    with tempfile.TemporaryDirectory(dir=path.parent, prefix=".bundle-") as folder:
        log, part = Path(folder, name), Path(folder, "bundle.zip")
        with log.open("w", encoding="utf-8", newline="") as out:
            done = export_audit(store, actor, wanted, format=format, out=out, now=now, writer=writer)
        with store.begin() as tx:
            marks = _as_lines(tx.audit.checkpoints(up_to_seq=done.head_seq))
        texts = _texts(key, actor, name, marks, now)
        _write(part, log, texts, key)
        part.replace(path)
    return done


def export_file(
    store: Store,
    actor: Actor,
    wanted: AuditFilter,
    *,
    format: ExportFormat,
    path: Path,
    now: datetime,
    writer: ExportWriter | None = None,
) -> AuditExport:
    """Write an export as one file, which appears whole or not at all; raises what `export_bundle` does."""
    part = path.with_name(f".{path.name}.part")
    try:
        with part.open("w", encoding="utf-8", newline="") as out:
            done = export_audit(store, actor, wanted, format=format, out=out, now=now, writer=writer)
        part.replace(path)
    finally:
        part.unlink(missing_ok=True)
    return done


def _texts(key: SealingKey, actor: Actor, log: str, marks: str, now: datetime) -> dict[str, bytes]:
    """Return the small files of the bundle."""
    readme = README.format(
        at=now.isoformat(timespec="seconds"), by=actor.username, key_id=key.key_id, log=log
    )
    keys = {f"key-{key_id}.pem": public_pem(public).encode() for key_id, public in key.trusted.items()}
    verifier = Path(verify_audit.__file__).read_bytes()
    return {"README.txt": readme.encode(), "verify_audit.py": verifier, CHECKPOINTS: marks.encode(), **keys}


def _write(path: Path, log: Path, texts: Mapping[str, bytes], key: SealingKey) -> None:
    digests = {name: hashlib.sha256(text).hexdigest() for name, text in texts.items()}
    with log.open("rb") as file:
        digests[log.name] = hashlib.file_digest(file, "sha256").hexdigest()
    manifest = json.dumps({"log": log.name, "key_id": key.key_id, "files": digests}, indent=1).encode()
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED, compresslevel=1) as bundle:
        for name, text in texts.items():
            bundle.writestr(name, text)
        bundle.write(log, log.name)
        bundle.writestr("manifest.json", manifest)
        bundle.writestr("manifest.seal", key.seal(manifest))


def _as_lines(entries: Iterable[AuditEntry]) -> str:
    return "".join(
        json.dumps(entry.body() | {"digest": entry.digest}, ensure_ascii=False) + "\n" for entry in entries
    )
