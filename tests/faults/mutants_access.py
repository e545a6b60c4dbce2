"""Faults in who may do what: passwords, second factors, sessions, roles, restricted studies, locks."""

from __future__ import annotations

from tests.faults.mutants import Mutant

ACCOUNTS = "tests/store/test_accounts.py"
FACTOR = "tests/store/test_second_factor.py"
LOCKING = "tests/unit/services/test_locking.py"
EMERGENCY = "tests/unit/services/test_emergency.py"
RESTRICTED = "tests/unit/services/test_study_access.py"
ROLES = "tests/unit/services/test_roles.py"
GATE = "tests/ui/test_gate.py"

MUTANTS = (
    Mutant(
        "an account is never locked",
        "app/domain/account.py",
        "        locked_until = now + LOCKOUT if failed % ATTEMPTS_BEFORE_LOCKOUT == 0 else self.locked_until\n",
        "        locked_until = self.locked_until\n",
        (ACCOUNTS, "tests/unit/services/test_signing.py"),
    ),
    Mutant(
        "a closed account still signs",
        "app/services/credentials.py",
        '    if user.disabled:\n        return "account closed"\n',
        "",
        (ACCOUNTS, "tests/unit/services/test_signing.py"),
    ),
    Mutant(
        "failures in a row are not counted",
        "app/services/credentials.py",
        "    user = user.after_failure(now)\n",
        "",
        (ACCOUNTS, FACTOR),
    ),
    Mutant(
        "a one-time password counts twice",
        "app/services/credentials.py",
        "    if step <= factor.last_step:\n",
        "    if False:\n",
        (FACTOR,),
    ),
    Mutant(
        "a one-time password of an hour ago counts",
        "app/domain/one_time.py",
        "    for step in (present - 1, present, present + 1):\n",
        "    for step in range(present - 120, present + 2):\n",
        ("tests/unit/test_one_time.py",),
    ),
    Mutant(
        "a session never idles",
        "app/domain/account.py",
        "        if now - self.last_seen_at >= idle:\n",
        "        if False:\n",
        (ACCOUNTS, "tests/ui/test_gate.py"),
    ),
    Mutant(
        "a session lasts for ever",
        "app/domain/account.py",
        "or now - self.created_at >= LONGEST_SESSION",
        "",
        (ACCOUNTS,),
    ),
    Mutant(
        "an ended session can sign",
        "app/services/reauthentication.py",
        "    if ended:\n        raise AuthenticationFailed(SESSION_ENDED)\n",
        "",
        ("tests/unit/services/test_signing.py", ACCOUNTS),
    ),
    Mutant(
        "signing asks for no second factor",
        "app/services/reauthentication.py",
        "        if user is not None and tx.factors.of(user.user_id) is not None:\n            user = judge_code(",
        "        if False:\n            user = judge_code(",
        (FACTOR,),
    ),
    Mutant(
        "a refused act leaves no trace",
        "app/services/permission.py",
        "        record_denial(store, actor, action.value, now=now, study_uid=study_uid)\n        raise",
        "        raise",
        (ROLES,),
    ),
    Mutant(
        "a viewer may edit",
        "app/domain/access.py",
        "    Role.VIEWER: frozenset(_READ),\n",
        "    Role.VIEWER: frozenset(_READ | _WRITE),\n",
        ("tests/unit/test_access.py",),
    ),
    Mutant(
        "a resident may withdraw",
        "app/domain/access.py",
        "    Role.RESIDENT: frozenset(_READ | _WRITE),\n",
        "    Role.RESIDENT: frozenset(_READ | _WRITE | {Action.WITHDRAW_REPORT}),\n",
        ("tests/unit/test_access.py",),
    ),
    Mutant(
        "somebody else's lock does not count",
        "app/services/locking.py",
        "    raise held_by(lock)\n",
        "    return lock\n",
        (LOCKING,),
    ),
    Mutant(
        "a take-over is not on record",
        "app/services/locking.py",
        "        tx.audit.append(fact_about(tx, study, AuditEvent.REPORT_TAKEN_OVER, actor, now=now, detail=detail))\n",
        "",
        (LOCKING, "tests/unit/services/test_audit_of_acts.py"),
    ),
    Mutant(
        "the pen of somebody else is put down",
        "app/services/locking.py",
        "        if lock is not None and lock.user_id == actor.user_id:\n            tx.reports",
        "        if lock is not None:\n            tx.reports",
        (LOCKING,),
    ),
    Mutant(
        "the wrong owner is taken over from",
        "app/services/locking.py",
        "and former.username != from_user:\n",
        "and False:\n",
        (LOCKING,),
    ),
    Mutant(
        "emergency access without an end",
        "app/domain/emergency.py",
        "        return self.state is EmergencyState.RUNNING and now < self.ends_at\n",
        "        return self.state is EmergencyState.RUNNING\n",
        (EMERGENCY, RESTRICTED),
    ),
    Mutant(
        "an emergency that was ended still opens",
        "app/domain/emergency.py",
        "        return self.state is EmergencyState.RUNNING and now < self.ends_at\n",
        "        return now < self.ends_at\n",
        (EMERGENCY, RESTRICTED),
    ),
    Mutant(
        "the token of another session's page counts",
        "app/ui/csrf.py",
        "    return bool(secret) and hmac.compare_digest(csrf_token(secret).encode(), token.encode())\n",
        "    return bool(secret)\n",
        (GATE, "tests/ui/test_report_routes.py", "tests/ui/test_export.py"),
    ),
    Mutant(
        "a foreign page may act",
        "app/ui/csrf.py",
        '    if origin is not None and urlsplit(origin).netloc != connection.headers.get("host"):\n',
        "    if False:\n",
        (GATE, "tests/ui/test_login.py", "tests/ui/test_report_routes.py"),
    ),
    Mutant(
        "a withdrawal asks for no password",
        "app/services/withdrawal.py",
        "    reauthenticate(store, actor, password, now=now)\n",
        "",
        ("tests/unit/services/test_outbox.py",),
    ),
    Mutant(
        "a withdrawn report was another version",
        "app/services/withdrawal.py",
        "        if report.version != version:\n",
        "        if False:\n",
        ("tests/unit/services/test_outbox.py",),
    ),
)
