"""Generated documents and generated parts of documents: written by `make docs`, compared by the tests."""

from __future__ import annotations

import re
from pathlib import Path

DOCS = Path(__file__).resolve().parents[1] / "docs"


def replace_part(document: str, name: str, text: str) -> str:
    """Return the document with what stands between the two marks of `name` replaced.

    Raises
    ------
    ValueError
        If the document does not have the marks exactly once.
    """
    begin, end = f"<!-- generated: {name} -->", f"<!-- end: {name} -->"
    pattern = re.compile(f"{re.escape(begin)}\n.*?{re.escape(end)}", re.DOTALL)
    if len(pattern.findall(document)) != 1:
        raise ValueError(f"the document has no single part between {begin} and {end}")
    return pattern.sub(lambda _: f"{begin}\n{text}\n{end}", document)


def publish(path: Path, text: str, *, check: bool) -> int:
    """Write a document, or with `check` return 1 and say so when the committed one differs."""
    if not check:
        path.write_text(text)
    elif not path.exists() or path.read_text() != text:
        print(f"docs/{path.relative_to(DOCS)} is out of date: run `make docs`")
        return 1
    return 0
