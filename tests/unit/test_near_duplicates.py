"""The same picture saved again is recognised, and another one is not."""

from __future__ import annotations

import io
import subprocess
import sys
import time

import numpy as np
import pytest
from PIL import Image, ImageDraw, ImageEnhance

from florilegium.near_duplicates import (
    MOST_BITS,
    MOST_SHADES,
    are_near_duplicates,
    difference,
    group,
    perceptual_hash,
)


def scene(seed: int, size: tuple[int, int] = (400, 300)) -> Image.Image:
    """Return a picture of soft spots, different for every seed."""
    chance = np.random.default_rng(seed)
    coarse = chance.integers(0, 256, size=(7, 9, 3), dtype=np.uint8)
    return Image.fromarray(coarse).resize(size, Image.Resampling.BICUBIC)


def shape(colour: str, kind: str = "rectangle") -> Image.Image:
    """Return a drawing on a plain background."""
    image = Image.new("RGB", (240, 240), "white")
    getattr(ImageDraw.Draw(image), kind)((60, 60, 180, 180), fill=colour)
    return image


def saved(image: Image.Image, kind: str, **options: int) -> Image.Image:
    data = io.BytesIO()
    image.save(data, kind, **options)
    return Image.open(data).convert("RGB")


def cut(image: Image.Image) -> Image.Image:
    width, height = image.size
    return image.crop((width // 100, height // 100, width - width // 100, height - height // 100))


def hash_of(image: Image.Image) -> bytes:
    found = perceptual_hash(image)
    assert found is not None
    return found


@pytest.mark.parametrize(
    "again",
    [
        pytest.param(lambda image: saved(image, "JPEG", quality=50), id="coarse JPEG"),
        pytest.param(lambda image: saved(image, "PNG"), id="PNG"),
        pytest.param(lambda image: image.resize((200, 150)), id="half the size"),
        pytest.param(lambda image: image.resize((600, 450)), id="larger"),
        pytest.param(lambda image: image.resize((2000, 1500)), id="large enough to be averaged"),
        pytest.param(cut, id="cut by one percent"),
        pytest.param(lambda image: ImageEnhance.Brightness(image).enhance(0.9), id="darker"),
    ],
)
@pytest.mark.parametrize("original", [scene(1), scene(2), shape("red"), shape("blue", "ellipse")])
def test_a_picture_saved_again_is_a_near_duplicate(original: Image.Image, again: object) -> None:
    assert callable(again)

    assert are_near_duplicates(hash_of(original), hash_of(again(original)))


@pytest.mark.parametrize(
    ("one", "other"),
    [
        pytest.param(scene(1), scene(2), id="two scenes"),
        pytest.param(shape("red"), shape("green"), id="colours of one shape"),
        pytest.param(shape("red"), shape("red", "ellipse"), id="shapes of one colour"),
        pytest.param(scene(1), scene(1).rotate(180), id="upside down"),
        pytest.param(scene(1), scene(1).crop((80, 60, 400, 300)), id="a part of it"),
    ],
)
def test_another_picture_is_none(one: Image.Image, other: Image.Image) -> None:
    assert not are_near_duplicates(hash_of(one), hash_of(other))


def test_a_picture_that_shows_nothing_has_no_hash() -> None:
    assert perceptual_hash(Image.new("RGB", (300, 300), "white")) is None
    noise = np.random.default_rng(0).integers(126, 131, size=(300, 300, 3), dtype=np.uint8)
    assert perceptual_hash(Image.fromarray(noise)) is None


@pytest.mark.parametrize("size", [(1, 1), (1, 500), (3, 2)])
def test_tiny_pictures_do_no_harm(size: tuple[int, int]) -> None:
    image = Image.new("RGB", size, "red")
    image.putpixel((0, 0), (0, 0, 255))

    found = perceptual_hash(image)

    assert found is None or len(found) == 80


def test_the_difference_counts_bits_and_shades() -> None:
    zero = bytes(80)

    assert difference(zero, zero) == (0, 0)
    assert difference(zero, b"\xff\x01" + bytes(78)) == (9, 0)
    assert difference(bytes(32) + b"\xf0" + bytes(47), bytes(79) + b"\x20") == (0, 240)


def test_both_limits_are_kept() -> None:
    def hash_with(bits: int, shade: int) -> bytes:
        structure = np.packbits(np.arange(256) < bits).tobytes()
        return structure + bytes(47) + bytes([shade])

    zero = bytes(80)
    assert are_near_duplicates(zero, hash_with(MOST_BITS, MOST_SHADES))
    assert not are_near_duplicates(zero, hash_with(MOST_BITS + 1, MOST_SHADES))
    assert not are_near_duplicates(zero, hash_with(MOST_BITS, MOST_SHADES + 1))


def test_hashes_of_another_length_are_refused() -> None:
    with pytest.raises(ValueError, match=r"80 bytes each, but these have \[8, 80\]"):
        difference(bytes(80), bytes(8))


def test_later_ones_go_to_the_first_like_them() -> None:
    hashes = {
        "a": hash_of(scene(1)),
        "b": hash_of(scene(2)),
        "a small": hash_of(scene(1).resize((200, 150))),
        "a dark": hash_of(ImageEnhance.Brightness(scene(1)).enhance(0.95)),
        "unasked": hash_of(scene(1)),
    }

    assert group(hashes, ["a small", "b", "without hash", "a", "a dark"]) == {
        "a": "a small",
        "a dark": "a small",
    }
    assert group(hashes, ["a", "a"]) == {}
    assert group({}, ["a", "b"]) == {}


def test_what_went_to_another_stands_for_nothing_itself() -> None:
    def hash_with(bits: int) -> bytes:
        return np.packbits(np.arange(256) < bits).tobytes() + bytes(48)

    chain = {"0": hash_with(0), "40": hash_with(40), "80": hash_with(80), "120": hash_with(120)}

    assert group(chain, ["0", "40", "80", "120"]) == {"40": "0", "120": "80"}


def test_two_hundred_pictures_are_grouped_in_no_time() -> None:
    chance = np.random.default_rng(0)
    hashes = {str(i): chance.bytes(80) for i in range(200)}
    order = list(hashes)

    seconds = []
    for _ in range(20):
        start = time.perf_counter()
        assert group(hashes, order) == {}
        seconds.append(time.perf_counter() - start)

    assert min(seconds) < 0.01  # 1 ms where nobody else is at work


def test_comparing_loads_no_scipy() -> None:
    code = (
        "import sys; from florilegium.near_duplicates import group;"
        "group({'a': bytes(80), 'b': bytes(80)}, 'ab');"
        "sys.exit(any(name in sys.modules for name in ('scipy', 'imagehash', 'pywt')))"
    )

    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
