"""Open a DICOM file without trusting it: bounded inflation, pixels located but not read, every error ours.

Light on purpose (pydicom alone): the sandboxed decoder and the reading of headers share it.
"""

from __future__ import annotations

import contextlib
import io
import logging
import struct
import warnings
import zlib
from dataclasses import dataclass
from typing import TYPE_CHECKING, BinaryIO

import pydicom
from pydicom.uid import UID, DeflatedExplicitVRLittleEndian, ExplicitVRLittleEndian

from janus_med.errors import ImpossibleSize, JanusMedError, NotDicom, TruncatedFile
from janus_med.overlay_planes import OVERLAY_TAGS

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

MAX_HEADER_BYTES = 16 * 1024 * 1024
MAX_INFLATED_BYTES = 256 * 1024 * 1024
UNDEFINED_LENGTH = 0xFFFFFFFF
_CHUNK = 1024 * 1024

PIXEL_KEYWORDS = {
    (0x7FE0, 0x0010): "PixelData",
    (0x7FE0, 0x0008): "FloatPixelData",
    (0x7FE0, 0x0009): "DoubleFloatPixelData",
}
# fmt: off
HEADER_TAGS = (
    "SpecificCharacterSet", "ImageType", "SOPClassUID",
    "SOPInstanceUID", "Modality", "PresentationIntentType",
    "StudyDescription", "SeriesDescription", "ViewCodeSequence",
    "PatientName", "PatientID", "IssuerOfPatientID",
    "PatientBirthDate", "BodyPartExamined", "ViewPosition",
    "ProtocolName", "NominalScannedPixelSpacing", "ShutterShape",
    "ShutterLeftVerticalEdge", "ShutterRightVerticalEdge", "ShutterUpperHorizontalEdge",
    "ShutterLowerHorizontalEdge", "ImagerPixelSpacing", "StudyInstanceUID",
    "SeriesInstanceUID", "InstanceNumber", "PatientOrientation",
    "Laterality", "ImageLaterality", "AnatomicRegionSequence",
    "PresentationLUTShape", "SamplesPerPixel", "PhotometricInterpretation",
    "PlanarConfiguration", "NumberOfFrames", "Rows",
    "Columns", "PixelSpacing", "PixelAspectRatio",
    "BitsAllocated", "BitsStored", "HighBit",
    "PixelRepresentation", "PixelPaddingValue", "PixelPaddingRangeLimit",
    "BurnedInAnnotation", "WindowCenter", "WindowWidth",
    "RescaleIntercept", "RescaleSlope", "RescaleType",
    "VOILUTFunction", "ModalityLUTSequence", "VOILUTSequence",
    "ExtendedOffsetTable", "ExtendedOffsetTableLengths", "ImageOrientationPatient",
    "PerFrameFunctionalGroupsSequence", "SharedFunctionalGroupsSequence", "PixelSpacingCalibrationType",
    "EstimatedRadiographicMagnificationFactor", "DistanceSourceToDetector", "DistanceSourceToPatient",
    "ImagePositionPatient", "SliceThickness", "FrameOfReferenceUID",
)
# fmt: on
"""What is read of a header; everything else is skipped unparsed."""


@dataclass(frozen=True, eq=False)
class OpenedFile:
    """A parsed header and where its pixel data lie.

    Attributes
    ----------
    source
        File name for messages.
    header
        The data set up to the pixel data, `HEADER_TAGS` and `OVERLAY_TAGS` alone.
    stream
        Positioned anywhere; seek before reading.
    transfer_syntax
        How the pixel data are encoded.
    pixel_keyword
        ``PixelData`` or a float one; empty when there is none.
    pixel_offset, pixel_length
        First byte of the value, declared length in bytes (`UNDEFINED_LENGTH` when encapsulated).
    size
        Bytes in the stream.
    whole
        False when a deflated file was inflated for its header only.
    """

    source: str
    header: pydicom.Dataset
    stream: BinaryIO
    transfer_syntax: UID
    pixel_keyword: str
    pixel_offset: int
    pixel_length: int
    size: int
    whole: bool


def open_dicom(path: Path, *, header_only: bool = False) -> OpenedFile:
    """Parse the header of a file and find its pixel data.

    Parameters
    ----------
    path
        A DICOM file (PS3.10).
    header_only
        Inflate a deflated file only as far as a header can reach.

    Returns
    -------
    OpenedFile
        The caller closes ``stream``.

    Raises
    ------
    NotDicom
        No DICM marker, or a data set that cannot be parsed (also: sequences nested too deeply).
    TruncatedFile
        The file ends inside its header.
    ImpossibleSize
        A deflated file grows past the limit.
    """
    stream: BinaryIO | None = None
    try:
        stream = path.open("rb")
        with quiet_pydicom():
            return _parse(path, stream, header_only)
    except JanusMedError:
        _close(stream)
        raise
    except RecursionError as error:
        _close(stream)
        raise NotDicom(
            path.name, "sequences are nested too deeply to be a real image; ask the sender"
        ) from error
    except OSError as error:
        _close(stream)
        raise NotDicom(path.name, f"cannot be opened: {error.strerror or error}") from error
    except EOFError as error:
        _close(stream)
        raise TruncatedFile(path.name, "ends inside its header; send it again") from error
    except Exception as error:  # pydicom raises many types on hostile bytes: this is the boundary
        _close(stream)
        raise NotDicom(
            path.name, f"header cannot be parsed ({type(error).__name__}); send it again"
        ) from error


@contextlib.contextmanager
def quiet_pydicom() -> Iterator[None]:
    """Hold back pydicom's warnings while values are parsed: they repeat header values, patient data among
    them.
    """
    logger = logging.getLogger("pydicom")
    before, logger.disabled = logger.disabled, True
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        logger.disabled = before


def _close(stream: BinaryIO | None) -> None:
    if stream is not None:
        stream.close()


def _parse(path: Path, stream: BinaryIO, header_only: bool) -> OpenedFile:
    preamble = stream.read(132)
    if preamble[128:] != b"DICM":
        raise NotDicom(path.name, "not a DICOM file (no DICM marker at byte 128)")
    meta = pydicom.filereader.read_file_meta_info(path)
    syntax = UID(str(meta.get("TransferSyntaxUID", "")))
    if not syntax:
        raise NotDicom(path.name, "declares no transfer syntax; export it again as a DICOM Part 10 file")
    whole = True
    if syntax == DeflatedExplicitVRLittleEndian:
        start = 132 + 12 + int(meta.FileMetaInformationGroupLength)
        stream.seek(start)
        data, whole = inflate(
            path.name, stream, MAX_HEADER_BYTES if header_only else MAX_INFLATED_BYTES, header_only
        )
        stream.close()
        stream, syntax = _as_explicit(meta, data), ExplicitVRLittleEndian
    stream.seek(0)
    header = pydicom.dcmread(stream, stop_before_pixels=True, specific_tags=[*HEADER_TAGS, *OVERLAY_TAGS])
    keyword, offset, length = _locate_pixels(stream, syntax)
    size = stream.seek(0, io.SEEK_END)
    return OpenedFile(path.name, header, stream, syntax, keyword, offset, length, size, whole)


def inflate(source: str, stream: BinaryIO, limit: int, partly: bool) -> tuple[bytes, bool]:
    """Inflate the rest of a stream up to a limit (PS3.5 A.5).

    Parameters
    ----------
    source
        File name for messages.
    stream
        Positioned at the first deflated byte.
    limit
        Most bytes to produce.
    partly
        Return what fits instead of refusing.

    Returns
    -------
    data, whole
        The bytes, and whether they are all.

    Raises
    ------
    ImpossibleSize
        If there is more than ``limit``.
    TruncatedFile
        If the deflated stream does not end.
    """
    inflater = zlib.decompressobj(-zlib.MAX_WBITS)
    data = bytearray()
    while not inflater.eof and len(data) < limit:
        deflated = inflater.unconsumed_tail or stream.read(_CHUNK)
        if not deflated:
            raise TruncatedFile(source, "its deflated data end too early; send it again")
        data += inflater.decompress(deflated, min(limit - len(data), 16 * _CHUNK))
    if inflater.eof or partly:
        return bytes(data), inflater.eof
    raise ImpossibleSize(
        source, f"inflates to more than {limit // 2**20} MiB; ask the sender for an undeflated copy"
    )


def _as_explicit(meta: pydicom.Dataset, data: bytes) -> BinaryIO:
    meta.TransferSyntaxUID = ExplicitVRLittleEndian
    stream = io.BytesIO()
    stream.write(b"\0" * 128 + b"DICM")
    pydicom.filewriter.write_file_meta_info(stream, meta)
    stream.write(data)
    return stream


def _locate_pixels(stream: BinaryIO, syntax: UID) -> tuple[str, int, int]:
    order = "<" if syntax.is_little_endian else ">"
    head = stream.read(8)
    if len(head) < 8:
        return "", 0, 0
    keyword = PIXEL_KEYWORDS.get(struct.unpack(order + "HH", head[:4]), "")
    if syntax.is_implicit_VR:
        (length,) = struct.unpack(order + "L", head[4:])
    else:
        (length,) = struct.unpack(order + "L", stream.read(4))
    return keyword, stream.tell(), length
