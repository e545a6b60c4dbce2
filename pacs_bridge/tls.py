"""TLS for DICOM as PS3.15 B.12 wants it: the BCP 195 profile, with certificates on both sides."""

from __future__ import annotations

import ssl
from dataclasses import dataclass
from pathlib import Path

from pacs_bridge.errors import Fatal

# RFC 9325 4.2: forward secrecy and authenticated encryption only; TLS 1.3 has nothing else
CIPHERS = "ECDHE+AESGCM:ECDHE+CHACHA20"


@dataclass(frozen=True)
class TlsFiles:
    """The files that a TLS server is made of, PEM.

    Parameters
    ----------
    certificate
        Our certificate and what leads from it to its authority.
    key
        Its private key, not encrypted.
    authorities
        Who issues the certificates of peers; a peer without one of theirs gets no session.
    """

    certificate: Path
    key: Path
    authorities: Path

    def context(self) -> ssl.SSLContext:
        """Return the context of a server.

        Raises
        ------
        Fatal
            If a file cannot be used.
        """
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.options |= ssl.OP_NO_RENEGOTIATION | ssl.OP_CIPHER_SERVER_PREFERENCE
        context.verify_mode = ssl.CERT_REQUIRED
        return self._load(context)

    def context_to_itself(self) -> ssl.SSLContext:
        """Return the context with which this machine calls its own server, with the server's certificate.

        That must be of one of the authorities, and good for clients too. Its name is not compared: it is not
        that of the loopback address.

        Raises
        ------
        Fatal
            If a file cannot be used.
        """
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        context.check_hostname = False
        return self._load(context)

    def _load(self, context: ssl.SSLContext) -> ssl.SSLContext:
        context.minimum_version = ssl.TLSVersion.TLSv1_2
        context.set_ciphers(CIPHERS)
        context.options |= ssl.OP_NO_COMPRESSION
        try:
            context.load_cert_chain(self.certificate, self.key, password=refuse_password)
            context.load_verify_locations(self.authorities)
        except (OSError, ValueError) as error:
            raise Fatal(f"TLS cannot be set up from {self.certificate}, {self.key}: {error}") from error
        return context


def refuse_password() -> str:
    """Keep OpenSSL from asking for the password of a key, at a terminal that nobody watches."""
    raise ValueError("the key is encrypted")
