"""Foreign text in Streamlit's own elements: they read Markdown, and a name must not become a link."""

from __future__ import annotations

import re

_MEANINGFUL = re.compile(r"([\\`*_{}\[\]()#+\-.!|<>~$:&])")


def plain(text: str) -> str:
    """Return `text` so that Markdown shows exactly it."""
    return _MEANINGFUL.sub(r"\\\1", " ".join(text.split()))
