"""The QR code that an authenticator reads."""

from __future__ import annotations

import segno

from app.domain.one_time import address_of


def qr_svg(secret: str, username: str) -> str:
    """Return the secret of an account's one-time passwords as an inline SVG, which asks for nothing outside."""
    code = segno.make(address_of(secret, username=username, place="Janus-Med"), error="m")
    return code.svg_inline(scale=4, dark="#000", light="#fff", svgclass="qr", title="QR code of the secret")
