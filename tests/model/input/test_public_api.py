"""Covered: the exported names, and that importing the package or asking for help loads nothing heavy."""

from __future__ import annotations

import subprocess
import sys

import pytest

import janus_med

EXPORTED = {
    "Answer", "AttentionGrid", "Decoder", "Draft", "DraftFinding", "DraftSentence",
    "FINDINGS", "Fatal", "FindingReading", "IndexUnusable", "Instance", "Intake",
    "Issue", "JanusMed", "JanusMedError", "ModalityRegistry", "ModelInfo", "ModelUnavailable",
    "Reading", "Region", "Rejected", "SentenceReading", "SourceImage",
    "Study", "StudyIndex", "Timings", "UnreadableInput", "default_registry", "draft_study", "load_image",
    "preprocess", "preprocess_grey", "preprocessing_sha256", "read_studies", "register_modality",
}  # fmt: skip
HEAVY = "{'torch', 'monai', 'transformers', 'pydicom', 'numpy', 'rich', 'PIL'}"


def test_exported_members_are_these() -> None:
    assert set(janus_med.__all__) == EXPORTED
    assert set(dir(janus_med)) >= EXPORTED


@pytest.mark.parametrize("name", sorted(EXPORTED))
def test_every_exported_member_is_there_and_documented(name: str) -> None:
    member = getattr(janus_med, name)
    if name != "FINDINGS":
        assert member.__doc__


def test_unknown_member_is_an_attribute_error() -> None:
    with pytest.raises(AttributeError, match="has no attribute 'nonsense'"):
        _ = janus_med.nonsense


def imported_by(code: str) -> str:
    """The heavy modules that a fresh interpreter has loaded after the code."""
    program = f"import sys\n{code}\nprint(sorted({HEAVY} & set(sys.modules)), file=sys.stderr)"
    return subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True).stderr


def test_importing_the_package_loads_nothing_heavy() -> None:
    assert (
        imported_by("import janus_med, janus_med.errors, janus_med.reading, janus_med.study").strip() == "[]"
    )


def test_help_loads_neither_torch_nor_pydicom() -> None:
    loaded = imported_by("from janus_med.cli import main; assert main(['--help']) == 0")
    assert not {"torch", "monai", "transformers", "pydicom", "numpy"} & set(eval(loaded))


def test_headers_are_read_without_torch() -> None:
    assert "torch" not in imported_by("import janus_med.dicom_input, janus_med.decoding, janus_med.draft")
