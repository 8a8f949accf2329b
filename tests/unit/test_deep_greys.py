"""Greys of more than eight bits keep their order and their range, tile by tile."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import pytest
from PIL import Image

from florilegium import deep_greys
from florilegium.deep_greys import eight_bits


@pytest.fixture(autouse=True)
def small_tiles(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(deep_greys, "_SIDE", 7)


def greys(image: Image.Image) -> npt.NDArray[np.uint8]:
    assert image.mode == "L"
    return np.asarray(image)


@pytest.mark.parametrize("shape", [(1, 1), (7, 7), (8, 6), (20, 33), (1, 50), (50, 1)])
def test_sixteen_bits_are_scaled_whatever_tile_they_are_in(shape: tuple[int, int]) -> None:
    values = np.random.default_rng(5).integers(0, 65536, shape, dtype=np.uint16)

    found = greys(eight_bits(Image.fromarray(values)))

    assert np.array_equal(found, np.rint(values / 65535.0 * 255.0).astype(np.uint8))


def test_the_range_is_that_of_the_whole_picture_and_not_of_a_tile() -> None:
    values = np.zeros((20, 20), dtype=np.float32)
    values[0, 0], values[19, 19] = -10.0, 30.0

    found = greys(eight_bits(Image.fromarray(values)))

    assert (found[0, 0], found[19, 19], found[10, 10]) == (0, 255, 64)


def test_what_is_no_number_is_black_and_what_is_endless_white() -> None:
    values = np.full((10, 10), 0.5, dtype=np.float32)
    values[9, 7:] = np.nan, np.inf, -np.inf

    found = greys(eight_bits(Image.fromarray(values)))

    assert list(found[9, 6:]) == [128, 0, 255, 0]


def test_a_picture_without_any_number_is_black() -> None:
    assert not greys(eight_bits(Image.new("F", (9, 9), float("nan")))).any()


def test_a_transparent_shade_stays_transparent() -> None:
    image = Image.new("I", (10, 10), 500)
    image.putpixel((9, 9), 1000)
    image.info["transparency"] = 1000

    alpha = np.asarray(eight_bits(image).getchannel("A"))

    assert alpha[9, 9] == 0
    assert (alpha == 255).sum() == 99


@pytest.mark.parametrize(("mode", "wanted"), [("La", "LA"), ("RGBa", "RGBA"), ("RGB", "RGB")])
def test_other_modes_are_left_or_converted(mode: str, wanted: str) -> None:
    assert eight_bits(Image.new(mode, (3, 3))).mode == wanted
