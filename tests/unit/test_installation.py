"""`.ci/make-venv` installs once, says what went wrong, and leaves a finished environment alone.

What is not covered: pip and the package index; a stand-in takes their place and nothing is downloaded.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]

# Makes a .venv whose pip only writes down what it was asked for, and fails as the test tells it to.
INTERPRETER = """#!/bin/bash
case "$*" in
    "-m venv --clear .venv")
        mkdir -p .venv/bin
        cp "$0" .venv/bin/python
        echo "#!$PWD/.venv/bin/python" >.venv/bin/pip ;;
    "-m pip --version" | "-m pip config list") ;;
    "-m pip install "*)
        echo "$*" >>calls.log
        echo "$PIP_SAYS"
        exit "${PIP_STATUS:-0}" ;;
    *) exec %s "$@" ;;
esac
"""


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """A checkout with what the script reads, and the stand-in for Python."""
    shutil.copytree(ROOT / ".ci", tmp_path / ".ci")
    for name in ("pyproject.toml", "constraints.txt"):
        shutil.copy(ROOT / name, tmp_path)
    interpreter = tmp_path / "python"
    interpreter.write_text(INTERPRETER % sys.executable)
    interpreter.chmod(0o755)
    return tmp_path


def make_venv(checkout: Path, *arguments: str, **variables: str) -> subprocess.CompletedProcess[str]:
    """Run the script with the stand-in."""
    environment = os.environ | {"PYTHON": str(checkout / "python"), "TORCH_INDEX": ""} | variables
    return subprocess.run(
        [checkout / ".ci" / "make-venv", *arguments],
        cwd="/",
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )


def installations(checkout: Path) -> list[str]:
    """What pip was asked to install, in order."""
    log = checkout / "calls.log"
    return log.read_text().splitlines() if log.exists() else []


def test_second_start_installs_nothing(checkout: Path) -> None:
    first = make_venv(checkout)
    second = make_venv(checkout)

    assert (first.returncode, second.returncode) == (0, 0), first.stderr + second.stderr
    assert len(installations(checkout)) == 1
    assert "-c constraints.txt -e ." in installations(checkout)[0]
    assert second.stdout == ""


def test_changed_pins_are_installed_and_the_packages_of_the_tests_stay(checkout: Path) -> None:
    make_venv(checkout, "test")
    with (checkout / "constraints.txt").open("a") as file:
        file.write("another==1.0\n")

    make_venv(checkout)
    make_venv(checkout, "test")

    assert [call.split()[-1] for call in installations(checkout)] == [".[test]", ".[test]"]


def test_moved_checkout_gets_a_new_environment(
    checkout: Path, tmp_path_factory: pytest.TempPathFactory
) -> None:
    make_venv(checkout)
    moved = tmp_path_factory.mktemp("elsewhere") / "checkout"
    shutil.move(checkout, moved)

    done = make_venv(moved)

    assert "making .venv" in done.stdout
    assert len(installations(moved)) == 2


def test_cpu_build_of_torch_comes_alone_from_its_own_index(checkout: Path) -> None:
    make_venv(checkout, TORCH_INDEX="https://example.org/cpu")

    torch, rest = installations(checkout)
    assert "--index-url https://example.org/cpu --no-deps torch==" in torch
    assert "example.org" not in rest


@pytest.mark.parametrize(
    ("pip_says", "explanation"),
    [
        ("NewConnectionError: Temporary failure in name resolution", "package index could not be reached"),
        ("OSError: [Errno 28] No space left on device", "disk is full"),
        ("ERROR: No matching distribution found for torch==2.13.0", "pinned package is not offered"),
        ("something else", "the whole log is"),
    ],
)
def test_failed_installation_names_its_cause_and_is_tried_again(
    checkout: Path, pip_says: str, explanation: str
) -> None:
    failed = make_venv(checkout, PIP_STATUS="1", PIP_SAYS=pip_says)
    again = make_venv(checkout)

    assert failed.returncode == 1
    assert pip_says in failed.stderr
    assert explanation in failed.stderr
    assert again.returncode == 0
    assert len(installations(checkout)) == 2


def test_missing_interpreter_is_named_with_the_way_to_get_one(checkout: Path) -> None:
    done = make_venv(checkout, PYTHON="/nonexistent/python")

    assert done.returncode == 1
    assert "Python 3.11 or newer was not found" in done.stderr
    assert "apt-get install" in done.stderr
