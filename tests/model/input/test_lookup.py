"""Covered: every grey-scale look-up against pydicom's own. Not covered: colour, which is not drafted."""

from __future__ import annotations

from contextlib import closing
from pathlib import Path

import numpy as np
import pydicom
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydicom.data import get_testdata_file
from pydicom.dataset import Dataset
from pydicom.pixels import apply_modality_lut, apply_voi_lut

from janus_med.dicom_file import open_dicom
from janus_med.dicom_input import load_image
from janus_med.frame_shape import check_frame
from janus_med.grey_header import read_lookup
from janus_med.instance_header import read_instance
from janus_med.lookup import GreyLookup, Table, Window
from tests.model.input.made import make_radiograph

RAMP = np.arange(4096, dtype=np.uint16).reshape(64, 64)


def lut_item(entries: list[int], first: int, bits: int) -> Dataset:
    item = Dataset()
    item.add_new("LUTDescriptor", "US" if first >= 0 else "SS", [len(entries), first, bits])
    item.add_new("LUTData", "US", entries)
    return item


def grey_of(path: Path) -> np.ndarray:
    with closing((opened := open_dicom(path)).stream):
        lookup = read_lookup(opened.header, check_frame(opened))
    return lookup.to_grey(pydicom.dcmread(path).pixel_array)


def shown_by_pydicom(path: Path, top: float) -> np.ndarray:
    """What pydicom displays, scaled to [0, 1]."""
    ds = pydicom.dcmread(path)
    return apply_voi_lut(apply_modality_lut(ds.pixel_array, ds), ds) / top


@pytest.mark.parametrize("function", ["LINEAR", "LINEAR_EXACT", "SIGMOID"])
@pytest.mark.parametrize(("center", "width"), [(2000, 1500), (100, 4095), (4000.5, 2)])
def test_window_equals_pydicom(function: str, center: float, width: float, save) -> None:
    ds = make_radiograph(RAMP, BitsStored=12, HighBit=11, RescaleSlope="2", RescaleIntercept="-500")
    ds.WindowCenter, ds.WindowWidth, ds.VOILUTFunction = str(center), str(width), function
    path = save(ds)
    # pydicom scales to the range that the modality LUT makes of the 12 bits
    low, high = -500.0, 4095 * 2 - 500.0
    ours, theirs = grey_of(path), (shown_by_pydicom(path, 1.0) - low) / (high - low)
    np.testing.assert_allclose(ours, theirs, atol=2e-6)


@pytest.mark.parametrize("bits", [8, 12, 16])
def test_voi_table_equals_pydicom(bits: int, save) -> None:
    count = 200 if bits == 8 else 1000  # pydicom counts the entries of an 8-bit table in 8 bits
    entries = [int((2**bits - 1) * (i / (count - 1)) ** 2) for i in range(count)]
    pixels = RAMP % 500 if bits == 8 else RAMP
    ds = make_radiograph(pixels, VOILUTSequence=[lut_item(entries, 300, bits)])
    path = save(ds)
    np.testing.assert_allclose(grey_of(path), shown_by_pydicom(path, 2**bits - 1), atol=1e-6)


def test_modality_table_then_window_equals_pydicom(save) -> None:
    entries = [65535 - 16 * i for i in range(4096)]
    ds = make_radiograph(RAMP, ModalityLUTSequence=[lut_item(entries, 0, 16)])
    ds.WindowCenter, ds.WindowWidth = "40000", "20000"
    path = save(ds)
    np.testing.assert_allclose(grey_of(path), shown_by_pydicom(path, 65535), atol=1e-4)


def test_real_modality_and_voi_tables_equal_pydicom() -> None:
    for name, keyword in (("mlut_18.dcm", "ModalityLUTSequence"), ("vlut_04.dcm", "VOILUTSequence")):
        path = Path(str(get_testdata_file(name, download=False)))
        ds = pydicom.dcmread(path)
        assert keyword in ds
        shown = apply_modality_lut(ds.pixel_array, ds)
        if keyword == "VOILUTSequence":
            top = 2 ** ds.VOILUTSequence[0].LUTDescriptor[2] - 1
            shown = apply_voi_lut(shown, ds) / top
        ours = grey_of(path)
        slope, offset = np.polyfit(shown.ravel().astype(float), ours.ravel(), 1)
        assert abs(slope) > 0
        np.testing.assert_allclose(ours, shown * slope + offset, atol=1e-4 * np.ptp(ours) + 1e-9)


@settings(max_examples=60, deadline=None)
@given(
    bits=st.integers(2, 16),
    signed=st.booleans(),
    slope=st.floats(0.25, 4),
    intercept=st.integers(-2000, 2000),
    center=st.integers(-1000, 3000),
    width=st.integers(2, 5000),
    inverted=st.booleans(),
)
def test_fast_linear_path_equals_the_definition(
    bits, signed, slope, intercept, center, width, inverted
) -> None:
    stored = (
        np.arange(-(2**15), 2**15, 7, dtype=np.int16)[None, :]
        if signed
        else (np.arange(0, 2**16, 7, dtype=np.uint16)[None, :])
    )
    lookup = GreyLookup(bits, signed, slope, intercept, window=Window(center, width), inverted=inverted)
    values = lookup.read_values(stored).astype(np.float64)
    expected = Window(center, width).apply(values * slope + intercept)
    expected = 1 - expected if inverted else expected
    np.testing.assert_allclose(lookup.to_grey(stored), expected, atol=3e-3 if width < 20 else 2e-4)


def test_monochrome1_is_the_negative_of_monochrome2(save) -> None:
    bright = make_radiograph(RAMP, WindowCenter="2048", WindowWidth="4096")
    dark = make_radiograph(
        RAMP, WindowCenter="2048", WindowWidth="4096", PhotometricInterpretation="MONOCHROME1"
    )
    np.testing.assert_allclose(grey_of(save(dark, "1.dcm")), 1 - grey_of(save(bright, "2.dcm")), atol=1e-6)


def test_bits_above_bits_stored_are_not_seen(save, decoder) -> None:
    clean = make_radiograph(RAMP, BitsStored=12, HighBit=11)
    dirty = make_radiograph(RAMP | np.uint16(0xA000), BitsStored=12, HighBit=11)
    images = [load_image(read_instance(save(ds, name)), decoder) for ds, name in ((clean, "a"), (dirty, "b"))]
    greys = [image.lookup.to_grey(image.stored) for image in images]
    np.testing.assert_array_equal(*greys)


@pytest.mark.parametrize("photometric", ["MONOCHROME1", "MONOCHROME2"])
def test_padding_becomes_the_darkest_grey(photometric: str, save) -> None:
    pixels = RAMP + np.uint16(1000)
    pixels[:10] = 65535
    ds = make_radiograph(pixels, PhotometricInterpretation=photometric)
    ds.add_new("PixelPaddingValue", "US", 65535)
    grey = grey_of(save(ds))
    assert np.all(grey[:10] == grey[10:].min())


def test_padding_range_and_signed_values_are_understood(save) -> None:
    pixels = np.arange(-2048, 2048, dtype=np.int16).reshape(64, 64)
    ds = make_radiograph(pixels)
    ds.add_new("PixelPaddingValue", "US", 65536 - 2048)  # written unsigned by mistake, as found in the wild
    ds.add_new("PixelPaddingRangeLimit", "SS", -2000)
    grey = grey_of(save(ds))
    assert np.all(grey[pixels <= -2000] == grey[pixels > -2000].min())


def test_an_image_of_padding_alone_is_black() -> None:
    lookup = GreyLookup(16, False, padding=(5, 5))
    assert not lookup.to_grey(np.full((4, 4), 5, dtype=np.uint16)).any()


def test_a_window_without_width_is_ignored(save) -> None:
    ds = make_radiograph(RAMP, WindowCenter="100", WindowWidth="0")
    grey = grey_of(save(ds))
    assert grey.min() == 0
    assert grey.max() == 4095


def test_values_below_and_above_a_table_take_its_ends() -> None:
    table = Table(10, np.array([1, 2, 3], dtype=np.float32), 255)
    np.testing.assert_array_equal(table.apply(np.array([-5.0, 10, 11.9, 12, 900])), [1, 1, 2, 3, 3])
