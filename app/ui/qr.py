"""The QR code that an authenticator reads."""

from __future__ import annotations

import io

import segno

from app.domain.one_time import address_of


def qr_svg(secret: str, username: str) -> str:
    """Return the secret of an account's one-time passwords as an SVG for the page itself."""
    code = segno.make(address_of(secret, username=username, place="Janus-Med"), error="m")
    out = io.BytesIO()
    code.save(
        out, kind="svg", scale=4, light="#aab3bd", xmldecl=False, svgclass="qr", title="QR code of the secret"
    )
    return out.getvalue().decode()
