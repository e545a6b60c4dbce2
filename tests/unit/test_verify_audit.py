"""The stand-alone verifier: canonical JSON of its own, every format, and that it needs nothing of ours."""

from __future__ import annotations

import ast
import hashlib
import io
import json
import subprocess
import sys
from pathlib import Path

import pytest
import rfc8785
from hypothesis import given, settings
from hypothesis import strategies as st

from app.services import verify_audit
from app.store.signing_keys import public_pem
from tests.unit.audit_logs import KEY, export_of, make_log

SOURCE = Path(verify_audit.__file__)
FINITE = st.floats(allow_nan=False, allow_infinity=False)
VALUES = st.recursive(
    st.none() | st.booleans() | st.text() | st.integers(-(2**53) + 1, 2**53 - 1) | FINITE,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=12,
)


@settings(max_examples=400, deadline=None)
@given(VALUES)
def test_canonical_json_is_that_of_the_library(value: object) -> None:
    assert verify_audit.canonical(value).encode() == rfc8785.dumps(value)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    "value",
    [0.0, -0.0, 1.0, 1e21, 1e20, 123456789012345680000.0, 1e-6, 1e-7, 5e-324, 1.7976931348623157e308, 0.1,
     4.35, 333333333.33333329, 1e30, 4.5, 2e-3, 9007199254740992.0, 1.5e300, -1.25e-9],
)  # fmt: skip
def test_numbers_are_written_as_ecmascript_writes_them(value: float) -> None:
    assert verify_audit.number(value).encode() == rfc8785.dumps(value)


def test_it_imports_nothing_but_the_standard_library_and_cryptography() -> None:
    allowed = set(sys.stdlib_module_names) | {"cryptography"}
    imported = {
        name.split(".")[0]
        for node in ast.walk(ast.parse(SOURCE.read_text()))
        for name in (
            [alias.name for alias in node.names]
            if isinstance(node, ast.Import)
            else [node.module or ""]
            if isinstance(node, ast.ImportFrom)
            else []
        )
    }
    assert imported <= allowed


@pytest.mark.covers("A3")
@pytest.mark.parametrize("format_", ["csv", "jsonl"])
def test_export_verifies_without_any_of_us(tmp_path: Path, format_: str) -> None:
    log = make_log(250)
    (tmp_path / "log").write_text(export_of(log, format_), newline="")
    (tmp_path / "key.pem").write_text(public_pem(KEY.signer.public_key))
    script = tmp_path / "verify_audit.py"
    script.write_bytes(SOURCE.read_bytes())

    def verify() -> subprocess.CompletedProcess[str]:
        command = [sys.executable, "-I", str(script), "log", "--keys", "key.pem"]
        return subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)

    done = verify()
    assert (done.returncode, done.stderr) == (0, "")
    assert "250 entries verified (the whole log)" in done.stdout
    assert "2 checkpoints hold, the last covers entry 199" in done.stdout
    text = (tmp_path / "log").read_bytes().decode()
    (tmp_path / "log").write_text(text.replace("1.2.7", "1.2.8", 1), newline="")
    done = verify()
    assert done.returncode == 1
    assert "NOT VERIFIED: entry 7 was altered" in done.stdout


@pytest.mark.parametrize("text", ["", "{}", "[]", "hello", '{"janus_med_audit": 1}'])
def test_file_that_is_no_export_is_refused(text: str) -> None:
    with pytest.raises((verify_audit.Broken, KeyError)):
        verify_audit.verify_log(io.BytesIO(text.encode()), verify_audit.Keys([]))


def test_checkpoint_of_a_key_that_is_not_trusted_is_refused() -> None:
    log = make_log(150)
    with pytest.raises(verify_audit.Broken, match="the checkpoint in entry 100 has no seal of a trusted key"):
        verify_audit.verify_log(io.BytesIO(export_of(log).encode()), verify_audit.Keys([]))


def test_cut_end_and_lines_after_it_are_named() -> None:
    keys = verify_audit.Keys([public_pem(KEY.signer.public_key).encode()])
    lines = export_of(make_log(150)).splitlines()
    with pytest.raises(verify_audit.Broken, match="the end is cut off after entry 150"):
        verify_audit.verify(iter(lines[:-1]), keys)
    with pytest.raises(verify_audit.Broken, match="something after the closing line"):
        verify_audit.verify(iter([*lines, lines[-1]]), keys)
    shorter = export_of(make_log(149)).splitlines()
    with pytest.raises(verify_audit.Broken, match="entry 150 is missing"):
        verify_audit.verify(iter(_linked_anew(lines[0], shorter[1:-1])), keys)


def _linked_anew(heading: str, entries: list[str]) -> list[str]:
    """Give entries under a heading whose head they do not reach, with links and count that fit."""
    link, lines = hashlib.sha256(heading.encode()).hexdigest(), [heading]
    for entry in map(json.loads, entries):
        link = hashlib.sha256((link + entry["digest"]).encode()).hexdigest()
        lines.append(json.dumps(entry | {"link": link}))
    return [*lines, json.dumps({"janus_med_audit_end": 1, "count": len(entries), "link": link})]
