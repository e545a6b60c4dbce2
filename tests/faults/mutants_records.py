"""Faults in what is kept for ever: the audit log, its checkpoints, exports and verifiers, keys."""

from __future__ import annotations

from tests.faults.mutants import Mutant

LOG = "tests/store/test_audit_log.py"
FILE = "tests/unit/test_audit_file.py"
PROOF = "tests/unit/test_audit_proof.py"
VERIFIER = "tests/unit/test_verify_audit.py"
BUNDLE = "tests/workers/test_audit_bundle.py"

MUTANTS = (
    Mutant(
        "an altered entry is not noticed",
        "app/domain/audit.py",
        "    if not entry.is_intact():\n",
        "    if False:\n",
        (FILE, LOG),
    ),
    Mutant(
        "a missing entry is not noticed",
        "app/domain/audit.py",
        "    if entry.seq != seq:\n",
        "    if False:\n",
        (FILE, LOG),
    ),
    Mutant(
        "a broken link is not noticed",
        "app/domain/audit.py",
        "    if entry.previous != previous:\n",
        "    if False:\n",
        (PROOF,),
    ),
    Mutant(
        "the head of the log is not locked",
        "app/store/audit_log.py",
        "        row = self._session.execute(query.with_for_update()).one_or_none()\n",
        "        row = self._session.execute(query).one_or_none()\n",
        (LOG,),
    ),
    Mutant(
        "a checkpoint needs no key",
        "app/domain/checkpoint.py",
        "        if not self.trust.fits(checkpoint.key_id, checkpoint.seal, checkpoint_bytes(checkpoint)):\n",
        "        if False:\n",
        (PROOF,),
    ),
    Mutant(
        "a checkpoint of another place counts",
        "app/domain/checkpoint.py",
        "        if (checkpoint.seq, checkpoint.digest) != (entry.seq - 1, entry.previous):\n",
        "        if False:\n",
        (PROOF,),
    ),
    Mutant(
        "a checkpoint may be missing",
        "app/domain/checkpoint.py",
        "        if checkpoint.number != self.count + 1:\n",
        "        if False:\n",
        (PROOF,),
    ),
    Mutant(
        "the seal of a checkpoint leaves the digest out",
        "app/domain/checkpoint.py",
        '        "digest": checkpoint.digest,\n        "at"',
        '        "digest": "",\n        "at"',
        (VERIFIER, BUNDLE),
    ),
    Mutant(
        "an anchor is not compared",
        "app/domain/audit_proof.py",
        "            if anchor.digest != entry.digest:\n",
        "            if False:\n",
        (PROOF,),
    ),
    Mutant(
        "an anchor beyond the end is forgotten",
        "app/domain/audit_proof.py",
        "    for seq in sorted(kept):\n",
        "    for seq in ():\n",
        (PROOF, BUNDLE),
    ),
    Mutant(
        "the stand-alone verifier takes any digest",
        "app/services/verify_audit.py",
        '        if digest_of(entry) != entry["digest"]:\n',
        "        if False:\n",
        (VERIFIER,),
    ),
    Mutant(
        "the stand-alone verifier takes any checkpoint",
        "app/services/verify_audit.py",
        "            self.known[key_id].verify(bytes.fromhex(seal), message)\n",
        "            bytes.fromhex(seal)\n",
        (VERIFIER, BUNDLE),
    ),
    Mutant(
        "the stand-alone verifier does not miss the closing line",
        "app/services/verify_audit.py",
        '    raise Broken(f"the end is cut off after entry {walk.seq}: the closing line is missing")\n',
        "    return walk\n",
        (VERIFIER,),
    ),
    Mutant(
        "a bundle may hold altered files",
        "app/services/verify_audit.py",
        "                if digest_file(file) != digest:\n",
        "                if False:\n",
        (BUNDLE,),
    ),
    Mutant(
        "an export is not on record",
        "app/services/audit.py",
        '        own = _record(tx, AuditEvent.AUDIT_EXPORTED, actor, wanted, now, {"format": format})\n',
        "        own = tx.audit.seal_head(Occasion.EXPORT, actor, now=now)\n",
        ("tests/store/test_audit_services.py",),
    ),
    Mutant(
        "patients stand in the log by name",
        "app/domain/audit.py",
        '    return hmac.new(key, f"{issuer}\\x1f{patient_id}".encode(), hashlib.sha256).hexdigest()[:32]\n',
        "    return patient_id\n",
        (LOG,),
    ),
    Mutant(
        "a formula in a cell stays one",
        "app/services/audit_file.py",
        '    return f"\'{text}" if text.startswith(_FORMULA) else text\n',
        "    return text\n",
        (FILE,),
    ),
    Mutant(
        "keys that others can read are taken",
        "app/store/keys.py",
        "    if stat.S_IMODE(status.st_mode) & 0o077:\n",
        "    if False:\n",
        ("tests/store/test_signing_keys.py",),
    ),
)
