"""Faults in what happens to a report: text, signature, delivery, critical results, AI text."""

from __future__ import annotations

from tests.faults.mutants import Mutant

SIGNING = "tests/unit/services/test_signing.py"
OUTBOX = "tests/unit/services/test_outbox.py"
DELIVERY = "tests/unit/services/test_delivery.py"
FORGED = "tests/unit/services/test_forged_signatures.py"
CRITICAL = "tests/unit/services/test_critical.py"
MODELS = "tests/unit/services/test_ai_models.py"
DRAFTING = "tests/unit/services/test_drafting.py"

MUTANTS = (
    Mutant(
        "a stale version can be signed",
        "app/services/signing.py",
        "        if report.version != version:\n",
        "        if False:\n",
        (SIGNING,),
    ),
    Mutant(
        "signing asks for no password",
        "app/services/signing.py",
        "    reauthenticate(store, actor, password, now=now)\n",
        "",
        (SIGNING,),
    ),
    Mutant(
        "signing without having opened the images",
        "app/services/signing.py",
        "        elif not tx.reports.was_opened(actor.username, report):\n",
        "        elif False:\n",
        (SIGNING,),
    ),
    Mutant(
        "signing with a role that was taken away",
        "app/services/signing.py",
        "(user.username, user.role) != (actor.username, actor.role)",
        "user.username != actor.username",
        (SIGNING,),
    ),
    Mutant(
        "signing without the pen",
        "app/services/signing.py",
        "        require_pen(tx, actor, report, now=now)\n",
        "",
        (SIGNING, "tests/unit/services/test_locking.py"),
    ),
    Mutant(
        "a preliminary report leaves by itself",
        "app/services/signing.py",
        "        leaves = action is Action.SIGN_FINAL or send_preliminary\n",
        "        leaves = True\n",
        (SIGNING, OUTBOX),
    ),
    Mutant(
        "the seal is not looked at",
        "app/domain/attestation.py",
        "        if not self.is_sealed:\n",
        "        if False:\n",
        (FORGED,),
    ),
    Mutant(
        "the digest of the text is not looked at",
        "app/domain/attestation.py",
        "        if digest_of(self.text) != self.sha256:\n",
        "        if False:\n",
        (FORGED, SIGNING),
    ),
    Mutant(
        "a seal of any key counts",
        "app/store/signing_keys.py",
        "        except (InvalidSignature, ValueError):\n            return False\n",
        "        except (InvalidSignature, ValueError):\n            return True\n",
        (FORGED,),
    ),
    Mutant(
        "the seal leaves the person out",
        "app/domain/attestation.py",
        '        "printed_name": signature.printed_name,\n        "role"',
        '        "printed_name": "",\n        "role"',
        (FORGED,),
    ),
    Mutant(
        "the seal leaves the role out",
        "app/domain/attestation.py",
        '        "role": signature.role,\n',
        '        "role": "",\n',
        (FORGED,),
    ),
    Mutant(
        "a signature that does not verify is sent",
        "app/services/delivery.py",
        "    if signature.problem:\n",
        "    if False:\n",
        (FORGED,),
    ),
    Mutant(
        "a later message overtakes an earlier one",
        "app/services/delivery.py",
        "        if any(other.state in OPEN for other in earlier):\n            return None\n",
        "",
        ("tests/unit/services/test_amending.py", OUTBOX, DELIVERY),
    ),
    Mutant(
        "a withdrawal does not wait for what is on its way",
        "app/services/delivery.py",
        "        if any(tx.work.is_running(job_lock(other)) for other in cancelled):\n",
        "        if False:\n",
        (OUTBOX,),
    ),
    Mutant(
        "refused sentences leave",
        "app/services/delivery.py",
        "    first = releasable(report.sentences)\n",
        "    first = report.sentences\n",
        (DELIVERY,),
    ),
    Mutant(
        "why a study was urgent leaves with the report",
        "app/services/delivery.py",
        '        study=replace(study, reason="", priority_reason=""),\n',
        "        study=study,\n",
        (DELIVERY,),
    ),
    Mutant(
        "a withdrawal cancels nothing that waits",
        "app/services/outbox.py",
        "    if by.meaning is Meaning.WITHDRAWN:\n",
        "    if False:\n",
        (OUTBOX,),
    ),
    Mutant(
        "an acknowledged delivery counts again",
        "app/services/delivery.py",
        "        if delivery.is_sent:\n            return\n",
        "",
        (DELIVERY,),
    ),
    Mutant(
        "a silent destination raises no alert",
        "app/services/delivery.py",
        "        if failed.attempts >= ALERT_AFTER and not final:\n",
        "        if False:\n",
        (OUTBOX,),
    ),
    Mutant(
        "a critical result is closed without who was told",
        "app/domain/critical.py",
        '((teller, "told"), (receiver, "was told"))',
        '((teller, "told"),)',
        (CRITICAL,),
    ),
    Mutant(
        "a conversation of tomorrow closes a critical result",
        "app/domain/critical.py",
        "        if self.told_at > now + CLOCK_SKEW:\n",
        "        if False:\n",
        (CRITICAL,),
    ),
    Mutant(
        "an escalation is the last one",
        "app/domain/critical.py",
        "due_at=now + wait)",
        "due_at=now + wait * 10000)",
        (CRITICAL,),
    ),
    Mutant(
        "a critical finding opens no loop",
        "app/services/signing.py",
        "        open_loops_of_signature(tx, actor, study, after, waits=waits, now=now)\n",
        "",
        (CRITICAL,),
    ),
    Mutant(
        "a stopped model's draft is shown",
        "app/services/drafting.py",
        "            if stopped := tx.ai_models.stop_of(identify(content.model)):\n                return undrafted(stopped), ()\n",
        "",
        (MODELS,),
    ),
    Mutant(
        "another version of a stopped model is stopped too",
        "app/store/ai_models.py",
        "            ModelRow.adapters_sha256 == identity.adapters_sha256,\n        )\n        row",
        "        )\n        row",
        (MODELS,),
    ),
    Mutant(
        "a draft of another study's image is shown",
        "app/domain/draft.py",
        "    if strangers:\n",
        "    if False:\n",
        (DRAFTING,),
    ),
    Mutant(
        "a confidence that is no probability is shown",
        "app/domain/draft.py",
        "    if not 0 <= value <= 1:\n",
        "    if False:\n",
        (DRAFTING,),
    ),
    Mutant(
        "a draft takes the place of what a person has begun",
        "app/services/drafting.py",
        "    return report is None or report.state is ReportState.DRAFTED\n",
        "    return True\n",
        (DRAFTING, MODELS),
    ),
    Mutant(
        "a preliminary SR says that it is verified",
        "pacs_bridge/results/report_states.py",
        '    ReportState.PRELIMINARY: WireState(_UNVERIFIED, "P"',
        '    ReportState.PRELIMINARY: WireState(_VERIFIED, "P"',
        ("tests/bridge/test_report_states.py", "tests/bridge/test_report_sr.py"),
    ),
    Mutant(
        "the printed report does not say AI",
        "pacs_bridge/results/report_page.py",
        'f"AI: text drafted by',
        'f"Text drafted by',
        ("tests/bridge/test_ai_labels.py",),
    ),
)
