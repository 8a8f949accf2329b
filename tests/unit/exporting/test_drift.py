"""Drift is what a reader can work out by hand on a few rows."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import pytest

from florilegium.exporting.drift import measure_drift

Rows = npt.NDArray[np.float32]


def on_circle(*degrees: float) -> Rows:
    """Return rows of unit length at these angles, whose cosines are those of the differences."""
    angles = np.radians(np.array(degrees))
    return np.stack([np.cos(angles), np.sin(angles)], axis=1).astype(np.float32)


def test_the_same_rows_do_not_drift() -> None:
    pictures, texts = on_circle(0, 10, 25, 60, 90), on_circle(5, 70)

    drift = measure_drift(pictures, texts, pictures, texts)

    assert drift.least == pytest.approx(1)
    assert (drift.overlap, drift.crossing, drift.neighbours) == (1, 1, 2)


def test_the_lowest_cosine_counts() -> None:
    exact = on_circle(0, 30, 60)

    drift = measure_drift(on_circle(0, 30, 66), on_circle(0, 37), exact, on_circle(0, 30))

    assert drift.pictures == pytest.approx(np.cos(np.radians(6)))
    assert drift.texts == pytest.approx(np.cos(np.radians(7)))
    assert drift.least == drift.texts


def test_a_neighbour_that_is_lost_is_counted() -> None:
    # One neighbour each. At 0, 10 and 30 degrees the nearest are 10, 0 and 10. With the second at
    # 25 degrees they are 25, 30 and 25: of the pictures, the second has lost its neighbour.
    drift = measure_drift(on_circle(0, 25, 30), on_circle(12), on_circle(0, 10, 30), on_circle(12))

    assert drift.neighbours == 1
    assert drift.overlap == pytest.approx(2 / 3)
    assert drift.crossing == 0  # at 12 degrees, 0 is now nearer than 25


def test_it_is_told_in_one_line() -> None:
    rows = on_circle(0, 10, 25)

    line = measure_drift(rows, rows, rows, rows).describe()

    assert line == (
        "lowest cosine to fp32 1.0000 for pictures and 1.0000 for texts; of the 1 nearest "
        "pictures, 100% stay for a picture and 100% for a text"
    )
