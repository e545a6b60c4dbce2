"""Overlays as pictures: grey image, attention over it, a colour bar, and the words that say what it is."""

from __future__ import annotations

import io
from typing import TYPE_CHECKING

import numpy as np

from janus_med.preprocessing import resize_by_area

if TYPE_CHECKING:
    from pathlib import Path

    from PIL.Image import Image

    from janus_med.draft import Draft, DraftFinding
    from janus_med.overlay import AttentionGrid
    from janus_med.study import SourceImage

LABEL = "AI attention - not a measurement"
LONG_SIDE = 1024
OPACITY = 0.55
MARGIN = 8
BAR_WIDTH = 24
_STOPS = np.array([(0, 0, 4), (87, 16, 110), (188, 55, 84), (249, 142, 9), (252, 255, 164)], dtype=np.float32)


def write_overlays(draft: Draft, images: dict[str, SourceImage], folder: Path) -> tuple[Path, ...]:
    """Write one PNG for each finding of a draft that has an attention map.

    Parameters
    ----------
    draft
        A drafted study.
    images
        The source images by SOPInstanceUID.
    folder
        Created when missing; file names are made of the finding and the SOPInstanceUID.

    Returns
    -------
    tuple of Path
        The files written.
    """
    written = []
    for finding in draft.findings:
        grid = finding.attention
        if grid is None or grid.sop_instance_uid not in images:
            continue
        picture = render_overlay(
            images[grid.sop_instance_uid], finding, f"{draft.model.id} {draft.model.weights_sha256[:12]}"
        )
        name = f"{finding.name.lower().replace(' ', '_')}_{grid.sop_instance_uid}.png"
        folder.mkdir(parents=True, exist_ok=True)
        picture.save(folder / name, "PNG")
        written.append(folder / name)
    return tuple(written)


def render_overlay(image: SourceImage, finding: DraftFinding, version: str) -> Image:
    """Draw one finding's attention over its image.

    Parameters
    ----------
    image
        The source image, drawn as stored (not turned upright).
    finding
        With its attention map and regions.
    version
        Model name and digest, written on the picture.

    Returns
    -------
    PIL.Image.Image
        RGB; the image scaled to at most 1024 pixels, a colour bar at its right, the words below.

    Raises
    ------
    ValueError
        If the finding has no attention map.
    """
    from PIL import Image, ImageDraw, ImageFont

    if finding.attention is None:
        raise ValueError(f"{finding.name} has no attention map")
    grey = _display_grey(image)
    heat = paint_grid(finding.attention, (image.instance.rows, image.instance.columns), grey.shape)
    alpha = (heat * OPACITY)[..., None]
    blended = grey[..., None] * 255 * (1 - alpha) + colour(heat) * alpha
    font = ImageFont.load_default(16)
    lines = (f"{finding.name} {finding.probability:.0%} ({finding.decision})", LABEL, version)
    rows, columns = grey.shape
    canvas = Image.new("RGB", (columns + BAR_WIDTH + 2 * MARGIN + 32, rows + len(lines) * 22 + MARGIN))
    canvas.paste(Image.fromarray(np.rint(blended).astype(np.uint8)), (0, 0))
    canvas.paste(_colour_bar(rows), (columns + MARGIN, 0))
    pen = ImageDraw.Draw(canvas)
    pen.text((columns + MARGIN + BAR_WIDTH + 4, 0), "1", fill="white", font=font)
    pen.text((columns + MARGIN + BAR_WIDTH + 4, rows - 20), "0", fill="white", font=font)
    scale_x, scale_y = columns / image.instance.columns, rows / image.instance.rows
    for region in (finding.region, *finding.more_regions):
        if region is not None:
            x0, y0, x1, y1 = region.box
            pen.rectangle((x0 * scale_x, y0 * scale_y, x1 * scale_x, y1 * scale_y), outline="white", width=2)
    for number, line in enumerate(lines):
        pen.text((MARGIN, rows + 4 + number * 22), line, fill="white", font=font)
    return canvas


def paint_grid(grid: AttentionGrid, source: tuple[int, int], shape: tuple[int, int]) -> np.ndarray:
    """Spread an attention grid over a picture of its source image.

    Parameters
    ----------
    grid
        From the draft.
    source
        Rows and columns of the source image.
    shape
        Rows and columns of the picture, which shows the whole source image.

    Returns
    -------
    ndarray
        ``shape`` float32 in [0, 1], interpolated between the centres of the grid's cells.
    """
    from PIL import Image

    values = np.asarray(Image.open(io.BytesIO(grid.png)), dtype=np.float32) / 255
    x0, y0, x1, y1 = grid.extent
    columns = ((np.arange(shape[1]) + 0.5) * source[1] / shape[1] - x0) / (x1 - x0) * grid.columns - 0.5
    rows = ((np.arange(shape[0]) + 0.5) * source[0] / shape[0] - y0) / (y1 - y0) * grid.rows - 0.5
    across = np.stack([np.interp(columns, np.arange(grid.columns), row) for row in values])  # (h, W)
    down = np.stack([np.interp(rows, np.arange(grid.rows), column) for column in across.T], axis=1)  # (H, W)
    return np.asarray(down, dtype=np.float32)


def colour(values: np.ndarray) -> np.ndarray:
    """Colours from black over violet and orange to pale yellow.

    Parameters
    ----------
    values
        (...) float32 in [0, 1].

    Returns
    -------
    ndarray
        (..., 3) float32 in [0, 255].
    """
    stops = np.linspace(0, 1, len(_STOPS))
    return np.stack([np.interp(values, stops, _STOPS[:, channel]) for channel in range(3)], axis=-1)


def _display_grey(image: SourceImage) -> np.ndarray:
    grey = image.lookup.to_grey(image.stored)
    instance = image.instance
    height, width = instance.rows * instance.row_spacing, instance.columns * instance.column_spacing
    scale = LONG_SIDE / max(height, width)
    small = resize_by_area(grey, max(1, round(height * scale)), max(1, round(width * scale)))
    low, high = np.percentile(small, [0.5, 99.5])
    return np.asarray(np.clip((small - low) / max(float(high - low), 1e-6), 0.0, 1.0))


def _colour_bar(rows: int) -> Image:
    from PIL import Image

    ramp = np.repeat(np.linspace(1, 0, rows, dtype=np.float32)[:, None], BAR_WIDTH, axis=1)
    return Image.fromarray(np.rint(colour(ramp)).astype(np.uint8))
