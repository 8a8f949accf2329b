"""The self-test is the same everywhere, and notices what goes wrong with pictures."""

from __future__ import annotations

import numpy as np
import pytest

from florilegium.encoders.onnx_clip.probe import PROBE_TEXT, cosine, probe_image
from florilegium.ids import hash_bytes


def test_the_picture_is_the_same_in_every_version() -> None:
    picture = probe_image()

    assert (picture.mode, picture.size) == ("RGB", (320, 240))
    assert hash_bytes(picture.tobytes())[:16] == "193ad8050d0444ba"


def test_a_turned_or_mirrored_picture_is_another_one() -> None:
    pixels = np.asarray(probe_image())

    assert not np.array_equal(pixels, pixels[::-1])
    assert not np.array_equal(pixels, pixels[:, ::-1])
    assert not np.array_equal(pixels, pixels[:, :, ::-1])


def test_the_text_has_capitals_and_punctuation() -> None:
    assert PROBE_TEXT.lower() != PROBE_TEXT
    assert not PROBE_TEXT.replace(" ", "").isalnum()


def test_rows_are_compared_by_their_direction() -> None:
    assert cosine((3, 4), (6, 8)) == pytest.approx(1)
    assert cosine((1, 0), (0, 2)) == 0
    assert cosine((1, 0), (-2, 0)) == pytest.approx(-1)
    assert cosine((0, 0), (1, 0)) == 0
