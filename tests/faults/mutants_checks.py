"""Faults in the checks before a signature."""

from __future__ import annotations

from tests.faults.mutants import Mutant

SIGNING = "tests/unit/services/test_signing.py"
CHECKS = "tests/unit/services/test_checks.py"
TEXT = "tests/unit/checks/test_checks_text.py"
WORDS = "tests/unit/services/test_words.py"

MUTANTS = (
    Mutant(
        "untouched AI text can be signed",
        "app/domain/checks_text.py",
        "        if left:\n            first",
        "        if False:\n            first",
        (SIGNING, TEXT),
    ),
    Mutant(
        "a field in brackets can be signed",
        "app/domain/checks_text.py",
        "        if found := _OPEN.search(passage.text):\n",
        "        if found := None:\n",
        (SIGNING, CHECKS),
    ),
    Mutant(
        "a stop is signed over",
        "app/domain/checks.py",
        "    for stop in stops_of(checks):\n",
        "    for stop in ():\n",
        (CHECKS,),
    ),
    Mutant(
        "a signature is not checked",
        "app/services/signing.py",
        "        require_checked(checks, confirmation, report.version)\n",
        "",
        (CHECKS,),
    ),
    Mutant(
        "an amendment is not checked",
        "app/services/amending.py",
        "        require_checked(checks, confirmation, report.version)\n",
        "",
        (CHECKS,),
    ),
    Mutant(
        "a warning needs no word",
        "app/domain/checks.py",
        "    missing = _unconfirmed(warnings, confirmation, version)\n",
        "    missing = ()\n",
        (CHECKS,),
    ),
    Mutant(
        "the word for one version counts for another",
        "app/domain/checks.py",
        "    if confirmation is not None and confirmation.version == version:\n",
        "    if confirmation is not None:\n",
        (CHECKS,),
    ),
    Mutant(
        "one word counts for whatever comes later",
        "app/domain/checks.py",
        "    return tuple(check for check in warnings if check.mark not in known)\n",
        "    return () if known else tuple(warnings)\n",
        (CHECKS,),
    ),
    Mutant(
        "what was confirmed is not on record",
        "app/services/signing.py",
        "    if confirmed:\n",
        "    if False:\n",
        (CHECKS,),
    ),
    Mutant(
        "words of the report stand in the log",
        "app/services/signing.py",
        '        detail["confirmed"] = [check.place for check in confirmed]\n',
        '        detail["confirmed"] = [check.message for check in confirmed]\n',
        (CHECKS,),
    ),
    Mutant(
        "a doubt counts as a statement",
        "app/domain/statements.py",
        "            polarity = Polarity.DOUBTED if doubted else _polarity(lexicon, clause, found)\n",
        "            polarity = _polarity(lexicon, clause, found)\n",
        (TEXT,),
    ),
    Mutant(
        "the department's words are not read at the signature",
        "app/services/checks.py",
        "    return check_report(report.sentences, subject, lexicon=lexicon_in_force(tx))\n",
        "    return check_report(report.sentences, subject)\n",
        (WORDS,),
    ),
    Mutant(
        "the side of the images is not held against the report",
        "app/services/checks.py",
        "        sides_of_images=frozenset(_SIDES.get(side, Side.NONE) for side in marked),\n",
        "",
        (CHECKS,),
    ),
    Mutant(
        "a wording of the department may deny",
        "app/domain/department_words.py",
        "        elif turning:\n",
        "        elif False:\n",
        ("tests/unit/checks/test_department_words.py",),
    ),
    Mutant(
        "who has not opened the study reads its checks",
        "app/services/checks.py",
        "        if was_opened:\n",
        "        if True:\n",
        (CHECKS,),
    ),
)
