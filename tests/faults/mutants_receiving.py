"""Faults in receiving and telling: admission, durability, identity of images, text on the wire."""

from __future__ import annotations

from tests.faults.mutants import Mutant

ADMISSION = "tests/bridge/test_admission.py"
SPOOL = "tests/bridge/test_spool.py"

MUTANTS = (
    Mutant(
        "an unknown AE title is let in",
        "pacs_bridge/admission.py",
        "        if peer is None:\n            return UNKNOWN_CALLING_AE\n",
        "        if peer is None:\n            return None\n",
        (ADMISSION,),
    ),
    Mutant(
        "an AE title may call from anywhere",
        "pacs_bridge/admission.py",
        "        if not peer.may_call_from(facts.source_address):\n",
        "        if False:\n",
        (ADMISSION,),
    ),
    Mutant(
        "a bound AE title takes any certificate",
        "pacs_bridge/admission.py",
        "        if not peer.may_use(facts.certificate):\n",
        "        if False:\n",
        ("tests/bridge/test_tls_profile.py", ADMISSION),
    ),
    Mutant(
        "files are not synced before success",
        "pacs_bridge/durable.py",
        "            if sync:\n                os.fsync(file.fileno())\n",
        "",
        ("tests/bridge/test_kill.py::test_every_answer_follows_fsync_rename_record_fsync", SPOOL),
    ),
    Mutant(
        "a disk may be filled to its end",
        "pacs_bridge/durable.py",
        "        if usage.free - incoming < floor:\n",
        "        if False:\n",
        ("tests/bridge/test_disk_full.py",),
    ),
    Mutant(
        "the floor of free space is the larger of both",
        "pacs_bridge/durable.py",
        "        floor = min(self.fraction * usage.total, self.size)\n",
        "        floor = max(self.fraction * usage.total, self.size)\n",
        ("tests/bridge/test_disk_full.py",),
    ),
    Mutant(
        "an instance takes the place of another",
        "pacs_bridge/durable.py",
        "    except FileExistsError:\n        return False\n    return True\n",
        "    except FileExistsError:\n        os.replace(source, target)\n    return True\n",
        (SPOOL,),
    ),
    Mutant(
        "a corrected HL7 report says that it is final",
        "pacs_bridge/results/report_states.py",
        '    ReportState.CORRECTED: WireState(_VERIFIED, "C"',
        '    ReportState.CORRECTED: WireState(_VERIFIED, "F"',
        ("tests/bridge/test_report_states.py", "tests/bridge/test_hl7_report.py"),
    ),
)
