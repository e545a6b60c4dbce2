"""Bring a study from a DICOMweb archive to our own listener (QIDO-RS, WADO-RS: PS3.18 10.6, 10.4)."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import requests
from dicomweb_client import DICOMwebClient
from dicomweb_client.session_utils import create_session
from pydicom.dataset import Dataset

from pacs_bridge.archived_study import (
    ArchivedStudy,
    PriorQuery,
    query_keys,
    read_archived_study,
)
from pacs_bridge.destination import Destination
from pacs_bridge.errors import CANNOT_UNDERSTAND, BridgeError, Rejected, Retriable
from pacs_bridge.store_scu import send_instances

# what may pass by itself: too many requests, and the server's own trouble (RFC 9110 15.6)
_PASSING = frozenset({408, 425, 429, 500, 502, 503, 504})


@dataclass(frozen=True)
class WebArchive:
    """An archive that speaks DICOMweb.

    Parameters
    ----------
    url
        Root of its services.
    listener
        Our own listener, as we reach it.
    calling_ae
        Our AE title.
    token_file
        Holds a bearer token; None for none.
    ca_file
        Its issuer (PEM); None takes the usual ones.
    """

    url: str
    listener: Destination
    calling_ae: str
    token_file: Path | None = None
    ca_file: Path | None = None
    timeout: float = 30.0
    most_answers: int = 200

    def find(self, query: PriorQuery) -> Sequence[ArchivedStudy]:
        """Return what the archive has of the patient."""
        keys = query_keys(query)
        matching = {keyword: value for keyword, value in keys.items() if value}
        with self._errors("QIDO-RS"):
            answers = self._client().search_for_studies(
                search_filters=matching,
                fields=[keyword for keyword in keys if keyword not in matching],
                limit=self.most_answers,
            )
            read = [read_archived_study(Dataset.from_json(answer), query) for answer in answers]
        return [study for study in read if study is not None]

    def fetch(self, study_uid: str) -> int:
        """Bring a study to our listener, one instance at a time."""
        count = 0
        for dataset in self._instances(study_uid):
            send_instances([dataset], self.listener, calling_ae=self.calling_ae, sent_before=True)
            count += 1
        return count

    def _instances(self, study_uid: str) -> Iterator[Dataset]:
        with self._errors("WADO-RS"):
            yield from self._client().iter_study(study_uid, media_types=(("application/dicom", "*"),))

    def _client(self) -> Any:
        session = create_session()
        if self.ca_file is not None:
            session.verify = str(self.ca_file)
        if self.token_file is not None:
            session.headers["Authorization"] = f"Bearer {self.token_file.read_text().strip()}"
        return DICOMwebClient(self.url, session=session, timeout=self.timeout)

    def _errors(self, service: str) -> _Errors:
        return _Errors(self.url, service)


@dataclass(frozen=True)
class _Errors:
    """Turns what the HTTP client raises into the terms of our tree."""

    url: str
    service: str

    def __enter__(self) -> None:
        return None

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, _: object) -> None:
        if error is None or isinstance(error, BridgeError):
            return
        if isinstance(error, requests.HTTPError) and error.response is not None:
            status = error.response.status_code
            reason = f"{self.service} of {self.url} answered {status}"
            raise (
                Retriable(reason) if status in _PASSING else Rejected(CANNOT_UNDERSTAND, reason)
            ) from error
        if isinstance(error, requests.RequestException):
            raise Retriable(
                f"{self.service} of {self.url} cannot be reached: {type(error).__name__}"
            ) from error
        if isinstance(error, OSError):
            raise Rejected(CANNOT_UNDERSTAND, f"{self.service}: {error.strerror}") from error
        if isinstance(error, ValueError | TypeError | KeyError | AttributeError):
            reason = f"{self.service} of {self.url} answered with what cannot be read"
            raise Rejected(CANNOT_UNDERSTAND, reason) from error
