"""Who reaches an address."""

from __future__ import annotations

import pytest

from app.addresses import covers_every_address, is_loopback, is_public, own_networks


@pytest.mark.parametrize("host", ["127.0.0.1", "127.8.8.8", "::1", "[::1]", "localhost", "LOCALHOST"])
def test_loopback_is_this_machine_alone(host: str) -> None:
    assert is_loopback(host)
    assert own_networks(host) == ("127.0.0.0/8", "::1/128")


@pytest.mark.parametrize("host", ["", "0.0.0.0", "::", "10.0.0.1", "ui", "127.0.0.1.example", "128.0.0.1"])
def test_anything_else_is_a_network(host: str) -> None:
    assert not is_loopback(host)


@pytest.mark.parametrize(
    ("host", "expected"),
    [
        ("8.8.8.8", True),
        ("2001:4860:4860::8888", True),
        ("10.1.2.3", False),
        ("fd00::1", False),
        ("pacs", False),
    ],
)
def test_public_address_stands_in_the_internet(host: str, expected: bool) -> None:
    assert is_public(host) is expected


@pytest.mark.parametrize(
    ("network", "expected"), [("0.0.0.0/0", True), ("::/0", True), ("*", True), ("10.0.0.0/8", False)]
)
def test_network_of_everybody_is_known(network: str, expected: bool) -> None:
    assert covers_every_address(network) is expected
