from __future__ import annotations

import hashlib
from importlib import resources
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from skimage import data

from florilegium.encoders.starter import network as module
from florilegium.encoders.starter.network import IMAGE_SIZE, WEIGHTS_SHA256, Network, to_pixels
from florilegium.errors import EncoderError, WeightsNotFoundError

EGYPTIAN_CAT, ESPRESSO = 285, 967


@pytest.fixture(scope="module")
def network() -> Network:
    return Network(threads=2)


@pytest.fixture(scope="module")
def photos() -> list[Image.Image]:
    return [Image.fromarray(getattr(data, name)()) for name in ("cat", "coffee")]


def test_the_shipped_weights_are_the_pinned_ones() -> None:
    file = resources.files("florilegium.encoders.starter") / "efficientnet_lite2.onnx"

    assert hashlib.sha256(file.read_bytes()).hexdigest() == WEIGHTS_SHA256


def test_photos_are_classified(network: Network, photos: list[Image.Image]) -> None:
    features, logits = network.run(photos)

    assert features.shape == (2, 1280)
    assert logits.argmax(axis=1).tolist() == [EGYPTIAN_CAT, ESPRESSO]


def test_features_are_pooled_after_a_clip_to_six(
    network: Network, photos: list[Image.Image]
) -> None:
    features, _ = network.run(photos)

    assert features.min() >= 0
    assert features.max() <= 6


def test_a_row_does_not_depend_on_its_batch(network: Network, photos: list[Image.Image]) -> None:
    together = network.run([*photos, *photos[:1]])
    alone = network.run(photos[:1])

    for many, one in zip(together, alone, strict=True):
        np.testing.assert_allclose(many[0], one[0], atol=1e-4)
        np.testing.assert_allclose(many[2], one[0], atol=1e-4)


def test_the_whole_picture_is_seen() -> None:
    image = Image.new("RGB", (800, 200))
    image.paste((255, 255, 255), (0, 0, 40, 200))  # a strip that a central crop would lose

    pixels = to_pixels(image)

    assert pixels.shape == (IMAGE_SIZE, IMAGE_SIZE, 3)
    assert pixels.dtype == np.uint8
    assert pixels[:, :10].min() == 255
    assert pixels[:, 20:].max() == 0


def test_a_picture_of_the_right_size_is_not_resampled() -> None:
    rows = np.random.default_rng(0).integers(0, 256, (IMAGE_SIZE, IMAGE_SIZE, 3), dtype=np.uint8)

    np.testing.assert_array_equal(to_pixels(Image.fromarray(rows)), rows)


def test_channels_are_red_green_blue() -> None:
    assert to_pixels(Image.new("RGB", (3, 3), (10, 20, 30)))[0, 0].tolist() == [10, 20, 30]


def test_missing_weights_are_named(tmp_path: Path) -> None:
    absent = tmp_path / "absent.onnx"

    with pytest.raises(WeightsNotFoundError, match=r"absent\.onnx") as caught:
        Network(weights=absent).run([Image.new("RGB", (8, 8))])

    assert caught.value.hint


def test_other_weights_are_refused(tmp_path: Path) -> None:
    other = tmp_path / "other.onnx"
    other.write_bytes(b"something else")

    with pytest.raises(WeightsNotFoundError, match=f"{WEIGHTS_SHA256[:12]}… is expected"):
        Network(weights=other).run([Image.new("RGB", (8, 8))])


def test_a_file_that_is_no_model_is_an_encoder_error(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    junk = tmp_path / "junk.onnx"
    junk.write_bytes(b"junk")
    monkeypatch.setattr(module, "WEIGHTS_SHA256", hashlib.sha256(b"junk").hexdigest())

    with pytest.raises(EncoderError, match="cannot be loaded"):
        Network(weights=junk).run([Image.new("RGB", (8, 8))])


def test_a_failed_forward_pass_is_an_encoder_error(monkeypatch: pytest.MonkeyPatch) -> None:
    wrong = np.zeros((4, 4, 3), dtype=np.uint8)
    monkeypatch.setattr(module, "to_pixels", lambda image: wrong)

    with pytest.raises(EncoderError, match="failed on 2 pictures"):
        Network(threads=1).run([Image.new("RGB", (8, 8))] * 2)


def test_construction_reads_nothing(tmp_path: Path) -> None:
    Network(weights=tmp_path / "absent.onnx").close()


def test_a_closed_network_loads_again(photos: list[Image.Image]) -> None:
    network = Network(threads=2)
    before = network.run(photos[:1])

    network.close()

    np.testing.assert_array_equal(network.run(photos[:1])[1], before[1])
