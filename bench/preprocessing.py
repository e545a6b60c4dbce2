"""Preprocessing of a 2500 x 2048 radiograph, ours beside MONAI's usual order, in one run.

    python -m bench.preprocessing [--rounds 15]

Both sides begin with the decoded 12-bit pixels of one DICOM file in memory and end with a (1, 3, size, size)
tensor; ours includes the modality and VOI look-up, which the other side leaves out. The rounds alternate, so
that a machine that changes its speed does so for both. Medians count; the spread is printed beside them.
"""

from __future__ import annotations

import argparse
import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pydicom
from pydicom.data import get_testdata_file

from janus_med.decoding import Decoder
from janus_med.dicom_input import load_image, read_instance
from janus_med.preprocessing import preprocess
from janus_med.study import SourceImage

ROWS, COLUMNS, SIZE = 2500, 2048, 384


def make_radiograph(seed: int = 7) -> np.ndarray:
    """Return (2500, 2048) uint16 values of 12 bit: a broad gradient, two dark fields, noise."""
    rows, columns = np.mgrid[0:ROWS, 0:COLUMNS].astype(np.float32)
    fields = sum(np.exp(-(((columns - x) / 330) ** 2) - ((rows - 1150) / 620) ** 2) for x in (620.0, 1430.0))
    noise = np.random.default_rng(seed).normal(0, 40, (ROWS, COLUMNS))
    return (2600 + rows / 5 - 1500 * fields + noise).clip(0, 4095).astype(np.uint16)


def decode_radiograph(stored: np.ndarray, folder: Path) -> SourceImage:
    """Write the pixels as a MONOCHROME1 radiograph with a window, and decode that file as the worker does."""
    ds = pydicom.dcmread(str(get_testdata_file("RG1_UNCR.dcm", download=False)))
    ds.Rows, ds.Columns = stored.shape
    ds.BitsAllocated, ds.BitsStored, ds.HighBit, ds.PixelRepresentation = 16, 12, 11, 0
    ds.WindowCenter, ds.WindowWidth, ds.PixelData = 2048, 4096, stored.tobytes()
    file = folder / "radiograph.dcm"
    ds.save_as(file)
    with Decoder() as decoder:
        return load_image(read_instance(file), decoder)


def build_usual_pipeline() -> Callable[[np.ndarray], object]:
    """Return MONAI's usual order: percentiles at full size, then an anti-aliased resize, then the padding."""
    from monai.transforms import (
        Compose,
        EnsureChannelFirst,
        NormalizeIntensity,
        RepeatChannel,
        Resize,
        ScaleIntensityRangePercentiles,
        SpatialPad,
    )

    return Compose(
        [
            EnsureChannelFirst(channel_dim="no_channel"),
            ScaleIntensityRangePercentiles(0.5, 99.5, 0, 1, clip=True),
            Resize(SIZE, size_mode="longest", mode="bilinear", anti_aliasing=True),
            SpatialPad((SIZE, SIZE), value=127 / 255),
            RepeatChannel(3),
            NormalizeIntensity(0.5, 0.5),
        ]
    )


def measure(sides: dict[str, Callable[[], object]], rounds: int) -> dict[str, list[float]]:
    """Time each side once per round, in turn, after one warm-up; milliseconds."""
    times: dict[str, list[float]] = {name: [] for name in sides}
    for round_ in range(rounds + 1):
        for name, act in sides.items():
            begin = time.perf_counter()
            act()
            if round_:
                times[name].append((time.perf_counter() - begin) * 1000)
    return times


def main() -> None:
    """Print a row a side and the ratio of the medians."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--rounds", type=int, default=15)
    rounds = parser.parse_args().rounds
    usual = build_usual_pipeline()
    with tempfile.TemporaryDirectory() as folder:
        image = decode_radiograph(make_radiograph(), Path(folder))
    grey = image.stored.astype(np.float32)
    times = measure({"ours": lambda: preprocess(image, SIZE), "usual order": lambda: usual(grey)}, rounds)
    medians = {name: statistics.median(values) for name, values in times.items()}
    print(f"{ROWS} x {COLUMNS} -> {SIZE} x {SIZE}, {rounds} rounds, ms: median (min - max)")
    for name, values in times.items():
        print(f"  {name:12} {medians[name]:7.1f} ({min(values):.1f} - {max(values):.1f})")
    print(f"  ratio        {medians['usual order'] / medians['ours']:7.1f}")


if __name__ == "__main__":
    main()
