"""Writes the keys of the reading room in `docs/interface.md`: `python -m tests.keys_table`."""

from __future__ import annotations

import re
import sys
from collections.abc import Mapping, Sequence

from tests.generated import DOCS, publish, replace_part
from tests.ui.said import SCRIPTS

INTERFACE = DOCS / "interface.md"
_BINDING = re.compile(
    r'(?:\bkey\(\s*|\bkeys:\s*)\[((?:"[^"]+",?\s*)+)\],\s*(?:label:\s*)?say\(\s*"((?:[^"\\]|\\.)*)"'
)
_PLACES: Mapping[str, str] = {
    "header": "everywhere",
    "worklist": "worklist",
    "viewer": "images",
    "editor": "report",
    "context": "beside the report",
    "steps": "case of a list",
    "second": "second review",
}
PAGES: Mapping[str, frozenset[str]] = {
    "worklist": frozenset({"everywhere", "worklist"}),
    "review": frozenset({"everywhere", "images", "report", "beside the report", "case of a list"}),
    "second review": frozenset({"everywhere", "images", "second review"}),
}
"""What is on a page at once."""


def bindings() -> list[tuple[str, str, str]]:
    """Return place, keys and act of every binding, as the scripts name them."""
    found = []
    for path in SCRIPTS:
        for keys, act in _BINDING.findall(path.read_text(encoding="utf-8")):
            place = _PLACES.get(re.split(r"[_.]", path.name)[0], "images")
            names = " ".join(f"`{key}`" for key in re.findall(r'"([^"]+)"', keys))
            found.append((place, names.replace("` `", "`, `").replace("`|`", "`\\|`"), act))
    order = list(dict.fromkeys(_PLACES.values()))
    return sorted(found, key=lambda one: order.index(one[0]))


def doubled() -> list[tuple[str, str]]:
    """Return page and key of every key that means two things at once."""
    found = []
    for page, places in PAGES.items():
        keys = [key for place, names, _ in bindings() if place in places for key in names.split(", ")]
        found += [(page, key) for key in sorted({key for key in keys if keys.count(key) > 1})]
    return found


def render_keys() -> str:
    """Return one row for every key."""
    rows = [f"| {place} | {keys} | {act} |" for place, keys, act in bindings()]
    return "\n".join(["| where | keys | what |", "|---|---|---|", *rows])


def main(arguments: Sequence[str]) -> int:
    """Write the table, or with `--check` say whether the committed one is up to date."""
    document = replace_part(INTERFACE.read_text(), "keys", render_keys())
    return publish(INTERFACE, document, check="--check" in arguments)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
