from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from florilegium.config import EncoderConfig
from florilegium.errors import EncoderError, UnknownBackendError
from florilegium.testing.encoder import FakeEncoder, open_encoder
from florilegium.types import Embeddings, Modality

COLOURS = [
    "red",
    "green",
    "blue",
    "yellow",
    "white",
    "black",
    "grey",
    "orange",
    "purple",
    "brown",
    "pink",
]
CHINESE = ["红", "绿", "蓝", "黄", "白", "黑", "灰", "橙", "紫", "棕", "粉"]


def encode_text(text: str, *, dim: int = 32) -> Embeddings:
    row: Embeddings = FakeEncoder(dim=dim).encode_texts([text], purpose="query")[0]
    return row


def encode_image(image: Image.Image, *, dim: int = 32) -> Embeddings:
    row: Embeddings = FakeEncoder(dim=dim).encode_images([image])[0]
    return row


@pytest.mark.parametrize("colour", COLOURS)
def test_a_colour_word_is_exactly_the_picture_of_that_colour(colour: str) -> None:
    square = Image.new("RGB", (8, 8), colour)

    assert float(encode_text(colour) @ encode_image(square)) == pytest.approx(1.0)


@pytest.mark.parametrize(("english", "chinese"), list(zip(COLOURS, CHINESE, strict=True)))
def test_a_colour_is_the_same_in_chinese(english: str, chinese: str) -> None:
    np.testing.assert_array_equal(encode_text(chinese), encode_text(english))


def test_no_two_colours_share_a_dimension() -> None:
    rows = np.array([encode_text(colour) for colour in COLOURS])

    np.testing.assert_array_equal(rows @ rows.T, np.eye(len(COLOURS)))


def test_a_picture_is_the_share_of_its_colours() -> None:
    image = Image.new("RGB", (4, 4), "white")
    image.paste("red", (0, 0, 4, 3))

    row = encode_image(image)

    assert float(row @ encode_text("red")) == pytest.approx(3 / 10**0.5)
    assert float(row @ encode_text("white")) == pytest.approx(1 / 10**0.5)
    assert float(row @ encode_text("blue")) == 0


def test_the_red_square_is_found_by_red_among_others_on_white() -> None:
    pictures = []
    for colour in ("green", "red", "blue"):
        picture = Image.new("RGB", (64, 64), "white")
        picture.paste(colour, (16, 16, 48, 48))
        pictures.append(picture)

    scores = FakeEncoder().encode_images(pictures) @ encode_text("a red square")

    assert int(scores.argmax()) == 1


def test_shared_words_bring_texts_together() -> None:
    query = encode_text("how to prune roses", dim=512)

    near = float(query @ encode_text("Prune roses in March.", dim=512))
    far = float(query @ encode_text("The rocket left the pad.", dim=512))

    assert near == pytest.approx(0.5)
    assert far == 0


def test_case_and_punctuation_do_not_count() -> None:
    np.testing.assert_array_equal(encode_text("Red, ROSE!"), encode_text("red rose"))


def test_chinese_signs_are_words_of_their_own_beside_latin_ones() -> None:
    np.testing.assert_array_equal(encode_text("红色rose的"), encode_text("rose 的 色 red"))


def test_words_are_counted_and_two_special_tokens() -> None:
    assert FakeEncoder().count_tokens("A red rose，红色") == 3 + 2 + 2


def test_a_text_without_words_is_near_no_colour_and_no_word() -> None:
    row = encode_text(" … ")

    assert row[-1] == 1
    assert np.count_nonzero(row) == 1


def test_rows_are_the_same_in_another_process() -> None:
    code = (
        "from florilegium.testing.encoder import FakeEncoder\n"
        "row = FakeEncoder(dim=64).encode_texts(['tulips in spring'], purpose='query')[0]\n"
        "print(row.nonzero()[0].tolist())\n"
    )
    here = encode_text("tulips in spring", dim=64).nonzero()[0].tolist()

    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)

    assert done.stdout.strip() == str(here)


def test_calls_count_what_was_really_encoded() -> None:
    encoder = FakeEncoder()

    encoder.encode_texts(["a", "b"], purpose="document")
    encoder.encode_texts([], purpose="document")
    encoder.encode_images([Image.new("RGB", (1, 1))])

    assert encoder.calls == {Modality.TEXT: 2, Modality.IMAGE: 1}


def test_a_picture_that_is_not_rgb_is_refused() -> None:
    with pytest.raises(EncoderError, match="'CMYK'"):
        encode_image(Image.new("CMYK", (2, 2)))


def test_encoders_of_different_sizes_make_different_spaces() -> None:
    assert FakeEncoder(dim=32).info.fingerprint != FakeEncoder(dim=64).info.fingerprint
    assert FakeEncoder(dim=64).info.id == "fake:64"


@pytest.mark.parametrize(("model", "dim"), [("", 32), ("16", 16), ("128", 128)])
def test_the_name_gives_the_number_of_dimensions(model: str, dim: int, tmp_path: Path) -> None:
    encoder = open_encoder(model, config=EncoderConfig(), texts=None, cache_folder=tmp_path)

    assert encoder.info.dim == dim
    assert encoder.encode_texts(["rose"], purpose="query").shape == (1, dim)


@pytest.mark.parametrize("model", ["15", "0", "-32", "many"])
def test_a_number_of_dimensions_that_is_too_small_or_none_is_refused(
    model: str, tmp_path: Path
) -> None:
    with pytest.raises(UnknownBackendError, match="fake") as caught:
        open_encoder(model, config=EncoderConfig(), texts=None, cache_folder=tmp_path)

    assert "fake:32" in (caught.value.hint or "")
