"""Says of which sources the shipped image library was built; `make ui` calls it."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

UI = Path(__file__).resolve().parents[1] / "app" / "ui"
FRONTEND, BUNDLE = UI / "frontend", UI / "components" / "cornerstone"
STAMP = FRONTEND / "built.json"
_SOURCES = ("package.json", "package-lock.json", "vite.config.js", "src/cornerstone.js")


def stamp() -> dict[str, dict[str, str]]:
    """Digests of what goes into the build, and of what came out."""
    return {
        "sources": {name: _digest(FRONTEND / name) for name in _SOURCES},
        "bundle": {path.name: _digest(path) for path in sorted(BUNDLE.iterdir())},
    }


def _digest(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def main() -> None:
    """Write the stamp."""
    STAMP.write_text(json.dumps(stamp(), indent=2) + "\n")


if __name__ == "__main__":
    main()
