"""One stored frame of a DICOM file and the facts beside it; runs inside the sandbox of `janus_med.decode`."""

from __future__ import annotations

import base64
import contextlib
from typing import TYPE_CHECKING, Any

import numpy as np
from pydicom.encaps import generate_frames
from pydicom.pixels import get_decoder

from janus_med.codestream import read_codestream_size
from janus_med.dicom_file import UNDEFINED_LENGTH, OpenedFile, open_dicom, quiet_pydicom
from janus_med.errors import DecodeFailed, ImpossibleSize, TruncatedFile, UnsupportedImage
from janus_med.frame_shape import FrameShape, check_frame
from janus_med.grey_header import read_lookup, read_rescale, read_spacing, read_windows
from janus_med.overlay_planes import read_overlay_planes
from janus_med.placement import read_placement, spread_groups

if TYPE_CHECKING:
    from pathlib import Path

    from janus_med.lookup import Table

COLOUR = frozenset({"RGB", "YBR_FULL", "YBR_FULL_422", "YBR_ICT", "YBR_RCT"})


def decode_frame(path: Path, out: Path, *, frame: int = 0) -> dict[str, Any]:
    """Decode one frame of a file.

    Parameters
    ----------
    path
        DICOM file.
    out
        Receives the stored pixels, (rows, columns[, 3]) little endian.
    frame
        Index of the frame.

    Returns
    -------
    dict
        The facts; see `describe_frame`.

    Raises
    ------
    UnreadableInput
        One of the classes of `EXIT_CODES`.
    """
    opened = open_dicom(path)
    with contextlib.closing(opened.stream), quiet_pydicom():
        shape = check_frame(opened)
        if not 0 <= frame < shape.frames:
            raise UnsupportedImage(path.name, f"has {shape.frames} frame(s), there is no frame {frame}")
        spread_groups(opened.header, frame)
        pixels = _read_pixels(opened, shape, frame)
        out.write_bytes(pixels.tobytes())
        return describe_frame(opened, shape, pixels, frame)


def _read_pixels(opened: OpenedFile, shape: FrameShape, frame: int) -> np.ndarray:
    colour = shape.photometric_interpretation in COLOUR
    if not colour and not shape.photometric_interpretation.startswith("MONOCHROME"):
        kind = shape.photometric_interpretation
        raise UnsupportedImage(opened.source, f"is {kind}; only grey and plain colour images are read")
    try:
        decoder = get_decoder(opened.transfer_syntax)
    except NotImplementedError as error:
        name = opened.transfer_syntax.name
        raise UnsupportedImage(
            opened.source, f"is encoded as {name}, which is not read; transcode it"
        ) from error
    if opened.pixel_length == UNDEFINED_LENGTH:
        _check_codestream(opened, shape, frame)
    opened.header.file_meta.TransferSyntaxUID = opened.transfer_syntax
    opened.stream.seek(opened.pixel_offset)
    options = {"pixel_keyword": opened.pixel_keyword, "pixel_vr": "OW" if shape.bits_allocated > 8 else "OB"}
    try:
        pixels, _ = decoder.as_array(
            opened.stream, index=frame, raw=not colour, **_options(opened, shape), **options
        )
    except MemoryError as error:
        raise DecodeFailed(opened.source, "needs more memory than decoding may use") from error
    except Exception as error:  # plug-ins raise what they like: this is the boundary
        reason = str(error).splitlines()[0][:200] if str(error) else type(error).__name__
        raise DecodeFailed(opened.source, f"cannot be decoded ({reason}); send it again") from error
    return _as_stored(opened.source, pixels, shape)


def _options(opened: OpenedFile, shape: FrameShape) -> dict[str, Any]:
    header = opened.header
    options: dict[str, Any] = {
        "transfer_syntax_uid": opened.transfer_syntax,
        "rows": shape.rows,
        "columns": shape.columns,
        "number_of_frames": shape.frames,
        "samples_per_pixel": shape.samples,
        "photometric_interpretation": shape.photometric_interpretation,
        "bits_allocated": shape.bits_allocated,
        "bits_stored": shape.bits_stored,
        "pixel_representation": int(shape.signed),
    }
    if shape.samples > 1:
        options["planar_configuration"] = int(header.get("PlanarConfiguration") or 0)
    if "ExtendedOffsetTable" in header and "ExtendedOffsetTableLengths" in header:
        options["extended_offsets"] = (header.ExtendedOffsetTable, header.ExtendedOffsetTableLengths)
    return options


def _check_codestream(opened: OpenedFile, shape: FrameShape, frame: int) -> None:
    """Refuse a codestream that declares another size than the header before a decoder believes it."""
    opened.stream.seek(opened.pixel_offset)
    frames = generate_frames(opened.stream, number_of_frames=shape.frames)
    try:
        data = next(encoded for index, encoded in enumerate(frames) if index == frame)
    except (StopIteration, ValueError) as error:
        raise TruncatedFile(opened.source, f"holds no compressed frame {frame}; send it again") from error
    size = read_codestream_size(data)
    if size is not None and (size.rows, size.columns) != (shape.rows, shape.columns):
        inside, outside = f"{size.rows} x {size.columns}", f"{shape.rows} x {shape.columns}"
        raise ImpossibleSize(opened.source, f"its compressed image is {inside} but its header says {outside}")


def _as_stored(source: str, pixels: np.ndarray, shape: FrameShape) -> np.ndarray:
    expected = (
        (shape.rows, shape.columns) if shape.samples == 1 else (shape.rows, shape.columns, shape.samples)
    )
    if pixels.shape != expected or pixels.dtype.kind not in "iu":
        raise DecodeFailed(source, f"decoded to {pixels.shape} {pixels.dtype}, its header says {expected}")
    return np.ascontiguousarray(pixels.astype(pixels.dtype.newbyteorder("<"), copy=False))


def describe_frame(opened: OpenedFile, shape: FrameShape, pixels: np.ndarray, frame: int) -> dict[str, Any]:
    """The facts that a viewer needs beside the pixels, ready for JSON.

    Returns
    -------
    dict
        ``rows``, ``columns``, ``samples_per_pixel``, ``dtype`` (numpy), ``bits_stored``, ``frame``,
        ``frames``, ``photometric_interpretation``, ``presentation_lut_shape``, ``rescale_slope``,
        ``rescale_intercept``, ``modality_lut`` and ``voi_lut`` (null, or ``first``, ``top``,
        ``entries_base64`` in little-endian uint16), ``windows`` (``center``, ``width``),
        ``voi_lut_function``, ``padding`` ([low, high] or null), ``row_spacing``, ``column_spacing``,
        ``spacing_source``, ``magnification`` (source to detector over source to patient, or null),
        ``modality``, ``laterality``, ``image_orientation`` (six cosines or null), ``patient_orientation``
        (two texts or null), ``spacing_calibration``, ``sop_instance_uid``, ``series_uid``, ``study_uid``,
        ``overlay_planes`` and ``overlay_planes_left_out`` (see `read_overlay_planes`), ``minimum``,
        ``maximum`` (stored values).
    """
    header = opened.header
    slope, intercept = read_rescale(header)
    row_spacing, column_spacing, spacing_source = read_spacing(header)
    windows = read_windows(header)
    lookup = read_lookup(header, shape)
    planes, left_out = read_overlay_planes(
        header, shape, frame, is_big_endian=not opened.transfer_syntax.is_little_endian
    )
    return {
        "rows": shape.rows,
        "columns": shape.columns,
        "samples_per_pixel": shape.samples,
        "dtype": pixels.dtype.str,
        "bits_stored": shape.bits_stored,
        "frame": frame,
        "frames": shape.frames,
        "photometric_interpretation": "RGB" if shape.samples == 3 else shape.photometric_interpretation,
        "presentation_lut_shape": str(header.get("PresentationLUTShape") or ""),
        "rescale_slope": slope,
        "rescale_intercept": intercept,
        "modality_lut": _describe_table(lookup.modality),
        "voi_lut": _describe_table(lookup.voi),
        "windows": [{"center": window.center, "width": window.width} for window in windows],
        "voi_lut_function": windows[0].function if windows else "LINEAR",
        "padding": list(lookup.padding) if lookup.padding else None,
        "row_spacing": row_spacing,
        "column_spacing": column_spacing,
        "spacing_source": spacing_source,
        **read_placement(header, frame),
        "overlay_planes": planes,
        "overlay_planes_left_out": left_out,
        "sop_instance_uid": str(header.get("SOPInstanceUID") or ""),
        "series_uid": str(header.get("SeriesInstanceUID") or ""),
        "study_uid": str(header.get("StudyInstanceUID") or ""),
        "minimum": int(pixels.min()),
        "maximum": int(pixels.max()),
    }


def _describe_table(table: Table | None) -> dict[str, Any] | None:
    if table is None:
        return None
    entries = base64.b64encode(table.entries.astype("<u2").tobytes()).decode()
    return {"first": table.first, "top": table.top, "entries_base64": entries}
