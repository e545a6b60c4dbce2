"""The application's errors.

::

    JanusMedError
    +-- Rejected             never retry; the caller has to change something
    |   +-- InvalidTransition    the state machine has no such arrow
    |   +-- NotAuthorised        the role may not do this
    |   |   +-- StudyRestricted  the study belongs to groups that the reader is not in
    |   +-- AuthenticationFailed wrong user, password, or an ended session
    |   |   +-- SecondFactorNeeded   the password is right and does not suffice
    |   |   +-- SignOnRefused        the identity provider, or what it says, does not open a session
    |   +-- LockedByOther        another reader holds the report
    |   +-- StaleVersion         the report changed since it was read
    |   +-- NotFound             no such study, report, user ...
    |   +-- Conflict             same identity, other content
    |   +-- NotBlind             opening the study would end the blindness of one's own second review
    |   +-- ReportIncomplete     a hard stop before signing: something is missing
    |   +-- CheckFailed          a hard stop before signing: the report contradicts itself
    |   +-- WarningsNotConfirmed a warning before signing that the signer has not confirmed
    |   +-- ConfigurationError   a setting is missing or unsafe
    |   +-- RulesBroken          the routing rules cannot be read
    |   +-- TooManyRequests      somebody asks more often than they may
    +-- Retriable            the same call may succeed later
    |   +-- DatabaseUnavailable
    |   +-- PeerUnavailable      PACS, RIS or another system does not answer
    +-- Fatal                the process stops
        +-- AuditBroken          the audit chain does not verify
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from app.domain.checks import Check


class JanusMedError(Exception):
    """Root of all errors that the application raises on purpose."""


class Rejected(JanusMedError):
    """The request cannot be met and repeating it will not help."""


class InvalidTransition(Rejected):
    """A state machine has no arrow for this pair of state and command."""


class NotAuthorised(Rejected):
    """The role of the person does not allow the act."""


class StudyRestricted(NotAuthorised):
    """The study is restricted to groups that the reader is not in.

    Attributes
    ----------
    study_uid
        Which study it is; the message does not say it.
    """

    def __init__(self, study_uid: str) -> None:
        super().__init__(
            "this study is restricted to a group that you are not in, or your emergency access has ended"
        )
        self.study_uid = study_uid


class TooManyRequests(Rejected):
    """Somebody asks more often than they may (RFC 6585 4).

    Attributes
    ----------
    retry_after
        Seconds until the next request is taken.
    """

    def __init__(self, message: str, *, retry_after: int = 1) -> None:
        super().__init__(message)
        self.retry_after = retry_after


class AuthenticationFailed(Rejected):
    """The person could not be identified, or the session has ended."""


class SecondFactorNeeded(AuthenticationFailed):
    """The password was right, and the account needs its one-time password too.

    Attributes
    ----------
    is_set
        False when the account has to get a second factor first.
    """

    def __init__(self, user_id: int, *, is_set: bool) -> None:
        super().__init__("this account needs its one-time password too")
        self.user_id = user_id
        self.is_set = is_set


class SignOnRefused(AuthenticationFailed):
    """Single sign-on opened nothing; the message says what to do.

    Attributes
    ----------
    reason
        For the audit log, without secrets.
    """

    def __init__(self, message: str, reason: str) -> None:
        super().__init__(message)
        self.reason = reason


class LockedByOther(Rejected):
    """Another reader holds the report."""


class StaleVersion(Rejected):
    """The report was changed since the caller read it."""


class NotFound(Rejected):
    """There is no such thing."""


class Conflict(Rejected):
    """The same identity was given to different content."""


class NotBlind(Rejected):
    """Opening the study would show the signer to somebody who reviews its report and has not handed it in."""


class ReportIncomplete(Rejected):
    """The report cannot be signed as it stands; the message says what is missing."""


class CheckFailed(Rejected):
    """The report contradicts itself and cannot be signed; the message says where."""


class WarningsNotConfirmed(Rejected):
    """Warnings stand that the signer has not confirmed for this version; the message names them.

    Attributes
    ----------
    checks
        Every warning that stands.
    """

    def __init__(self, message: str, checks: tuple[Check, ...]) -> None:
        super().__init__(message)
        self.checks = checks


class ConfigurationError(Rejected):
    """A setting is missing, contradictory or unsafe; the message names it."""


class RulesBroken(Rejected):
    """The routing rules cannot be used; the message names every mistake, one a line."""


class Retriable(JanusMedError):
    """The same call may succeed later."""


class DatabaseUnavailable(Retriable):
    """The database does not answer."""


class PeerUnavailable(Retriable):
    """A system that we deliver to does not answer."""


class Fatal(JanusMedError):
    """The process must stop."""


class AuditBroken(Fatal):
    """The audit chain does not verify; the message names the first bad entry."""
