"""What an address says about who can reach it: this machine alone, a private network, everybody."""

from __future__ import annotations

import ipaddress


def is_loopback(host: str) -> bool:
    """Tell whether an address reaches this machine alone; a name other than ``localhost`` does not."""
    if host.lower() == "localhost":
        return True
    address = _address(host)
    return address is not None and address.is_loopback


def is_public(host: str) -> bool:
    """Tell whether an address stands in the internet; of a name that is not known."""
    address = _address(host)
    return address is not None and address.is_global


def covers_every_address(network: str) -> bool:
    """Tell whether a network (CIDR) holds every address of its family, or the text is a wildcard."""
    if network.strip() == "*":
        return True
    try:
        return ipaddress.ip_network(network, strict=False).prefixlen == 0
    except ValueError:
        return False


def neighbourhood(host: str) -> str:
    """Return what counts as one caller: an address of IPv4, or the network of one customer in IPv6 (/64)."""
    address = _address(host)
    if isinstance(address, ipaddress.IPv6Address):
        mapped = address.ipv4_mapped
        return str(mapped) if mapped else str(ipaddress.ip_network((address, 64), strict=False))
    return host


def own_address(host: str) -> str:
    """Return how this machine calls a server of its own that listens on ``host``.

    A server on every address is called by loopback of the same family: a socket on ``::`` need not take
    IPv4 (``IPV6_V6ONLY``, RFC 3493 5.3).
    """
    return {"": "127.0.0.1", "0.0.0.0": "127.0.0.1", "::": "::1"}.get(host, host)  # noqa: S104  # nosec B104


def own_networks(host: str) -> tuple[str, ...]:
    """Return from where this machine calls its own server: loopback, and the one address it listens on."""
    loopback = ("127.0.0.0/8", "::1/128")
    address = _address(host)
    if address is None or address.is_loopback or address.is_unspecified:
        return loopback
    return (*loopback, str(address))


def _address(host: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address | None:
    try:
        return ipaddress.ip_address(host.strip("[]"))
    except ValueError:
        return None
