"""Drafts whose attention peaks on the square of `tests.films`, and where a screen shows both."""

from __future__ import annotations

import base64
import io
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from app.domain.draft import DraftContent
from app.domain.identifiers import derived_uid
from app.domain.intake import ReceivedInstance
from tests.e2e.reading_room import House
from tests.ui import seed

# Centroid of the bright square, of the attention (the layer at full opacity less the layer without it), and
# the image's outline; everything in screen pixels of the first viewport.
MEASURE = """
async (viewer) => {
  const frames = async (n) => { for (let i = 0; i < n; i += 1) await new Promise(requestAnimationFrame); };
  const pane = viewer.querySelector(".pane");
  const slider = viewer.querySelector('.tools .group input[type="range"]');
  const fade = async (percent) => {
    slider.value = percent;
    slider.dispatchEvent(new Event("input"));
    await frames(4);
  };
  const pixels = (canvas) => {
    const { width, height } = canvas;
    return { width, height, data: canvas.getContext("2d").getImageData(0, 0, width, height).data };
  };
  const centroid = ({ width, height, data }, weight) => {
    let [sum, x, y] = [0, 0, 0];
    for (let i = 0; i < data.length; i += 4) {
      const w = weight(data, i);
      if (!w) continue;
      const at = i / 4;
      sum += w;
      x += w * ((at % width) + 0.5);
      y += w * (Math.floor(at / width) + 0.5);
    }
    const { clientWidth, clientHeight } = pane;
    return sum ? [(x / sum / width) * clientWidth, (y / sum / height) * clientHeight] : null;
  };
  const layer = pane.querySelector('canvas[data-layer="overlay"]');
  await fade(0);
  const without = pixels(layer);
  await fade(100);
  const shown = pixels(layer);
  const image = pixels(pane.querySelector(".view canvas"));
  const sides = [Infinity, Infinity, -1, -1];
  for (let i = 0; i < image.data.length; i += 4) {
    if (image.data[i] < 20) continue;
    const [x, y] = [(i / 4) % image.width, Math.floor(i / 4 / image.width)];
    sides[0] = Math.min(sides[0], x);
    sides[1] = Math.min(sides[1], y);
    sides[2] = Math.max(sides[2], x + 1);
    sides[3] = Math.max(sides[3], y + 1);
  }
  const ratio = pane.clientWidth / image.width;
  return {
    square: centroid(image, (data, i) => Number(data[i] > 200)),
    attention: centroid(shown, (data, i) => Math.max(0, data[i + 3] - without.data[i + 3])),
    outline: sides.map((side) => side * ratio),
    hasTint: shown.data.some((value, i) => value !== without.data[i]),
  };
}
"""


def bring(house: House, study: str, file: Path, **changes: Any) -> ReceivedInstance:
    """Spool and index a file as an image with a series of its own."""
    name = changes.pop("name", file.name)
    known = {
        "study_uid": derived_uid(study, "study_uid"),
        "series_uid": derived_uid(study, name, "series"),
        "sop_uid": derived_uid(study, name, "sop"),
        "patient_name": f"Viewer^{study.title()}",
        "patient_id": f"ID-{study}",
    }
    spool_dir = house.room.settings.spool_dir
    return seed.receive(house.store, spool_dir, file, now=seed.now_utc(), **known | changes)


def peak(
    received: ReceivedInstance, at: tuple[int, int], extent: tuple[float, float, float, float] | None = None
) -> dict[str, Any]:
    """A 24 x 24 grid over `extent` (else the padded square) whose attention peaks at a place."""
    rows, columns = received.rows or 1, received.columns or 1
    side = max(rows, columns)
    left, top = (columns - side) / 2, (rows - side) / 2
    x0, y0, x1, y1 = extent or (left, top, left + side, top + side)
    y, x = np.mgrid[0:24, 0:24]
    across, down = (x1 - x0) / 24, (y1 - y0) / 24
    far = ((x0 + (x + 0.5) * across - at[0]) / across) ** 2 + ((y0 + (y + 0.5) * down - at[1]) / down) ** 2
    picture = io.BytesIO()
    Image.fromarray(np.rint(255 * np.exp(-far / 6)).astype(np.uint8)).save(picture, "PNG")
    return {
        "sop_instance_uid": received.sop_uid,
        "rows": 24,
        "columns": 24,
        "extent": [x0, y0, x1, y1],
        "values_png_base64": base64.b64encode(picture.getvalue()).decode(),
    }


def marked_draft(places: list[tuple[ReceivedInstance, tuple[int, int], dict[str, Any]]]) -> DraftContent:
    """A draft with one sentence, one box and one grid an image."""
    names = ("Lung Lesion", "Lung Opacity", "Pleural Effusion", "Cardiomegaly", "Pneumothorax", "Edema")
    findings, sentences = [], []
    for name, (received, (column, row), grid) in zip(names, places, strict=False):
        box = [column - 30, row - 30, column + 30, row + 30]
        region = {"sop_instance_uid": received.sop_uid, "box": box, "score": 0.8}
        findings.append(
            {"name": name, "probability": 0.9, "decision": "present", "region": region, "attention": grid}
        )
        sentences.append(
            {
                "section": "findings",
                "text": f"{name} is seen.",
                "findings": [name],
                "confidence": 0.9,
                "region": region,
            }
        )
    normal = seed.normal_draft()
    return replace(normal, findings=tuple(findings), sentences=tuple(sentences))
