"""Draw regions into an image: window, square pixels, boxes outside their content, a strip of words below."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont

from pacs_bridge.errors import CANNOT_UNDERSTAND, Rejected
from pacs_bridge.results.finding_content import SourceImage
from pacs_bridge.results.fonts import BOLD, REGULAR, font_of

Box = tuple[float, float, float, float]
YELLOW, WHITE, BLACK, GREY = (255, 220, 0), (255, 255, 255), (0, 0, 0), (24, 24, 24)
SHORTEST_SIDE = 640


def draw_picture(
    image: SourceImage,
    pixels: Any,
    boxes: Sequence[Box],
    names: Sequence[str],
    statements: Sequence[str],
    *,
    longest: int,
) -> NDArray[np.uint8]:
    """Draw the picture.

    Parameters
    ----------
    image
        Size, window and photometric interpretation.
    pixels
        (rows, columns) stored values.
    boxes, names
        Regions in columns and rows of the image, (0, 0) the top left corner of the top left pixel, and what
        each is called.
    statements
        Lines of the strip below the legend.
    longest
        Limit of the long side of the image.

    Returns
    -------
    numpy.ndarray
        (rows + strip, columns, 3) uint8, RGB.

    Raises
    ------
    Rejected
        If the pixels do not fit the image, or a name has characters that cannot be drawn.
    """
    if any(font_of(character) != REGULAR for text in (*names, *statements) for character in text):
        raise Rejected(CANNOT_UNDERSTAND, "the name of a finding has characters that the picture cannot show")
    shown = _square(Image.fromarray(window_pixels(image, pixels)), image, longest).convert("RGB")
    scale = (shown.width / image.columns, shown.height / image.rows)
    size = max(12, round(max(shown.size) / 72))
    font = ImageFont.truetype(str(REGULAR), size)
    bold = ImageFont.truetype(str(BOLD), size)
    _draw_boxes(ImageDraw.Draw(shown), shown.size, [_scaled(box, scale) for box in boxes], names, bold)
    legend = [f"{number} {name}" for number, name in enumerate(names, start=1)]
    strip = _strip(shown.width, legend, statements, font, bold)
    canvas = Image.new("RGB", (shown.width, shown.height + strip.height))
    canvas.paste(shown, (0, 0))
    canvas.paste(strip, (0, shown.height))
    return np.asarray(canvas, dtype=np.uint8)


def window_pixels(image: SourceImage, pixels: Any) -> NDArray[np.uint8]:
    """Return (rows, columns) uint8 as a screen shows them: modality LUT, linear window, MONOCHROME1 inverted.

    The window is the function LINEAR of PS3.3 C.11.2.1.2.1; without one the range of the values is shown.
    """
    stored = np.asarray(pixels)
    if stored.shape != (image.rows, image.columns) or stored.dtype.kind not in "iuf":
        raise Rejected(CANNOT_UNDERSTAND, "the pixels are not rows x columns numbers of the image")
    values = stored.astype(np.float32) * np.float32(image.slope) + np.float32(image.intercept)
    if not np.isfinite(values).all():
        raise Rejected(CANNOT_UNDERSTAND, "the pixels hold values that are not numbers")
    if image.window is None:
        low, high = float(values.min()), float(values.max())
    else:
        centre, width = image.window
        low, high = centre - 0.5 - (width - 1) / 2, centre - 0.5 + (width - 1) / 2
    grey = np.clip((values - low) / max(high - low, 1e-6), 0, 1)
    if image.photometric == "MONOCHROME1":
        grey = 1 - grey
    return (grey * 255 + 0.5).astype(np.uint8)


def _square(picture: Image.Image, image: SourceImage, longest: int) -> Image.Image:
    """Resample to square pixels within the limit; a small image is enlarged so that words fit beside it."""
    vertical, horizontal = image.pixel_spacing or image.aspect
    width, height = picture.width * horizontal / vertical, float(picture.height)
    if horizontal < vertical:
        width, height = float(picture.width), picture.height * vertical / horizontal
    side = max(width, height)
    factor = min(1.0, longest / side) if side >= SHORTEST_SIDE else SHORTEST_SIDE / side
    target = (max(1, round(width * factor)), max(1, round(height * factor)))
    if target == picture.size:
        return picture
    method = Image.Resampling.LANCZOS if factor < 1 else Image.Resampling.BICUBIC
    return picture.resize(target, method)


def _scaled(box: Box, scale: tuple[float, float]) -> tuple[int, int, int, int]:
    """Return first and last column and row of the pixels inside a box."""
    left, top = round(box[0] * scale[0]), round(box[1] * scale[1])
    right, bottom = max(left, round(box[2] * scale[0]) - 1), max(top, round(box[3] * scale[1]) - 1)
    return left, top, right, bottom


def _draw_boxes(
    draw: ImageDraw.ImageDraw,
    size: tuple[int, int],
    boxes: Sequence[tuple[int, int, int, int]],
    names: Sequence[str],
    font: ImageFont.FreeTypeFont,
) -> None:
    """Draw each outline around its box, never on it, then the labels where none hides another."""
    line = max(2, round(max(size) / 700))
    for left, top, right, bottom in boxes:
        for colour, outer, width in ((BLACK, 2 * line, 3 * line), (YELLOW, line, line)):
            edges = (left - outer, top - outer, right + outer, bottom + outer)
            draw.rectangle(edges, outline=colour, width=min(width, outer))
    taken: list[tuple[int, int, int, int]] = []
    for number, (box, name) in enumerate(zip(boxes, names, strict=True), start=1):
        label = f"{number} {name}"
        left, top, right, bottom = (int(edge) for edge in draw.textbbox((0, 0), label, font=font))
        place = _free_place(box, (right + 8, bottom + 6), size, taken, 2 * line)
        taken.append(place)
        draw.rectangle(place, fill=BLACK)
        draw.text((place[0] + 4, place[1] + 2), label, fill=YELLOW, font=font)


def _free_place(
    box: tuple[int, int, int, int],
    need: tuple[int, int],
    size: tuple[int, int],
    taken: Sequence[tuple[int, int, int, int]],
    gap: int,
) -> tuple[int, int, int, int]:
    """Return where a label goes: above its box, else below, else further down until it hides no other."""
    width, height = need
    left = max(0, min(box[0], size[0] - width))
    starts = [box[1] - gap - height, box[3] + gap, *range(0, max(1, size[1] - height), height)]
    for top in starts:
        place = (left, top, left + width - 1, top + height - 1)
        if 0 <= top <= size[1] - height and not any(_overlap(place, other) for other in taken):
            return place
    return left, 0, left + width - 1, height - 1


def _overlap(one: tuple[int, int, int, int], other: tuple[int, int, int, int]) -> bool:
    return one[0] <= other[2] and other[0] <= one[2] and one[1] <= other[3] and other[1] <= one[3]


def _strip(
    width: int,
    legend: Sequence[str],
    statements: Sequence[str],
    font: ImageFont.FreeTypeFont,
    bold: ImageFont.FreeTypeFont,
) -> Image.Image:
    """Return the strip of words, as high as they need when wrapped."""
    margin, height = 8, round(font.size * 1.35)
    lines = [(text, bold, YELLOW) for entry in legend for text in _wrap(entry, bold, width - 2 * margin)]
    lines += [(text, font, WHITE) for entry in statements for text in _wrap(entry, font, width - 2 * margin)]
    strip = Image.new("RGB", (width, len(lines) * height + 2 * margin), GREY)
    draw = ImageDraw.Draw(strip)
    for number, (text, used, colour) in enumerate(lines):
        draw.text((margin, margin + number * height), text, fill=colour, font=used)
    return strip


def _wrap(text: str, font: ImageFont.FreeTypeFont, width: int) -> list[str]:
    lines = [""]
    for word in text.split():
        longer = f"{lines[-1]} {word}".strip()
        if lines[-1] and font.getlength(longer) > width:
            lines.append(word)
        else:
            lines[-1] = longer
    return lines
