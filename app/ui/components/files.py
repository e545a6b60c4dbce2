"""The scripts and styles of the components, under an address that changes with their content."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping
from functools import cache
from importlib.util import find_spec
from pathlib import Path

FOLDER = Path(__file__).parent
# what a condition asks of the screen stays as it is: it knows no variables
_SIZE = re.compile(r"(@(?:media|container)[^{]*)|(?<![\w.-])(?:[3-9]|\d{2,}|\d+\.\d+)px\b")
MEDIA_TYPES: Mapping[str, str] = {
    ".js": "text/javascript",
    ".css": "text/css",
    ".json": "application/json",
}


@cache
def read_text(name: str) -> str:
    """Return one of our own files, for example ``css/editor.css``."""
    return (FOLDER / name).read_text(encoding="utf-8")


@cache
def east_asian_font() -> bytes:
    """Return a font with Chinese characters, for a workstation that has none of its own.

    It is data of this distribution, which the pages of reports need too; nothing of that package is run.
    """
    package = find_spec("pacs_bridge")
    if package is None or package.origin is None:
        return b""
    return (Path(package.origin).parent / "results" / "fonts" / "DroidSansFallback.ttf").read_bytes()


def scaled(style: str) -> str:
    """Return a style sheet whose sizes grow with the screen: `--scale` of `css/page.css`; lines stay thin."""
    return _SIZE.sub(lambda size: size[1] or f"calc({size[0]} * var(--scale, 1))", style)


@cache
def asset_names() -> frozenset[str]:
    """Return the names of the files that are served: every script and style, nothing else."""
    files = (path for suffix in MEDIA_TYPES for path in FOLDER.rglob(f"*{suffix}"))
    return frozenset(path.relative_to(FOLDER).as_posix() for path in files)


@cache
def assets_digest() -> str:
    """Return a digest of all files: part of their address, so that a browser may keep them for good."""
    digest = hashlib.sha256()
    for name in sorted(asset_names()):
        digest.update(name.encode() + b"\0" + read_text(name).encode() + b"\0")
    return digest.hexdigest()[:16]


def asset_url(name: str) -> str:
    """Return the address of one of our own files."""
    return f"/assets/{assets_digest()}/{name}"
