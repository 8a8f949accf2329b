"""Pictures become the numbers that the configuration of a model asks for, or an error says why."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from PIL import Image

from florilegium.errors import EncoderError
from florilegium.preprocessing import Preprocessing

CLIP = {
    "do_center_crop": True,
    "crop_size": {"height": 24, "width": 24},
    "size": {"shortest_edge": 24},
    "resample": 3,
    "image_mean": [0.5, 0.4, 0.25],
    "image_std": [0.5, 0.5, 0.25],
}
SIGLIP = {
    "size": {"height": 24, "width": 24},
    "resample": 2,
    "image_mean": [0.5, 0.5, 0.5],
    "image_std": [0.5, 0.5, 0.5],
}
OPEN_CLIP = {
    "size": [24, 24],
    "mean": [0.5, 0.5, 0.5],
    "std": [0.5, 0.5, 0.5],
    "interpolation": "bicubic",
    "resize_mode": "shortest",
    "fill_color": 0,
}


def noise(width: int, height: int) -> Image.Image:
    """Return a picture in which a shift by one pixel shows."""
    pixels = np.random.default_rng(width).integers(0, 256, (height, width, 3), dtype=np.uint8)
    return Image.fromarray(pixels)


def values(image: Image.Image) -> npt.NDArray[np.int16]:
    return np.asarray(image).astype(np.int16)


def test_colours_are_scaled_then_centred_then_divided() -> None:
    preprocessing = Preprocessing.from_transformers(CLIP)

    pixels = preprocessing.to_pixels([Image.new("RGB", (24, 24), (255, 102, 0))])

    assert pixels.shape == (1, 3, 24, 24)
    assert pixels.dtype == np.float32
    np.testing.assert_allclose(pixels[0, :, 5, 7], [1.0, 0.0, -1.0], atol=1e-6)


def test_no_pictures_give_no_rows() -> None:
    assert Preprocessing.from_transformers(CLIP).to_pixels([]).shape == (0, 3, 24, 24)


@pytest.mark.parametrize("size", [(61, 40), (40, 61), (24, 24), (25, 190), (10, 12), (192, 24)])
def test_the_shorter_side_is_scaled_and_the_middle_is_cut_out(size: tuple[int, int]) -> None:
    preprocessing = Preprocessing.from_transformers(CLIP)
    picture = noise(*size)
    width, height = size
    if width <= height:
        scaled = picture.resize((24, int(24 * height / width)), Image.Resampling.BICUBIC)
    else:
        scaled = picture.resize((int(24 * width / height), 24), Image.Resampling.BICUBIC)
    left, top = (scaled.width - 24) // 2, (scaled.height - 24) // 2

    prepared = preprocessing.prepare(picture)

    expected = scaled.crop((left, top, left + 24, top + 24))
    np.testing.assert_array_equal(values(prepared), values(expected))


@pytest.mark.parametrize("size", [(3000, 5), (5, 3000)])
def test_of_a_thin_strip_the_middle_alone_is_scaled(size: tuple[int, int]) -> None:
    preprocessing = Preprocessing.from_transformers(CLIP)
    # Without edges no filter overshoots.
    picture = Image.linear_gradient("L").convert("RGB").resize(size)
    ratio = 24 / min(size)
    scaled = picture.resize((int(size[0] * ratio), int(size[1] * ratio)), Image.Resampling.BICUBIC)
    left, top = (scaled.width - 24) // 2, (scaled.height - 24) // 2

    prepared = preprocessing.prepare(picture)

    expected = scaled.crop((left, top, left + 24, top + 24))
    np.testing.assert_allclose(values(prepared), values(expected), atol=1)


def test_a_side_longer_than_the_cut_leaves_a_border_out() -> None:
    preprocessing = Preprocessing.from_transformers({**CLIP, "size": {"shortest_edge": 30}})
    picture = noise(30, 30)

    np.testing.assert_array_equal(
        values(preprocessing.prepare(picture)), values(picture.crop((3, 3, 27, 27)))
    )


def test_a_prepared_picture_is_not_prepared_again() -> None:
    preprocessing = Preprocessing.from_transformers({**CLIP, "size": {"shortest_edge": 31}})
    prepared = preprocessing.prepare(noise(50, 40))

    assert preprocessing.prepare(prepared) is prepared


def test_what_one_model_has_prepared_another_one_prepares_for_itself() -> None:
    prepared = Preprocessing.from_transformers({**CLIP, "size": {"shortest_edge": 31}}).prepare(
        noise(50, 40)
    )

    again = Preprocessing.from_transformers({**CLIP, "size": {"shortest_edge": 48}}).prepare(
        prepared
    )

    assert again is not prepared
    assert values(again).tolist() != values(prepared).tolist()


def test_the_given_picture_is_left_as_it_was() -> None:
    picture = noise(24, 24)
    before = picture.tobytes()

    prepared = Preprocessing.from_transformers(SIGLIP).prepare(picture)

    assert prepared is not picture
    assert (picture.tobytes(), picture.info) == (before, {})


def test_siglip_squashes_with_its_own_filter() -> None:
    picture = noise(61, 40)

    prepared = Preprocessing.from_transformers(SIGLIP).prepare(picture)

    expected = picture.resize((24, 24), Image.Resampling.BILINEAR)
    np.testing.assert_array_equal(values(prepared), values(expected))


def test_other_modes_become_rgb_before_they_are_scaled() -> None:
    prepared = Preprocessing.from_transformers(SIGLIP).prepare(Image.new("L", (9, 9), 77))

    assert prepared.mode == "RGB"
    assert prepared.getpixel((4, 4)) == (77, 77, 77)


def test_steps_that_are_switched_off_are_left_out() -> None:
    config = {**CLIP, "do_normalize": False}
    white = Image.new("RGB", (24, 24), "white")

    scaled = Preprocessing.from_transformers(config).to_pixels([white])
    raw = Preprocessing.from_transformers({**config, "do_rescale": False}).to_pixels([white])

    assert np.unique(scaled).tolist() == [1.0]
    assert np.unique(raw).tolist() == [255.0]


def test_old_configurations_name_one_number_for_both_sides() -> None:
    old = {**CLIP, "size": 24, "crop_size": 24}

    assert Preprocessing.from_transformers(old) == Preprocessing.from_transformers(CLIP)


def test_open_clip_takes_the_even_one_of_two_middles() -> None:
    preprocessing = Preprocessing.from_open_clip(OPEN_CLIP)
    picture = noise(24, 27)  # the middle is at 1.5

    np.testing.assert_array_equal(
        values(preprocessing.prepare(picture)), values(picture.crop((0, 2, 24, 26)))
    )


def test_open_clip_can_fill_what_is_missing() -> None:
    config = {**OPEN_CLIP, "resize_mode": "longest", "fill_color": 9}

    prepared = Preprocessing.from_open_clip(config).prepare(Image.new("RGB", (48, 24), "white"))

    rows = values(prepared)[:, 12, 0].tolist()
    assert rows == [9] * 6 + [255] * 12 + [9] * 6


def test_open_clip_trains_with_random_filters_and_evaluates_with_bicubic() -> None:
    config = {**OPEN_CLIP, "interpolation": "random"}

    assert Preprocessing.from_open_clip(config) == Preprocessing.from_open_clip(OPEN_CLIP)


@pytest.mark.parametrize("config", [CLIP, SIGLIP])
def test_what_is_written_is_read_again(config: dict[str, Any]) -> None:
    preprocessing = Preprocessing.from_transformers(config)

    tree = json.loads(json.dumps(preprocessing.to_json()))

    assert Preprocessing.from_json(tree) == preprocessing


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"max_num_patches": 256}, "variable size"),
        ({"do_resize": False}, "does not scale"),
        ({"do_center_crop": False}, "different shapes"),
        ({"size": {"longest_edge": 24}}, "it has no 'height'"),
        ({"image_mean": [0.5]}, "cannot be followed"),
        ({"image_std": [0.5, 0.0, 0.5]}, "not positive"),
        ({"image_mean": [0.5, float("nan"), 0.5]}, "not a number"),
        ({"resample": 9}, "cannot be followed"),
        ({"size": {"shortest_edge": 20}}, "too short"),
        ({"size": {"shortest_edge": 0}, "crop_size": 0}, "is none"),
    ],
)
def test_what_cannot_be_followed_is_named(change: dict[str, Any], message: str) -> None:
    with pytest.raises(EncoderError, match=message):
        Preprocessing.from_transformers({**CLIP, **change})


@pytest.mark.parametrize(
    "change",
    [
        {"resize_mode": "stretch"},
        {"interpolation": "magic"},
        {"size": [24, 12]},
        {"fill_color": [1, 2, 3]},
    ],
)
def test_open_clip_modes_that_nobody_knows_are_refused(change: dict[str, Any]) -> None:
    with pytest.raises(EncoderError, match="cannot be followed"):
        Preprocessing.from_open_clip({**OPEN_CLIP, **change})
