"""A peer to send to, and how long to wait for it."""

from __future__ import annotations

import ssl
from dataclasses import dataclass


@dataclass(frozen=True)
class Destination:
    """A peer to send to.

    Parameters
    ----------
    ae_title, host, port
        As the peer's administrator names them.
    tls
        Client context, None for plain DICOM; `host` is the name checked in the certificate.
    """

    ae_title: str
    host: str
    port: int
    tls: ssl.SSLContext | None = None

    @classmethod
    def parse(cls, text: str) -> Destination:
        """Read ``AE@HOST:PORT``.

        Raises
        ------
        ValueError
            If it is not that.
        """
        ae_title, _, address = text.partition("@")
        host, _, port = address.rpartition(":")
        if not ae_title or not host or not port.isdigit():
            raise ValueError(f"{text!r} is not AE@HOST:PORT")
        return cls(ae_title, host.strip("[]"), int(port))

    def __str__(self) -> str:
        return f"{self.ae_title}@{self.host}:{self.port}"


@dataclass(frozen=True)
class Timeouts:
    """Seconds to wait: for the connection, the association, each answer, and any byte."""

    connection: float = 10.0
    acse: float = 15.0
    dimse: float = 60.0
    network: float = 90.0
