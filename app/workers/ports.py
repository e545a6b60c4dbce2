"""Ports that we want to listen on: free, or a message that names who has them and what to set."""

from __future__ import annotations

import socket

from app.domain.errors import ConfigurationError


def require_free(host: str, port: int, *, setting: str, purpose: str) -> None:
    """Check that a server may listen on the port; 0 means any and is always free.

    Raises
    ------
    ConfigurationError
        Naming the port, the process that has it when the system tells, and the setting to change.
    """
    if port == 0:
        return
    try:
        family, kind, protocol, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
    except OSError:
        raise ConfigurationError(f"{host} is no address of this machine ({purpose})") from None
    with socket.socket(family, kind, protocol) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(address)
        except PermissionError:
            raise ConfigurationError(
                f"port {port} ({purpose}) needs more rights: set {setting} above 1023"
            ) from None
        except OSError as error:
            raise ConfigurationError(
                f"port {port} ({purpose}) is {_taken_by(port, error)}: set {setting} to a free port, "
                "or stop that process"
            ) from None


def _taken_by(port: int, error: OSError) -> str:
    import errno

    import psutil

    if error.errno != errno.EADDRINUSE:
        return f"not available ({error.strerror})"
    try:
        for connection in psutil.net_connections(kind="tcp"):
            if connection.status == psutil.CONN_LISTEN and connection.laddr.port == port and connection.pid:
                process = psutil.Process(connection.pid)
                return f"taken by {process.name()} (process {connection.pid})"
    except psutil.Error:
        pass
    return "taken by another process"
