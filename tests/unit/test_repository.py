"""What a checkout promises apart from behaviour: sizes, import costs, documents that match the code.

What is not covered: the containers (`test_containers.py`).
"""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from app.domain.metrics import METRICS, Kind
from tests import (
    conformance_tables,
    generated,
    keys_table,
    metrics_table,
    reliability,
    settings_table,
    traceability,
)

ROOT = Path(__file__).resolve().parents[2]
PACKAGES = ("app", "janus_med", "pacs_bridge")
HEAVY = ("torch", "monai", "transformers", "peft", "torchao")
MEBIBYTE = 1 << 20


def run(*command: str | Path) -> subprocess.CompletedProcess[str]:
    """Run a command at the top of the checkout, to its end."""
    return subprocess.run(
        [str(part) for part in command], cwd=ROOT, capture_output=True, text=True, check=False
    )


def modules_of(folder: str) -> list[str]:
    """Name every module below a folder of a package."""
    files = sorted((ROOT / folder).rglob("*.py"))
    return [
        ".".join(file.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__") for file in files
    ]


def heavy_libraries_behind(modules: list[str]) -> list[str]:
    """Import modules in a fresh interpreter and name the heavy libraries that came along."""
    code = (
        "import importlib, json, sys\n"
        f"for name in {modules!r}: importlib.import_module(name)\n"
        f"print(json.dumps([name for name in {HEAVY!r} if name in sys.modules]))"
    )
    done = run(sys.executable, "-c", code)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout.splitlines()[-1])


@pytest.fixture
def recorder(request: pytest.FixtureRequest) -> traceability.CoversRecorder:
    """What the tests of this run say they prove."""
    return request.config.pluginmanager.get_plugin(traceability.RECORDER)


@pytest.mark.parametrize("folder", ["pacs_bridge", "app/domain", "app/store", "app/services"])
def test_package_loads_without_the_model_libraries(folder: str) -> None:
    assert heavy_libraries_behind(modules_of(folder)) == []


@pytest.mark.covers("P5")
def test_reading_room_loads_without_the_model_libraries() -> None:
    # the entry file runs when it is imported; what it imports is among the others
    modules = [name for name in modules_of("app/ui") if name != "app.ui.main"]

    assert heavy_libraries_behind(modules) == []


def test_command_line_and_processes_start_without_the_model_libraries() -> None:
    assert heavy_libraries_behind(["app.cli", "app.demo", *modules_of("app/workers")]) == []


def test_import_contracts_hold() -> None:
    done = run(Path(sys.executable).parent / "lint-imports", "--no-cache", "--no-logo")

    assert done.returncode == 0, done.stdout


def test_no_source_file_is_longer_than_300_lines() -> None:
    files = [file for package in PACKAGES for file in (ROOT / package).rglob("*.py")]
    # one file on purpose: it is taken away and read by whoever has to trust it
    files.remove(ROOT / "app" / "services" / "verify_audit.py")
    long = {
        str(file.relative_to(ROOT)): n for file in files if (n := len(file.read_text().splitlines())) > 300
    }

    assert files
    assert long == {}


def test_migrations_do_not_shadow_the_library() -> None:
    assert list((ROOT / "alembic").rglob("__init__.py")) == []


def test_no_module_of_the_entry_folder_bears_a_standard_library_name() -> None:
    # Streamlit puts the folder of its entry file first on sys.path.
    names = {file.stem for file in (ROOT / "app" / "ui").glob("*.py")} - {"__init__"}

    assert names & sys.stdlib_module_names == set()


def test_reading_room_has_no_folder_that_streamlit_discovers_as_pages() -> None:
    assert [folder for folder in (ROOT / "app").rglob("pages") if folder.is_dir()] == []


def test_weights_are_small_and_no_pickle() -> None:
    files = [file for file in (ROOT / "janus_med" / "weights").rglob("*") if file.is_file()]

    assert {file.name for file in files if file.stat().st_size > 40 * MEBIBYTE} == set()
    assert {file.suffix for file in files} <= {".safetensors", ".json", ".md", ".jinja"}


def test_every_setting_is_described() -> None:
    assert settings_table.find_undocumented() == []


def test_operations_manual_lists_the_settings_as_they_are() -> None:
    assert settings_table.main(["--check"]) == 0, "run `make docs`"


def test_table_of_metrics_is_that_of_the_code() -> None:
    assert metrics_table.main(["--check"]) == 0, "run `make docs`"


def test_table_of_keys_is_current() -> None:
    assert keys_table.main(["--check"]) == 0, "run `make docs`"


def test_key_means_one_thing_on_a_page() -> None:
    assert {key for _, key in keys_table.doubled()} == set()


def test_example_alert_rules_name_metrics_that_exist() -> None:
    rules = (ROOT / "docs" / "alerts.example.yml").read_text()
    endings = {Kind.COUNTER: ("_total",), Kind.HISTOGRAM: ("_bucket", "_sum", "_count"), Kind.GAUGE: ("",)}
    known = {name + ending for name, plan in METRICS.items() for ending in endings[plan.kind]}
    assert set(re.findall(r"janus_med_\w+", rules)) <= known


def test_reliability_page_is_that_of_its_files() -> None:
    assert reliability.main(["--check"]) == 0, "run `make docs`"
    for path in reliability.FOLDER.glob("*.json"):
        row = json.loads(path.read_text())
        assert set(row) == {"what", "measured", "test", "date", "commit", "machine", "seed", "figures"}, path


def test_conformance_statement_lists_what_the_listener_negotiates() -> None:
    assert conformance_tables.main(["--check"]) == 0, "run `make docs`"


def test_generated_part_is_replaced_and_nothing_else() -> None:
    document = "before\n<!-- generated: x -->\nold\n<!-- end: x -->\nafter\n"

    replaced = generated.replace_part(document, "x", "new \\1")

    assert replaced == "before\n<!-- generated: x -->\nnew \\1\n<!-- end: x -->\nafter\n"
    with pytest.raises(ValueError, match="no single part"):
        generated.replace_part(document, "y", "new")


def test_acceptance_rows_are_complete_and_unique() -> None:
    ids = [behaviour.id for behaviour in traceability.read_behaviours(traceability.ACCEPTANCE.read_text())]
    wanted = [
        *(
            f"{letter}{n}"
            for letter, count in {"L": 13, "P": 6, "O": 6, "U": 8, "S": 7, "A": 4, "C": 3, "R": 3}.items()
            for n in range(1, count + 1)
        ),
        *(f"T{n:02}" for n in range(1, 41)),
    ]

    assert ids == wanted


def test_tests_name_known_rows_only(recorder: traceability.CoversRecorder) -> None:
    behaviours = traceability.read_behaviours(traceability.ACCEPTANCE.read_text())

    assert traceability.find_unknown(behaviours, recorder.tests) == {}


def test_traceability_is_up_to_date(recorder: traceability.CoversRecorder) -> None:
    behaviours = traceability.read_behaviours(traceability.ACCEPTANCE.read_text())
    committed = traceability.TRACEABILITY.read_text()
    listed = traceability.read_tests(committed)

    missing = {row: names - listed.get(row, set()) for row, names in recorder.tests.items()}

    assert {row: names for row, names in missing.items() if names} == {}, "run `make docs`"
    # with a part of the tests at hand only that part can be compared
    assert not recorder.has_whole_suite or committed == traceability.render(
        behaviours, recorder.tests, traceability.read_measured()
    )


def test_scripts_measure_known_rows_only(tmp_path: Path) -> None:
    known = {row.id for row in traceability.read_behaviours(traceability.ACCEPTANCE.read_text())}
    (tmp_path / "speed.py").write_text('MEASURES = ("P1", "P2")\n')

    assert {"L2", "P1"} <= set(traceability.read_measured()) <= known
    assert traceability.read_measured(tmp_path) == {"P1": {"bench/speed.py"}, "P2": {"bench/speed.py"}}


def test_unknown_row_is_found() -> None:
    behaviours = [traceability.Behaviour("L1", "Listener", "It is durable.")]

    assert traceability.find_unknown(behaviours, {"L1": {"a"}, "L99": {"b"}}) == {"L99": {"b"}}


def test_row_without_a_test_is_listed_as_open() -> None:
    behaviours = [
        traceability.Behaviour("L1", "Listener", "It is durable."),
        traceability.Behaviour("L2", "Listener", "It is fast."),
        traceability.Behaviour("L3", "Listener", "It is kind."),
    ]

    text = traceability.render(
        behaviours, {"L1": {"tests/bridge/test_spool.py::test_kill"}}, {"L2": {"bench/speed.py"}}
    )

    assert "| L1 | It is durable. | `bridge/test_spool.py::test_kill` |" in text
    assert "| L2 | It is fast. | `bench/speed.py` |" in text
    assert "| L3 | It is kind. | **open** |" in text
    assert "**1 of 3 behaviours have a test, 1 are measured by a script alone, 1 are open.**" in text


def test_commands_in_the_documents_are_commands_of_the_code() -> None:
    from typer.main import get_command

    from app.cli import cli

    commands: Any = get_command(cli).commands
    pattern = re.compile(r"(?:^|[`/])janus-med ([a-z][a-z-]*)(?: ([a-z]+))?(?=[ `\n])", re.MULTILINE)
    documents = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", ROOT / "docs" / "operations.md"]
    named = {command for document in documents for command in pattern.findall(document.read_text())}
    groups = {name: command.commands for name, command in commands.items() if hasattr(command, "commands")}

    assert {"draft", "listen", "audit"} <= {command for command, _ in named}
    assert {command for command, _ in named} <= set(commands)
    assert {
        (command, sub) for command, sub in named if sub and sub not in groups.get(command, {sub})
    } == set()


def test_documents_link_to_files_that_exist() -> None:
    pattern = re.compile(r"\]\((?!https?://|#)([^)#]+)")
    documents = [*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md")]
    broken = [
        f"{document.relative_to(ROOT)}: {target}"
        for document in documents
        for target in pattern.findall(document.read_text())
        if not (document.parent / target).exists()
    ]

    assert broken == []
