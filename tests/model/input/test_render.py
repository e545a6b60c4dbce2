"""Covered: overlay pictures show the image, the heat where the marker is, the words and the version."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from janus_med.dicom_input import load_image, read_studies
from janus_med.draft import DraftFinding
from janus_med.drafting import draft_study
from janus_med.render import LABEL, colour, render_overlay, write_overlays
from tests.model.input.made import RuleReader, make_radiograph, phantom_chest


@pytest.fixture
def drawn(save, decoder, tmp_path: Path):
    pixels = phantom_chest(400, 360)
    pixels[100:150, 60:120] = 4095
    (study,) = read_studies([save(make_radiograph(pixels))]).studies
    draft = draft_study(study, RuleReader(), decoder=decoder)
    image = load_image(study.instances[0], decoder)
    return draft, image, tmp_path / "overlays"


def test_words_and_version_are_drawn_on_every_picture(drawn, monkeypatch: pytest.MonkeyPatch) -> None:
    from PIL import ImageDraw

    draft, image, folder = drawn
    written: list[str] = []
    original = ImageDraw.ImageDraw.text
    monkeypatch.setattr(
        ImageDraw.ImageDraw,
        "text",
        lambda self, xy, text, **rest: written.append(text) or original(self, xy, text, **rest),
    )
    files = write_overlays(draft, {image.instance.sop_instance_uid: image}, folder)
    assert [path.name for path in files] == [f"lung_lesion_{image.instance.sop_instance_uid}.png"]
    assert LABEL in written
    assert f"rule {'0' * 12}" in written
    assert LABEL == "AI attention - not a measurement"


def test_heat_lies_where_the_marker_is_and_nowhere_else(drawn) -> None:
    draft, image, _ = drawn
    finding = next(one for one in draft.findings if one.name == "Lung Lesion")
    picture = np.asarray(render_overlay(image, finding, "v")).astype(int)
    scale = 1024 / 400
    tint = np.abs(picture[..., 0] - picture[..., 2])  # grey has none
    assert tint[int(125 * scale), int(90 * scale)] > 40
    assert tint[int(330 * scale), int(300 * scale)] == 0


def test_grey_image_is_unchanged_away_from_the_attention(drawn) -> None:
    draft, image, _ = drawn
    finding = next(one for one in draft.findings if one.name == "Lung Lesion")
    picture = np.asarray(render_overlay(image, finding, "v"))
    corner = picture[900:1000, 700:900]
    assert (corner[..., 0] == corner[..., 1]).all()
    assert corner.std() > 0


def test_finding_without_attention_is_not_drawn(drawn) -> None:
    _, image, _ = drawn
    with pytest.raises(ValueError, match="no attention map"):
        render_overlay(image, DraftFinding("Edema", 0.1, "absent"), "v")


def test_colours_get_brighter_with_the_attention() -> None:
    brightness = colour(np.linspace(0, 1, 50)).sum(axis=-1)
    assert np.all(np.diff(brightness) > 0)
