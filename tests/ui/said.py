"""What the sources say: the literals that `say` and `phrase` get, and the literals that get past them."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from functools import cache
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
UI = ROOT / "app" / "ui"
PYTHON = sorted(UI.rglob("*.py"))
SCRIPTS = sorted((UI / "components" / "js").glob("*.js"))

_LITERAL = r'"(?:[^"\\\n]|\\.)*"'
_SAID_IN_SCRIPT = re.compile(rf"(?<![.\w])(?:say|phrase)\(\s*({_LITERAL}(?:\s*\+\s*{_LITERAL})*)")
_COMMENT = re.compile(r"/\*.*?\*/|(?<![:\"'])//[^\n]*", re.DOTALL)
# literals that a browser reads and no person: classes, modules, selectors, contexts
_FOR_THE_BROWSER = re.compile(
    r"(?:\bclass(?:Name)?|dataset\.\w+)\s*[:=]\s*$|\b(?:from|import\()\s*$"
    r"|\.(?:querySelector(?:All)?|closest|matches|getContext)\(\s*$"
)
_SHOWN = re.compile(r'(?:\b(?:text|title|label|group|placeholder)|"aria-label"|\.textContent)\s*[:=]\s*$')
_WORDS = re.compile(r"[^\W\d_]{2,}[,:;]? [^\W\d_]|^[A-Z][a-z]{2,}$")
# Streamlit's elements, and which of their arguments a person reads
_ELEMENTS = frozenset(
    {
        "badge", "button", "caption", "checkbox", "date_input", "dialog", "download_button", "error",
        "expander", "form_submit_button", "header", "info", "link_button", "markdown", "metric",
        "multiselect", "number_input", "popover", "radio", "segmented_control", "selectbox", "subheader",
        "success", "text", "text_area", "text_input", "title", "toast", "toggle", "warning", "write",
    }
)  # fmt: skip
_NAMED = frozenset({"help", "placeholder", "label", "caption", "alt"})


def said_in_python(path: Path) -> Iterator[tuple[int, str]]:
    """Yield line and literal of each `say(...)` and `phrase(...)`."""
    for call in _calls(path):
        if _name_of(call) in {"say", "phrase"} and call.args and (text := _literal(call.args[0])) is not None:
            yield call.lineno, text


def said_in_script(path: Path) -> Iterator[tuple[int, str]]:
    """Yield line and literal of each `say(...)` and `phrase(...)` of a script."""
    source = path.read_text(encoding="utf-8")
    for found in _SAID_IN_SCRIPT.finditer(source):
        parts = re.findall(_LITERAL, found[1])
        text = "".join(
            part[1:-1].encode().decode("unicode_escape").encode("latin-1").decode() for part in parts
        )
        yield source.count("\n", 0, found.start()) + 1, text


def bare_in_python(path: Path) -> Iterator[tuple[int, str]]:
    """Yield line and literal of what a view shows without saying it: words, also between values."""
    for call in _calls(path):
        is_shown = isinstance(call.func, ast.Attribute) and call.func.attr in _ELEMENTS
        if is_shown and ast.unparse(call.func.value) in {"log", "structlog.get_logger()"}:
            continue
        shown = list(call.args[:1]) if is_shown else []
        shown += [keyword.value for keyword in call.keywords if keyword.arg in _NAMED]
        for node in shown:
            if (text := _template(node)) is not None and has_words(text):
                yield node.lineno, text


def bare_in_script(path: Path) -> Iterator[tuple[int, str]]:
    """Yield line and literal of what may be shown unsaid: any text, two words in a row, a capital."""

    def blank(found: re.Match[str]) -> str:
        return "\n" * found[0].count("\n")

    source = _SAID_IN_SCRIPT.sub(blank, _COMMENT.sub(blank, path.read_text(encoding="utf-8")))
    for found in re.finditer(rf"{_LITERAL}|`[^`]*`", source):
        text = re.sub(r"\$\{[^}]*\}|\\u[0-9a-f]{4}", "{}", found[0][1:-1])
        before = source[max(0, found.start() - 60) : found.start()]
        if before.rstrip().endswith(("{", ",")) and source[found.end() :].lstrip().startswith(":"):
            continue  # the name of a field
        is_shown = _SHOWN.search(before) is not None and has_words(text)
        if is_shown or (_WORDS.search(text) and not _FOR_THE_BROWSER.search(before)):
            yield source.count("\n", 0, found.start()) + 1, text


@cache
def literals_of(folder: Path, *, leave_out: str = "") -> frozenset[str]:
    """Return every text literal below a folder, names of formatted ones as ``{}``."""
    found = set()
    for path in (path for path in folder.rglob("*.py") if path.name != leave_out):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Constant | ast.JoinedStr) and (text := _template(node)):
                found.add(text)
    return frozenset(found)


def has_words(text: str) -> bool:
    """Tell whether a text holds a word; single letters, units and names of icons are none."""
    return re.search(r"[^\W\d_]{2,}", re.sub(r":material/\w+:|\{\}", "", text)) is not None


def _calls(path: Path) -> Iterator[ast.Call]:
    tree = ast.parse(path.read_text(encoding="utf-8"))
    return (node for node in ast.walk(tree) if isinstance(node, ast.Call))


def _name_of(call: ast.Call) -> str:
    return call.func.id if isinstance(call.func, ast.Name) else ""


def _literal(node: ast.AST) -> str | None:
    return node.value if isinstance(node, ast.Constant) and isinstance(node.value, str) else None


def _template(node: ast.AST) -> str | None:
    """Return a literal, or a formatted one with ``{}`` for its values; None for anything else."""
    if isinstance(node, ast.JoinedStr):
        return "".join(str(p.value) if isinstance(p, ast.Constant) else "{}" for p in node.values)
    return _literal(node)
